"""A container of the peer image, where the agent is installed beside Pacemaker's and pcs's tools."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest
from docker.models.containers import Container

from lab import paths
from lab.build import images
from lab.engine import borrowed

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
    """Runs commands in a container of the peer image."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def run(self, *argv: str, stdin: str = "", **env: str) -> tuple[int, str]:
        """Exit code and everything that was written."""
        command = shlex.join(argv) if not stdin else f"printf %s {shlex.quote(stdin)} | {shlex.join(argv)}"
        code, output = self._container.exec_run(["sh", "-c", f"{command} 2>&1"], environment=env)
        assert isinstance(output, bytes) and code is not None
        return code, output.decode()

    def write(self, path: str, text: str) -> str:
        assert self.run("tee", path, stdin=text)[0] == 0
        return path


@pytest.fixture(scope="session")
def peer() -> Iterator[Peer]:
    """On the host's network: an API that a test serves is reachable at 127.0.0.1."""
    with borrowed(paths.cache_dir() / "agent-contract-engine") as engine:
        images.build_all(engine, print)
        container = engine.client.containers.run(images.PEER, ["sleep", "900"], detach=True, network_mode="host")
        try:
            yield Peer(container)
        finally:
            container.remove(force=True)


@pytest.fixture
def cib(peer: Peer, request: pytest.FixtureRequest) -> str:
    """The path of an empty CIB in the container."""
    return peer.write(f"/tmp/{abs(hash(request.node.name))}.xml", EMPTY_CIB)
