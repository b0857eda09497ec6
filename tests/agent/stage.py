"""One site to run the agent on as a process, and the ways in which it may be set up or broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from .cluster import TIMEOUT, Result, Site, act, environment
from .kernel import interpreters
from .tls import reply

NOTHING: Mapping[str, str] = {}
INTERVAL = {"OCF_RESKEY_CRM_meta_interval": "10000"}
DEEP = {"OCF_CHECK_LEVEL": "10"} | INTERVAL
UNAVAILABLE = reply('{"kind": "Status", "message": "etcd is away"}', "503 Service Unavailable")


class Stage:
    """One site: the permit directory, its cluster, and the agent to run on it."""

    def __init__(self, site: Site, executable: Path, kubeconfig: Path, directory: Path) -> None:
        self.site, self.cluster, self.permit = site, site.cluster, site.permit
        self.executable, self.kubeconfig, self.directory = executable, kubeconfig, directory

    def run(self, action: str, more: Mapping[str, str] = NOTHING, seconds: float = 20.0, **values: object) -> Result:
        env = environment(**{"kubeconfig": self.kubeconfig, "permit_dir": self.directory, **values})
        result = act(interpreters()[0], self.executable, action, {**env, TIMEOUT: str(int(seconds * 1000)), **more})
        assert result.out == "" and "SECRET" not in result.err and "Traceback" not in result.err, result.err
        return result

    def probe(self, **values: object) -> Result:
        return self.run("monitor", NOTHING, 20.0, **values)

    def monitor(self, more: Mapping[str, str] = INTERVAL, **values: object) -> Result:
        return self.run("monitor", more, 20.0, **values)

    def permit_file(self) -> Path:
        return Path(self.permit.path)

    def when_scaled(self, *then: Callable[[int], object]) -> None:
        """What happens when somebody scales, in turn, in place of what kubelet would do."""
        def scaled(replicas: int) -> None:
            for step in then:
                step(replicas)
        self.cluster.on_scale = scaled


def without_api(stage: Stage) -> None:
    stage.cluster.broken = UNAVAILABLE


def ungated(stage: Stage) -> None:
    stage.cluster.spec = {"containers": [{"name": "app"}]}
