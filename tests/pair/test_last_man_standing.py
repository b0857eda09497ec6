"""What Corosync's last_man_standing does for two nodes, and what it does not: two of them, one is killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import cast

import pytest

from lab import waiting
from lab.build import images
from lab.engine import Engine, borrowed
from lab.paths import cache_dir
from tests.pair.test_contract import Image

pytestmark = [pytest.mark.contract, pytest.mark.lab]

CONF = """\
totem {{
    version: 2
    cluster_name: standing
    transport: knet
    token: 1000
}}
nodelist {{
{nodes}}}
quorum {{
    provider: corosync_votequorum
    {quorum}
}}
"""
NODE = "    node {{\n        name: n{0}\n        nodeid: {0}\n        ring0_addr: {1}\n    }}\n"
WINDOW = 1  # seconds; the votes needed would be lowered after it
STANDING = f"last_man_standing: 1\n    last_man_standing_window: {WINDOW}000"
QUORATE = "Quorate:          Yes"


class Node(Image):
    """A container with Corosync alone."""

    def address(self) -> str:
        self._container.reload()
        networks = cast("dict[str, dict[str, str]]", self._container.attrs["NetworkSettings"]["Networks"])
        return next(iter(networks.values()))["IPAddress"]

    def lose(self) -> None:
        """Its power."""
        self._container.kill()

    def start(self, conf: str) -> None:
        self.write("/etc/corosync/corosync.conf", conf)
        self.run(("sh", "-c", "corosync -f >/dev/null 2>&1 &"))

    def told(self, wait: int = 0) -> str:
        """What votequorum says, some seconds later."""
        return self.run(("sh", "-c", f"sleep {wait}; corosync-quorumtool -s || true"))

    def sees(self, other: str) -> bool:
        return other in self.run(("sh", "-c", "corosync-quorumtool -l || true"))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with borrowed(cache_dir() / "contract-engine") as running:
        images.build_all(running, print)
        yield running


@pytest.mark.parametrize("quorum, quorate", [
    ("two_node: 1", True),
    (STANDING, False),
    (f"two_node: 1\n    {STANDING}", True),
    (f"{STANDING}\n    auto_tie_breaker: 1", False),
], ids=["two_node", "last_man_standing", "both", "with a tie breaker for the one that is lost"])
def test_one_of_two_goes_on_by_two_node_alone(engine: Engine, quorum: str, quorate: bool) -> None:
    """The votes of the one that is left, once its window has long passed."""
    with ExitStack() as stack:
        nodes = []
        for number in (1, 2):
            container = engine.client.containers.run(images.PEER, ["sleep", "300"], detach=True, hostname=f"n{number}")
            stack.callback(container.remove, force=True)
            nodes.append(Node(container))
        conf = CONF.format(quorum=quorum, nodes="".join(
            NODE.format(number, node.address()) for number, node in enumerate(nodes, 1)))
        for node in nodes:
            node.start(conf)
        lost, left = nodes
        waiting.until(lambda: left.sees("n1") and QUORATE in left.told(), "two nodes with quorum", 60, left.told)
        lost.lose()
        waiting.until(lambda: not left.sees("n1"), "the loss seen", 30, left.told)
        said = left.told(WINDOW + 2)
        assert (QUORATE in said) is quorate, said
