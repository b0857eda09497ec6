"""A real control plane with workloads on it, and processes that hold their permits in place of a node's containers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.build import kube
from lab.plane import Plane
from tests.agent import kernel
from tests.agent.cluster import environment
from tests.agent.permits import grant, permit_of
from tests.agent.stage import DEEP, INTERVAL
from tests.agent.tls import Authority
from tests.situations.proxy import proxied
from tests.situations.shop import Shop

from .measure import PYTHON, Command

AGENT = kernel.CHECKOUT / "ocf" / "k8sdeployment"
NAMESPACE = "bench"
# A minute at the default intervals: level 0 every 10 s, level 10 every 60 s.
SHALLOW, DEEPS = 6, 1


class Stage:
    """One site's API with the workload `app`, started, and `crowd` more that run as well."""

    def __init__(self, shop: Shop, direct: Path) -> None:
        self.shop, self._direct = shop, direct
        self.crowd: list[str] = []

    def env(self, deployment: str, counted: bool = False) -> dict[str, str]:
        """The agent's environment; `counted`: through the proxy that counts requests."""
        kubeconfig = self.shop.kubeconfig if counted else self._direct / "kubeconfig"
        given = environment(kubeconfig=kubeconfig, permit_dir=self.shop.permit_dir, namespace=NAMESPACE,
                            deployment=deployment)
        return given | {"PATH": os.environ["PATH"], "HOME": str(self._direct)}

    def agent(self, action: str, deployment: str = "app", deep: bool = False, counted: bool = False,
              code: int = 0) -> Command:
        return Command([PYTHON, "-IS", str(AGENT), action],
                       self.env(deployment, counted) | (DEEP if deep else INTERVAL), code)

    def kubectl(self) -> Command:
        """What the least of shell agents would run."""
        argv = [str(kube.binaries(print) / "kubectl"), "--kubeconfig", str(self._direct / "kubeconfig"),
                "--namespace", NAMESPACE, "get", "deployment", "app"]
        return Command(argv, self.env("app"))

    def minute(self, resources: list[str], counted: bool = False) -> list[Command]:
        """Every monitor that Pacemaker orders in a minute for these resources."""
        return [self.agent("monitor", names, deep, counted) for names in resources
                for deep in [False] * SHALLOW + [True] * DEEPS]

    def leave(self, name: str) -> None:
        """A workload as a stop leaves it."""
        self.shop.add(name)
        permit = permit_of(self.shop.permit_dir, name, NAMESPACE)
        permit.withdraw()
        permit.mark_stopped()

    def gather(self, number: int) -> list[str]:
        """As many workloads that run, as after a start of each."""
        for index in range(len(self.crowd), number):
            name = f"w{index:03d}"
            self.shop.add(name)
            grant(permit_of(self.shop.permit_dir, name, NAMESPACE))
            self.shop.scale(1, name)
            self.crowd.append(name)
        for name in self.crowd:
            self.shop.available(1, name)
        return self.crowd[:number]


@contextmanager
def stage() -> Iterator[Stage]:
    """LabError without root, or where the control plane does not come up."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aos-bench-")))
        directory.chmod(0o755)
        plane = stack.enter_context(Plane())
        permits = stack.enter_context(kernel.tmpfs(directory / "aos"))
        proxy = stack.enter_context(proxied(plane, Authority(directory)))
        shop = Shop(plane, NAMESPACE, directory, permits, AGENT, proxy, {})
        shop.open()
        direct = directory / "direct"
        direct.mkdir()
        plane.account(NAMESPACE, "peer", direct)
        stack.enter_context(shop.node)
        yield Stage(shop.begun(), direct)
