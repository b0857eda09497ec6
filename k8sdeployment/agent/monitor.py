"""monitor: gathers what the policy (judge) needs, the cheap and certain first, and asks the API only where it must."""

from __future__ import annotations

from . import judge
from .codes import GENERIC, MONITOR, NOT_RUNNING, ApiError, Unfit, Verdict
from .ground import Unproven
from .permit import ABSENT, GRANTED, STOPPED
from .scene import Scene

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Answer = TypeVar("Answer")


def monitor(scene: Scene, action: str, deep: bool) -> Verdict:
    """The verdict of a probe or of a recurring monitor at level 0 or 10."""
    if scene.ground is None:
        return _unguarded(scene, action, deep)
    try:
        return _witnessed(scene, action, deep)
    except (Unproven, OSError) as error:
        return Verdict(GENERIC, f"cannot tell from this host whether {scene.settings.workload} runs: {error}")


def _witnessed(scene: Scene, action: str, deep: bool) -> Verdict:
    state = scene.permit.state()
    # A withdrawn and proven permit needs no second look in the frequent, shallow monitor of the passive site.
    held = False if state == STOPPED and action == MONITOR and not deep else scene.held()
    verdict = judge.by_permit(action, state, held, scene.settings.guard == "required", scene.permit.path)
    if verdict is None:
        return _asked(scene, action, deep, state, held)
    return _promised(scene, verdict) if verdict.code == NOT_RUNNING else verdict


def _promised(scene: Scene, verdict: Verdict) -> Verdict:
    """On the word "not running" the workload may be started elsewhere: no start begun earlier here may grant after it.

    A start that its caller still waits for is left alone and answered by "unsure"; an orphaned one loses its right.
    """
    pid = scene.permit.pending()
    if pid:
        return Verdict(GENERIC, f"a start is under way (process {pid})")
    scene.permit.void()
    if scene.permit.state() == GRANTED:
        return Verdict(GENERIC, f"permit {scene.permit.path} was granted at this very moment")
    return verdict


def _asked(scene: Scene, action: str, deep: bool, state: str, held: bool) -> Verdict:
    if state == GRANTED:
        _remember_held(scene, held)
        view = _view(scene, deep)
        past = _past(scene, view, deep)
        return judge.guarded(scene.settings, deep, held, view, past)
    assert state == ABSENT and not held
    if _template_is_gated(scene):
        return _promised(scene, Verdict(NOT_RUNNING))
    return _unguarded(scene, action, deep)


def _template_is_gated(scene: Scene) -> bool:
    """With guard=auto an absent permit says "not running" only of a workload that the API shows to be well gated."""
    from .gate import WHOLE
    try:
        return bool(_patiently(scene, lambda: _survey(scene)).gate == WHOLE)
    except (ApiError, Unfit):
        return False  # what the API does not say, or cannot be asked here, is judged as unreachable


def _unguarded(scene: Scene, action: str, deep: bool) -> Verdict:
    settings = scene.settings
    view = _view(scene, deep, count=True)
    past = _past(scene, view, deep)
    verdict = judge.unguarded(action, settings, deep, view, past)
    if settings.guard == "required" and scene.unproven and verdict.code != NOT_RUNNING:
        return Verdict(verdict.code, f"{verdict.reason or 'judged by the API alone'} ({scene.unproven})")
    if not view.silent and not view.missing and view.spec > settings.replica_min:
        scene.memory.mark("confirmed")
    return _promised(scene, verdict) if verdict.code == NOT_RUNNING and scene.ground is not None else verdict


def _remember_held(scene: Scene, held: bool) -> None:
    if held:
        scene.memory.keep(unheld=None)
    else:
        scene.memory.mark("unheld", since_first=True)


def _past(scene: Scene, view: judge.View, deep: bool) -> judge.Past:
    memory = scene.memory
    if deep and not view.silent:
        if view.available > 0:
            memory.keep(unavailable=None)
        else:
            memory.mark("unavailable", since_first=True)
    return judge.Past(memory.age("unheld"), memory.age("confirmed"), memory.age("unavailable"))


def _patiently(scene: Scene, attempt: Callable[[], Answer]) -> Answer:
    from .api import insist
    return insist(attempt, scene.deadline)


def _survey(scene: Scene) -> Any:
    from .scene import Survey
    return Survey(scene, scene.deadline)


def _view(scene: Scene, deep: bool, count: bool = False) -> judge.View:
    """What the API says; a workload that must be witnessed is asked once, another until the time is up."""
    from .codes import NotFound

    def attempt() -> judge.View:
        if deep or count:
            return _seen(_survey(scene), gated=not count)
        try:
            return _shallow(scene.api.workload(scene.deadline))
        except NotFound:
            return judge.View(missing=True)

    try:
        return _patiently(scene, attempt) if count else attempt()
    except (ApiError, Unfit) as error:
        return judge.View(silent=str(error))


def _shallow(workload: dict[str, Any]) -> judge.View:
    from . import scene as scenes
    return judge.View(spec=scenes.requested(workload), available=scenes.available(workload),
                      current=scenes.current(workload), paused=bool((workload.get("spec") or {}).get("paused")))


def _seen(survey: Any, gated: bool) -> judge.View:
    from . import pods
    from .gate import WHOLE
    live = [pod for pod in survey.members if not pods.terminal(pod)]
    if not survey.workload:
        return judge.View(missing=True, members=len(live))
    view = _shallow(survey.workload)
    view.members, view.leaving = len(live), sum(map(pods.leaving, live))
    view.trouble = pods.trouble(live)
    if gated and survey.gate != WHOLE:
        view.gate_lost = "; ".join(survey.gate_faults[:2])
    return view
