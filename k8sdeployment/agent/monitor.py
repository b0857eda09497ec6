"""monitor: gathers what the policy (judge) needs, the cheap and certain first, and asks the API only where it must."""

from __future__ import annotations

from . import judge
from .codes import GENERIC, NOT_RUNNING, PASSIVE, PROBE, ApiError, Unfit, Verdict
from .ground import Unproven
from .permit import ABSENT, GRANTED, STOPPED, UNSEEN
from .scene import Scene, held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from .survey import Lists, Survey

    Answer = TypeVar("Answer")

# Seconds before the deadline after which nothing is asked anew.
_LAST_TRY = 0.3


def monitor(scenes: list[Scene], action: str, deep: bool) -> Verdict:
    """The verdict of a probe or of a recurring monitor at level 0 or 10 over all workloads of the resource."""
    states: dict[Scene, str] = {}
    holding: set[Scene] = set()
    if scenes[0].ground is not None:
        try:
            states = {scene: scene.permit.state() for scene in scenes}
            # A withdrawn and proven permit needs no second look in the frequent, shallow monitor of the passive site.
            holding = held(scene for scene in scenes if states[scene] != STOPPED or action == PROBE or deep)
        except (Unproven, OSError) as error:
            return _cannot_tell(scenes[0].host.settings.workload, error)
    looks = _Looks(action, deep, len(scenes) > 1)
    return judge.together([
        (scene.settings.deployment, looks.at(scene, states.get(scene), scene in holding)) for scene in scenes])


def _cannot_tell(workload: str, error: Exception) -> Verdict:
    return Verdict(GENERIC, f"cannot tell from this host whether {workload} runs: {error}")


class _Looks:
    """One monitor's looks at its workloads; what the API is asked, it is asked once for all of them."""

    def __init__(self, action: str, deep: bool, several: bool) -> None:
        self._action, self._deep, self._several = action, deep, several
        self._lists: Lists | None = None

    def at(self, scene: Scene, state: str | None, holds: bool) -> Verdict:
        """The verdict on one workload. `state` is its permit's, None where the permit proves nothing."""
        if state is None:
            return self._unguarded(scene)
        try:
            verdict = judge.by_permit(self._action, state, holds, scene.settings.guard == "required",
                                      scene.permit.path)
            if verdict is None:
                return self._asked(scene, state, holds)
            return _promised(scene, verdict) if verdict.code == NOT_RUNNING else verdict
        except (Unproven, OSError) as error:
            return _cannot_tell(scene.settings.workload, error)

    def _asked(self, scene: Scene, state: str, holds: bool) -> Verdict:
        if state == GRANTED:
            _remember_held(scene, holds)
            view = self._view(scene, whole=not holds)
            _remember_gate(scene, view)
            return judge.guarded(scene.settings, self._deep, holds, view, _past(scene, view, self._deep))
        assert state in (ABSENT, UNSEEN) and not holds
        if state == ABSENT and self._template_is_gated(scene):
            return _promised(scene, Verdict(NOT_RUNNING))
        return self._unguarded(scene, unseen=state == UNSEEN)

    def _template_is_gated(self, scene: Scene) -> bool:
        """With guard=auto an absent permit says "not running" only of a workload that the API shows well gated."""
        from .gate import WHOLE
        try:
            return bool(self._patiently(scene, lambda: self._survey(scene)).gate == WHOLE)
        except (ApiError, Unfit):
            return False  # what the API does not say, or cannot be asked here, is judged as unreachable

    def _unguarded(self, scene: Scene, unseen: bool = False) -> Verdict:
        settings = scene.settings
        view = self._view(scene, count=True)
        verdict = judge.unguarded(self._action, settings, self._deep, view, _past(scene, view, self._deep))
        if settings.guard == "required" and scene.unproven and verdict.code != NOT_RUNNING:
            return Verdict(verdict.code, f"{verdict.reason or 'judged by the API alone'} ({scene.unproven})")
        if not view.silent:
            _remember_confirmed(scene, running=not view.missing and view.spec > settings.replica_min,
                                stopped=self._action in (PROBE, PASSIVE) and verdict.code == NOT_RUNNING)
        if unseen and verdict.code == NOT_RUNNING and not view.silent and self._template_is_gated(scene):
            scene.permit.mark_stopped()  # by the list, as a stop does, lest every answer need the API from now on
        if verdict.code == NOT_RUNNING and scene.ground is not None:
            return _promised(scene, verdict, gated=False)
        return verdict

    def _view(self, scene: Scene, count: bool = False, whole: bool = False) -> judge.View:
        """What the API says; a workload that must be witnessed is asked once, another until the time is up.

        `whole`: with its pods and its gate, which a shallow look at what is witnessed running spares.
        """
        def attempt() -> judge.View:
            if self._deep or count or whole:
                return _seen(self._survey(scene), gated=not count)
            workload = self._of(scene).workload(scene, scene.deadline)
            return _shallow(workload) if workload else judge.View(missing=True)

        try:
            return self._patiently(scene, attempt) if count else attempt()
        except (ApiError, Unfit) as error:
            return judge.View(silent=str(error))

    def _patiently(self, scene: Scene, attempt: Callable[[], Answer]) -> Answer:
        from .api import insist

        def anew() -> Answer:
            if scene.deadline.left() > _LAST_TRY:  # what was refused at the very end stands, with its reason
                self._of(scene).again()
            return attempt()
        return insist(anew, scene.deadline)

    def _survey(self, scene: Scene) -> Survey:
        from .survey import Survey
        return Survey(scene, scene.deadline, self._of(scene))

    def _of(self, scene: Scene) -> Lists:
        if self._lists is None:
            from .survey import Lists
            scene.host.ring_when_late()
            self._lists = Lists(self._several)
        return self._lists


