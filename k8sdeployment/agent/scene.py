"""What one action works with: settings, the permit and its ground, the witness, the API. Opened when first needed.

A resource holds one workload or several. They share a `Host`; each has a `Scene` of its own.
"""

from __future__ import annotations

from . import ground as grounds
from .deadline import Deadline
from .memory import Memory
from .parameters import Settings
from .permit import Permit
from .witness import Sight, Witness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .api import Api, Line

# How many holders of a permit are remembered, to be looked at first.
_KNOWN = 3


class Host:
    """What all workloads of a resource share. `ground` is None where nothing is proven locally, `unproven` says why."""

    def __init__(self, settings: Settings, env: Mapping[str, str], deadline: Deadline) -> None:
        self.settings, self.env, self.deadline = settings, env, deadline
        self.ground: grounds.Ground | None = None
        self.unproven = "guard=off"
        if settings.guard != "off":
            try:
                self.ground, self.unproven = grounds.stand(settings.permit_dir), ""
            except grounds.Unproven as reason:
                self.unproven = str(reason)
        self._line: Line | None = None

    def ring_when_late(self) -> None:
        """The last resort against a call that cannot be given a deadline (name resolution, a stuck file system)."""
        import signal

        from .codes import Late

        def ring(*_: object) -> None:
            raise Late(f"out of time after {self.deadline.elapsed():.0f}s: a call on this host does not return")

        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, self.deadline.span + 0.4)

    @property
    def line(self) -> Line:
        if self._line is None:
            from .access import endpoint
            from .api import Line
            settings = self.settings
            self._line = Line(lambda: endpoint(settings.kubeconfig, settings.context, self.env))
        return self._line


class Scene:
    """One workload on this host."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self.settings, self.host, self.deadline = settings, host, host.deadline
        self.ground, self.unproven = host.ground, host.unproven
        self.permit = Permit(settings)
        self._memory: Memory | None = None
        self._api: Api | None = None

    @property
    def memory(self) -> Memory:
        if self._memory is None:
            self._memory = Memory(self.permit.beside + "/memory" if self.ground else self._elsewhere())
        return self._memory

    def _elsewhere(self) -> str:
        directory = self.host.env.get("HA_RSCTMP") or "/run/resource-agents"
        return f"{directory}/k8sdeployment/{self.settings.namespace}/{self.settings.kind}/{self.settings.deployment}"

    def witness(self) -> Witness:
        assert self.ground is not None
        return Witness(self.ground, self.permit.relative, self.memory.names("pods"))

    def held(self) -> bool:
        """Whether somebody holds the permit."""
        return bool(held([self]))

    @property
    def api(self) -> Api:
        if self._api is None:
            from .api import Api
            self._api = Api(self.host.line, self.settings.namespace, self.settings.kind, self.settings.deployment)
        return self._api


def scenes(settings: Settings, env: Mapping[str, str], deadline: Deadline) -> list[Scene]:
    """One scene for each workload of the resource, in the order of their start."""
    host = Host(settings, env, deadline)
    return [Scene(one, host) for one in settings.each()]


def held(several: Iterable[Scene]) -> set[Scene]:
    """Those of the scenes whose permit somebody holds. One pass over the host's processes serves them all.

    A holder remembered from the last time is looked at first: "runs" then costs one file. Only "nobody holds it"
    needs the whole pass.
    """
    found, open_questions = set(), []
    for scene in several:
        known = [int(pid) for pid in scene.memory.names("holders") if pid.isdigit()]
        if known and any(map(scene.witness().holds, known)):
            found.add(scene)
        else:
            open_questions.append(scene)
    if open_questions:
        ground = open_questions[0].ground
        assert ground is not None
        sight = Sight(ground, {scene.permit.relative: scene.memory.names("pods") for scene in open_questions})
        holders = sight.holders()
        for scene in open_questions:
            mine = holders[scene.permit.relative]
            scene.memory.keep(holders=" ".join(map(str, mine[:_KNOWN])) or None)
            if mine:
                found.add(scene)
    return found
