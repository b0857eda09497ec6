"""A container of the peer image of each Debian release, where the agent is installed beside the tools."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.models.containers import Container

from lab import paths
from lab.build import contract
from lab.engine import borrowed

from ..agent.kernel import tmpfs

TYPE = "ocf:aos:k8sdeployment"
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
        self._container, self.release, self.shared = container, release, shared

    def run(self, *argv: str, stdin: str = "", **env: str) -> tuple[int, str]:
        """Exit code and everything that was written."""
        command = shlex.join(argv) if not stdin else f"printf %s {shlex.quote(stdin)} | {shlex.join(argv)}"
        code, output = self._container.exec_run(["sh", "-c", f"{command} 2>&1"], environment=env)
        assert isinstance(output, bytes) and code is not None
        return code, output.decode()

    def write(self, name: str, text: str) -> str:
        """The path of a new file."""
        file = self.shared / name
        file.write_text(text)
        return str(file)


@pytest.fixture(scope="session", params=contract.RELEASES)
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """With the host's network, where an API at 127.0.0.1 is reached, and its processes, for the witness.

    SYS_PTRACE, because the pods' processes are the test's own and have more capabilities than pods get.
    """
    shared = tmp_path_factory.mktemp(request.param)
    with borrowed(paths.cache_dir() / "agent-contract-engine") as engine, tmpfs(shared):
        image = contract.build(engine, request.param, print)
        container = engine.client.containers.run(
            image, ["sleep", "900"], detach=True, network_mode="host", pid_mode="host", cap_add=["SYS_PTRACE"],
            volumes={str(shared): {"bind": str(shared), "mode": "rw"}})
        try:
            yield Peer(container, request.param, shared)
        finally:
            container.remove(force=True)


@pytest.fixture
def cib(peer: Peer, request: pytest.FixtureRequest) -> str:
    """The path of an empty CIB in the container."""
    return peer.write(f"{abs(hash(request.node.name))}.xml", EMPTY_CIB)