def _promised(scene: Scene, verdict: Verdict, gated: bool = True) -> Verdict:
    """On the word "not running" the workload may be started elsewhere: no start begun earlier here may grant after it.

    A start that its caller still waits for is left alone and answered by "unsure"; an orphaned one loses its right.
    The absent permit of a `gated` workload becomes a tombstone: it may have been a granted one that somebody removed,
    and a container might be restarted in a pod that passed kubelet's check.
    """
    pid = scene.permit.pending()
    if pid:
        return Verdict(GENERIC, f"a start is under way (process {pid})")
    scene.permit.void()
    if gated and scene.permit.settle() and scene.held():
        return Verdict(GENERIC, "runs without a permit")
    if scene.permit.state() == GRANTED:
        return Verdict(GENERIC, f"permit {scene.permit.path} was granted at this very moment")
    return verdict


def _remember_held(scene: Scene, holds: bool) -> None:
    if holds:
        scene.memory.keep(unheld=None)
    else:
        scene.memory.mark("unheld", since_first=True)


def _remember_gate(scene: Scene, view: judge.View) -> None:
    """A stop without the API must know that the witness does not see all of the workload any more."""
    if view.gate_lost:
        scene.memory.mark("ungated", since_first=True)
    elif view.members >= 0:
        scene.memory.keep(ungated=None)


def _remember_confirmed(scene: Scene, running: bool, stopped: bool) -> None:
    if running:
        scene.memory.mark("confirmed")
    if stopped:
        scene.memory.mark("stopped")
    else:
        scene.memory.keep(stopped=None)


def _past(scene: Scene, view: judge.View, deep: bool) -> judge.Past:
    memory = scene.memory
    if deep and not view.silent:
        if view.available > 0:
            memory.keep(unavailable=None)
        else:
            memory.mark("unavailable", since_first=True)
    return judge.Past(memory.age("unheld"), memory.age("confirmed"), memory.age("unavailable"),
                      memory.age("stopped"))


def _shallow(workload: dict[str, Any]) -> judge.View:
    from .survey import available, current, requested, writer
    return judge.View(spec=requested(workload), available=available(workload), current=current(workload),
                      paused=bool((workload.get("spec") or {}).get("paused")), writer=writer(workload))


def _seen(survey: Survey, gated: bool) -> judge.View:
    from . import pods
    from .gate import WHOLE
    live = [pod for pod in survey.members if not pods.terminal(pod)]
    if not survey.workload:
        return judge.View(missing=True, members=len(live))
    view = _shallow(survey.workload)
    view.members, view.leaving = len(live), sum(map(pods.leaving, live))
    view.trouble = pods.trouble(live) or pods.refusal(survey.workload)
    if gated and survey.gate != WHOLE:
        view.gate_lost = "; ".join(survey.gate_faults[:2])
    return view
