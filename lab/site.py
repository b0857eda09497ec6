"""One site of a running lab: its power, its daemons, programs inside it, its API, and waiting for them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

from docker.errors import NotFound

from lab import hostproc, shell, waiting
from lab.api import SiteApi, ready_since
from lab.bmc.power import PowerError, Switch, lie
from lab.engine import Engine
from lab.errors import LabError
from lab.names import SERVICE_PORT, SitePlan
from lab.sno import ctl
from lab.sno.supervisor import CONTROL
from lab.state import LabState

INSIDE = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
    "KUBECONFIG": "/etc/kubernetes/admin.conf", "PYTHONPATH": "/usr/lib/sno", "PYTHONDONTWRITEBYTECODE": "1",
}
NODE_PATH = "/api/v1/nodes/"
BOOT_SECONDS = 15.0


class Site:
    """One single-node cluster: a privileged container whose first process is the site's supervisor."""

    def __init__(self, plan: SitePlan, state: LabState, engine: Engine) -> None:
        self.plan = plan
        self._state = state
        self._engine = engine
        self._switch = Switch(str(engine.socket), plan.container, state.power_lock(plan))
        self.kube = SiteApi(plan.management, state.site_directory(plan) / "kubernetes")

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def addresses(self) -> tuple[str, ...]:
        """The site's addresses on link 1 and link 2."""
        return self.plan.links

    @property
    def management(self) -> str:
        return self.plan.management

    @property
    def service_url(self) -> str:
        """Where the workload answers, seen from outside."""
        return f"http://{self.management}:{SERVICE_PORT}/"

    @property
    def host_kubeconfig(self) -> Path:
        """An administrator's kubeconfig for use on the host."""
        return self._state.site_directory(self.plan) / "kubernetes" / "host.conf"

    def pid(self) -> Optional[int]:
        """The host's pid of the site's first process, asked from the kernel; None when the site is powered off."""
        pid = int(self._container_state().get("Pid") or 0)
        return pid if pid and hostproc.alive(pid) else None

    def exit_code(self) -> Optional[int]:
        """How the site's first process ended, by the engine; None while it runs."""
        state = self._container_state()
        return None if state["Running"] else int(state["ExitCode"])

    def power(self, order: str) -> None:
        """"off" kills the site and returns once it is dead; "on" returns once its first process runs; or "reset"."""
        orders: dict[str, Callable[[], None]] = {
            "on": self._switch.on, "off": self._switch.off, "reset": self._switch.reset}
        if order not in orders:
            raise LabError(f"power knows on, off and reset, not {order!r}")
        self._container_state()
        self._state.event(f"power-{order}", self.name)
        try:
            orders[order]()
        except PowerError as error:
            raise LabError(f"power {order} of {self.name} failed: {error}") from None
        self._state.event(f"power-{order}-done", self.name)

    def bmc_lies(self, on: bool) -> None:
        """Have the site's BMC, of whatever kind, confirm what it does not do, or tell the truth again."""
        lie(self._state.power_lock(self.plan), on)
        self._state.event("bmc-lies" if on else "bmc-honest", self.name)

    def api(self, order: str) -> None:
        """Stop (SIGKILL) or start the kube-apiserver alone; a power cycle starts it again."""
        self._daemon("kube-apiserver", order, "api")

    def kubelet(self, order: str) -> None:
        """Stop (SIGKILL) or start the kubelet; containers live on."""
        self._daemon("kubelet", order, "kubelet")

    def containerd(self, order: str) -> None:
        """Stop (SIGKILL) or start containerd; containers live on under their shims."""
        self._daemon("containerd", order, "containerd")

    def _daemon(self, daemon: str, order: str, short: str) -> None:
        if order not in ("start", "stop"):
            raise LabError(f"a daemon can be told start or stop, not {order!r}")
        self._state.event(f"{short}-{order}", self.name)
        self.control(order, daemon)

    def control(self, *words: str) -> str:
        """Ask the site's supervisor, through the site's own root directory; LabError when it refuses."""
        answer = waiting.until(lambda: self._ask(words), f"an answer of the supervisor of {self.name}", BOOT_SECONDS,
                               lambda: f"Its first process said: {self._last_words()}")
        if answer.startswith("error"):
            raise LabError(f"the supervisor of {self.name} refused: {answer.removeprefix('error:').strip()}")
        return answer

    def _ask(self, words: Sequence[str]) -> Optional[str]:
        """The supervisor's answer; None while the site still boots, before it listens."""
        try:
            return ctl.ask(words, f"/proc/{self._running_pid()}/root{CONTROL}")
        except OSError:
            return None

    def daemons(self) -> dict[str, Any]:
        """Per daemon: wanted, pid (in the site), starts."""
        found: dict[str, Any] = json.loads(self.control("status"))
        return found

    def run(self, argv: Sequence[str], input: Optional[str] = None, timeout: float = 60, check: bool = True) -> str:
        """What the program wrote to stdout, run inside the site as root; timeout in seconds."""
        title = f"{argv[0]} on {self.name}"
        return shell.run(self.inside(argv), stdin=input, timeout=timeout, check=check, title=title)

    def inside(self, argv: Sequence[str]) -> list[str]:
        """The host's command line that runs the program in the site's namespaces."""
        settings = [f"{name}={value}" for name, value in INSIDE.items()]
        return ["nsenter", "-t", str(self._running_pid()), "-m", "-u", "-i", "-n", "-p", "-C", "--",
                "/usr/bin/env", "-i", "-C", "/root", *settings, *argv]

    def _running_pid(self) -> int:
        pid = self.pid()
        if pid is None:
            raise LabError(f"{self.name} is powered off; switch it on with `lab/lab power on {self.name}`")
        return pid

    def kubectl(self, *args: str, input: Optional[str] = None, timeout: float = 60, check: bool = True) -> str:
        """kubectl as administrator, inside the site."""
        return self.run(["kubectl", *args], input=input, timeout=timeout, check=check)

    def peer(self, argv: Sequence[str], container: str = "pacemaker", timeout: float = 60, check: bool = True) -> str:
        """Run a program in a container of the site's peer pod, through containerd alone."""
        return self.run(["python3", "-m", "sno.podexec", container, *argv], timeout=timeout, check=check)

    def log(self, daemon: str, lines: int = 40) -> str:
        """The last lines of a daemon's log, from the disk; of a site that is off too."""
        file = self.log_file(daemon)
        return shell.tail(file.read_text(errors="replace"), lines) if file.exists() else f"no log of {daemon} yet"

    def log_file(self, daemon: str) -> Path:
        """A daemon's log on the site's disk."""
        return self.disk / "log" / f"{daemon}.log"

    @property
    def disk(self) -> Path:
        """The site's /disk as the host sees it, with the site off, too."""
        return Path(self._engine.client.volumes.get(self.plan.volume).attrs["Mountpoint"])

    def wait_api(self, seconds: float = 60) -> None:
        """Until the API answers ready at the management address."""
        waiting.until(self.kube.ready, f"the API of {self.name} answering", seconds, self._why("kube-apiserver"))

    def wait_ready(self, seconds: float = 90) -> None:
        """Until the API answers and the node reported Ready since its last power-on."""
        self.wait_api(seconds)
        waiting.until(self.node_ready, f"the node {self.name} becoming Ready", seconds, self._why("kubelet"))

    def _why(self, daemon: str) -> Callable[[], str]:
        def explain() -> str:
            if self.pid() is None:
                return f"{self.name} is powered off; its first process said: {self._last_words()}"
            return f"The last words of {daemon} on {self.name}:\n{self.log(daemon, 8)}"
        return explain

    def _last_words(self) -> str:
        words: bytes = self._engine.client.containers.get(self.plan.container).logs(tail=8)
        return words.decode(errors="replace").strip() or "nothing"

    def node_ready(self) -> bool:
        """Whether the node is Ready by a report newer than the last power-on; the stale one does not count."""
        node = self.kube.get(NODE_PATH + self.name)
        return node is not None and ready_since(node, str(self._container_state()["StartedAt"]))

    def recut(self) -> None:
        """Put the remembered cut state in force, if the site is on; a boot does so by itself."""
        if self.pid() is not None:
            self.control("recut")

    def _container_state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = self._engine.client.api.inspect_container(self.plan.container)["State"]
        except NotFound:
            raise LabError(f"the container of {self.name} is gone; take the lab down and up again") from None
        return state
