"""A container of the peer image of each Debian release, where the agent is installed beside the tools."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from docker.models.containers import Container

from lab import paths, waiting
from lab.build import contract
from lab.engine import Engine, borrowed
from lab.plane import Plane

from ..agent.kernel import tmpfs
from ..agent.tls import Authority
from ..situations.proxy import proxied
from ..situations.shop import Shop

TYPE = "ocf:aos:k8sdeployment"
EXECUTABLE = "/usr/lib/ocf/resource.d/aos/k8sdeployment"
SECONDS = 60.0
_NUMBERS = itertools.count(1)
EMPTY_CIB = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" have-quorum="1" epoch="1" num_updates="0" admin_epoch="0">
  <configuration>
    <crm_config>
      <cluster_property_set id="options">
        <nvpair id="no-stonith" name="stonith-enabled" value="false"/>
      </cluster_property_set>
    </crm_config>
    <nodes/><resources/><constraints/>
  </configuration>
  <status/>
</cib>
"""


class Peer:
    """Runs commands in a container. `shared` has the same path in it and outside; it is a tmpfs, as permits need it."""

    def __init__(self, container: Container, release: str, shared: Path) -> None:
        self.container, self.release, self.shared = container, release, shared

    def run(self, *argv: str, stdin: str = "", **env: str) -> tuple[int, str]:
        """Exit code and everything that was written.

        Through files: on a loaded machine podman's exec ends now and then without the output.
        """
        command = shlex.join(argv) if not stdin else f"printf %s {shlex.quote(stdin)} | {shlex.join(argv)}"
        said, code = (self.shared / f"{kind}-{next(_NUMBERS)}" for kind in ("said", "code"))
        self.container.exec_run(["sh", "-c", f"{{ {command}; }} > {said} 2>&1; echo $? > {code}"], environment=env)
        waiting.until(lambda: code.exists() and code.read_text().endswith("\n"), f"the end of {argv[0]}", SECONDS)
        return int(code.read_text()), said.read_text()

    def write(self, name: str, text: str) -> str:
        """The path of a new file."""
        file = self.shared / name
        file.write_text(text)
        return str(file)


@contextmanager
def container(engine: Engine, release: str, shared: Path, command: str, pid_mode: str | None = None,
              cap_add: list[str] | None = None) -> Iterator[Peer]:
    """One of the release's image, on the host's network, where an API at 127.0.0.1 is reached."""
    image = contract.build(engine, release, print)
    made = engine.client.containers.run(image, ["sh", "-c", command], detach=True, network_mode="host",
                                        volumes={str(shared): {"bind": str(shared), "mode": "rw"}},
                                        pid_mode=pid_mode, cap_add=cap_add)
    try:
        yield Peer(made, release, shared)
    finally:
        made.remove(force=True)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with borrowed(paths.cache_dir() / "agent-contract-engine") as running:
        yield running


@pytest.fixture(scope="session", params=contract.RELEASES)
def peer(request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Sees the host's processes, for the witness.

    SYS_PTRACE, because the pods' processes are the test's own and have more capabilities than pods get.
    """
    with tmpfs(tmp_path_factory.mktemp(request.param)) as shared:
        with container(engine, request.param, shared, "sleep 900", pid_mode="host", cap_add=["SYS_PTRACE"]) as made:
            yield made


@pytest.fixture
def cib(peer: Peer, request: pytest.FixtureRequest) -> str:
    """The path of an empty CIB in the container."""
    return peer.write(f"{abs(hash(request.node.name))}.xml", EMPTY_CIB)


def options(shop: Shop, deployment: str, **more: str) -> list[str]:
    """The agent's parameters, as pcs and ocf-tester take them."""
    given = {"deployment": deployment, "namespace": shop.namespace, "kubeconfig": str(shop.kubeconfig),
             "permit_dir": str(shop.permit_dir), "guard": "required", **more}
    return [f"{name}={value}" for name, value in given.items()]


@contextmanager
def opened(peer: Peer, plane: Plane) -> Iterator[Shop]:
    """A namespace and a node; its kubeconfig, keys and permits lie where the containers see them, too."""
    name = f"contract-{next(_NUMBERS)}"
    directory = peer.shared / name
    directory.mkdir()
    permits = peer.shared / "aos"
    permits.mkdir(exist_ok=True)  # as tmpfiles.d would
    with proxied(plane, Authority(directory / "front")) as proxy:
        made = Shop(plane, name, directory, permits, Path(EXECUTABLE), proxy, {})
        made.open()
        with made.node:
            yield made


@pytest.fixture
def shop(peer: Peer, plane: Plane) -> Iterator[Shop]:
    with opened(peer, plane) as made:
        yield made
