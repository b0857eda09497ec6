"""stop: withdraw the permit first, then end what holds it, and answer 0 on proof alone.

The proof of a gated workload is the witness: nobody holds the permit. Objects in the API prove nothing (they vanish
while containers run) and disprove nothing (they linger while nothing runs). An unguarded workload has no better proof
than a consistent LIST without its pods.
"""

from __future__ import annotations

from . import gate, pods
from .codes import OK, AgentError, ApiError, Late, Unfit, Verdict
from .ending import BEING_CREATED, Ending
from .ground import Unproven
from .permit import ABSENT, STOPPED, UNSEEN, WITHDRAWN
from .scene import Scene
from .survey import Survey, requested, writer
from .witness import Witness

# Seconds for asking who scaled up meanwhile: a question of the log's, not of the proof's.
_CURIOSITY = 0.5


def stop(several: list[Scene]) -> Verdict:
    """OK when it is proven that nothing of the resource runs; raises AgentError otherwise.

    In the reverse order of the start. One that cannot be stopped does not keep the others from being stopped: each has
    an equal share of the time that is left.
    """
    notes, failures = [], []
    for waiting, scene in zip(range(len(several), 0, -1), reversed(several)):
        scene.deadline = scene.host.deadline.part(scene.host.deadline.left() / waiting)
        try:
            verdict = _stop(scene)
            notes += [verdict.reason] if verdict.reason else []
        except AgentError as error:
            if len(several) == 1:
                raise
            failures.append(str(error))
    if failures:
        raise AgentError("; ".join(failures))
    return Verdict(OK, "; ".join(notes))


def _stop(scene: Scene) -> Verdict:
    if scene.ground is None:
        if scene.settings.guard != "off":
            _withdraw_blindly(scene)
        return _unguarded(scene)
    try:
        return _witnessed(scene)
    except Unproven as reason:
        raise AgentError(f"stop cannot be proven: {reason}") from reason
    except OSError as error:
        raise AgentError(f"the permit directory {scene.settings.permit_dir}: {error.strerror or error}") from error


def _withdraw_blindly(scene: Scene) -> None:
    """What cannot be proven here is withdrawn all the same: a pod that looks at this path must not start."""
    try:
        if scene.permit.state() not in (ABSENT, STOPPED):
            scene.permit.withdraw()
    except OSError:
        pass


def _witnessed(scene: Scene) -> Verdict:
    permit, witness = scene.permit, scene.witness()
    permit.void()
    state = permit.state()
    if state in (STOPPED, ABSENT) and not witness.holders():
        if state == STOPPED:
            return Verdict(OK)
        if scene.settings.guard != "required" and not _is_gated(scene):
            return _unguarded(scene)
        permit.withdraw()
        if _stays_so(scene, witness):
            permit.mark_stopped()
            return Verdict(OK)
    while True:
        permit.withdraw(unseen=scene.memory.age("ungated") is not None)
        ending = Ending(scene, witness)
        ending.run()
        unseen = permit.state() == UNSEEN
        if unseen:
            _unguarded(scene)  # of some pods the witness knows nothing: only the LIST can tell
        if unseen and scene.settings.guard == "auto" and not _is_gated(scene):
            permit.forget()  # without a gate a tombstone says nothing
            break
        permit.mark_stopped()
        if permit.state() in WITHDRAWN:
            break
        scene.deadline.demand(f"withdrawing {permit.path}, which somebody puts in place again")
    scene.memory.keep(unheld=None, unavailable=None, holders=None, ungated=None)
    return Verdict(OK, ending.note or (_overruled(scene) if ending.asked else ""))


def _overruled(scene: Scene) -> str:
    """Who scaled the workload up again while it was being stopped: harmless, but somebody does not know of the pair."""
    try:
        workload = scene.api.workload(scene.deadline.part(_CURIOSITY))
    except (ApiError, Unfit):
        return ""
    if requested(workload) <= scene.settings.replica_min:
        return ""
    return (f"stopped, but {writer(workload) or 'somebody'} scaled {scene.settings.workload} to "
            f"{requested(workload)} again: its pods cannot start without the permit")


def _is_gated(scene: Scene) -> bool:
    """guard=auto and no permit since the boot: nothing ran if the workload is gated; one without a gate may."""
    from .api import insist
    try:
        survey: Survey = insist(lambda: Survey(scene, scene.deadline), scene.deadline)
    except ApiError as error:
        raise Late(f"{scene.settings.workload} is not proven stopped after {scene.deadline.elapsed():.0f}s: {error}") \
            from error
    return survey.gate == gate.WHOLE


def _stays_so(scene: Scene, witness: Witness) -> bool:
    """Nobody holds the permit a moment after the tombstone, either.

    An absent permit is no tombstone: somebody may have removed a granted one, and the runtime may be restarting a
    container in a pod that passed kubelet's check.
    """
    scene.deadline.wait(BEING_CREATED)
    return not witness.holders()


def _unguarded(scene: Scene) -> Verdict:
    """Scale down until a consistent LIST shows none of the workload's pods (terminating ones still run)."""
    settings, deadline, last = scene.settings, scene.deadline, "no answer"
    while True:
        version = ""
        try:
            survey = Survey(scene, deadline)
            if survey.workload and survey.spec > settings.replica_min:
                scene.api.scale(settings.replica_min, deadline)
            elif _is_down(scene, survey):
                scene.memory.keep(confirmed=None)
                return Verdict(OK)
            version, last = survey.version, _remains(survey)
        except ApiError as error:
            if not deadline.passed():  # cut off by the deadline itself it would hide what was seen before
                last = str(error)
        if deadline.left() <= 0.3:
            raise Late(f"{settings.workload} is not proven stopped after {deadline.elapsed():.0f}s: {last}")
        _next(scene, version)


def _is_down(scene: Scene, survey: Survey) -> bool:
    live = [pod for pod in survey.members if not pods.terminal(pod)]
    least = scene.settings.replica_min if survey.workload else 0
    return len(live) <= least and not any(map(pods.leaving, live))


def _remains(survey: Survey) -> str:
    live = [pods.name(pod) for pod in survey.members if not pods.terminal(pod)]
    who = writer(survey.workload)
    return (f"pods are still there: {len(live)} ({', '.join(live[:3])}), spec.replicas was {survey.spec}"
            + (f", last set by {who}" if who else ""))


def _next(scene: Scene, version: str) -> None:
    """Until a pod of the namespace changes after the LIST of this version, or for a moment where that is not told."""
    pause = scene.deadline.part(2.0)
    try:
        if version:
            for _ in scene.api.pod_changes(version, pause):
                return
            return
    except ApiError:
        pass
    pause.wait(0.25)
