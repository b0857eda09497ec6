"""start: grant the permit, scale up, wait until the workload is really available. Validates everything first.

Order (permit.md's rule in one line): nobody holds it -> leftovers of an earlier boot cleared -> permit put in place ->
scaled up -> available by pods that came after the grant, confirmed by the witness.
"""

from __future__ import annotations

from functools import partial

from . import gate, pods
from .api import insist
from .codes import OK, AgentError, Conflict, Late, NotFound, Unfit, Unreachable, Verdict, Voided
from .deadline import Deadline
from .ground import Unproven
from .permit import GRANTED, UNSEEN
from .scene import Host, Scene
from .survey import Survey, available, current, requested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# How long leftovers of an earlier boot are waited for, in seconds: they run nothing, so they cannot hold up a start.
_LEFTOVER_WAIT = 10.0


def start(several: list[Scene]) -> Verdict:
    """OK once all are available, one after the other; raises what the cluster must know otherwise."""
    host = several[0].host
    refuse_unproven(host)
    if host.ground is None:
        return _in_order(several)
    try:
        for scene in several:
            scene.permit.announce()
        try:
            return _in_order(several)
        finally:
            for scene in several:
                scene.permit.concluded()
    except Unproven as reason:
        raise AgentError(str(reason)) from reason
    except OSError as error:
        raise AgentError(f"the permit directory {host.settings.permit_dir}: {error.strerror or error}") from error


def _in_order(several: list[Scene]) -> Verdict:
    """Everything is validated before anything is changed."""
    surveys = [insist(partial(fit, scene), scene.deadline) for scene in several]
    for index, scene in enumerate(several):
        # What was seen of the later ones is old by the time it is their turn.
        _start(scene, insist(partial(fit, scene), scene.deadline) if index else surveys[0])
    return Verdict(OK)


def refuse_unproven(host: Host) -> None:
    """What is only to run under a permit may not where permits prove nothing."""
    if host.settings.guard == "required" and host.ground is None:
        raise Unfit(f"guard=required, but nothing can be proven on this host: {host.unproven}")


def fit(scene: Scene) -> Survey:
    """The workload as it is, if it may be started here."""
    survey = Survey(scene, scene.deadline)
    if not survey.workload:
        raise NotFound(f"{scene.settings.workload} does not exist on this site")
    if not _is_unguarded(scene, survey):
        _refuse_unfit(scene, survey)
    return survey


def _is_unguarded(scene: Scene, survey: Survey) -> bool:
    return scene.settings.guard == "off" or (scene.settings.guard == "auto" and survey.gate == gate.NONE)


def _start(scene: Scene, survey: Survey) -> Verdict:
    if _is_unguarded(scene, survey):
        return _unguarded(scene, survey)
    if scene.permit.state() == GRANTED:
        # A permit stands: whatever runs is left alone, only what is missing is added.
        still = partial(_granted, scene)
        return _scaled_up(scene, set(), still) if survey.spec <= 0 else _await(scene, survey.workload, set(), still)
    _refuse_unseen(scene, survey)
    _refuse_strangers(scene)
    leftovers = _clear(scene, survey)
    with scene.permit.locked():
        _refuse_unseen(scene, survey)
        _refuse_strangers(scene)
        scene.permit.grant()
    return _scaled_up(scene, leftovers, scene.permit.mine)


def _granted(scene: Scene) -> bool:
    return scene.permit.state() == GRANTED


def _refuse_unfit(scene: Scene, survey: Survey) -> None:
    if survey.gate != gate.WHOLE:
        if scene.ground is not None and survey.members:
            scene.memory.mark("ungated", since_first=True)
        raise Unfit(f"{scene.settings.workload} is not well gated: " + "; ".join(survey.gate_faults[:4]))
    if scene.ground is None:
        raise Unfit(f"{scene.settings.workload} is gated, but nothing can be proven on this host: {scene.unproven}")
    if scene.settings.replica_min:
        raise Unfit(f"replica_min={scene.settings.replica_min} must be 0: {scene.settings.workload} is gated")


def _refuse_unseen(scene: Scene, survey: Survey) -> None:
    """Pods that the witness does not see are no leftovers: they may run until the API lists them no more."""
    permit = scene.permit
    if permit.leads_elsewhere() or permit.state() == UNSEEN and survey.members:
        raise AgentError(f"pods of {scene.settings.workload} may run that do not mount the permit: "
                         "a stop must end them first")


def _refuse_strangers(scene: Scene) -> None:
    holders = scene.witness().holders()
    if holders:
        raise AgentError(f"processes {', '.join(map(str, holders[:5]))} of {scene.settings.workload} run without a "
                         "permit: a stop must end them first")


def _unguarded(scene: Scene, survey: Survey) -> Verdict:
    if scene.ground is not None:
        scene.permit.forget()
    if survey.spec > scene.settings.replica_min:
        verdict = _await(scene, survey.workload, set(), lambda: True)
    else:
        verdict = _scaled_up(scene, set(), lambda: True)
    scene.memory.keep(stopped=None)
    scene.memory.mark("confirmed")
    return verdict


def _clear(scene: Scene, survey: Survey) -> set[str]:
    """Scale down what an earlier boot left and delete exactly those pods; they hold nothing. Returns their UIDs."""
    stale = {pods.uid(pod): pods.name(pod) for pod in survey.members}
    if not stale and survey.spec <= scene.settings.replica_min:
        return set()
    deadline = scene.deadline.part(min(_LEFTOVER_WAIT, scene.deadline.span / 4))
    try:
        if survey.spec > scene.settings.replica_min:
            insist(lambda: scene.api.scale(scene.settings.replica_min, scene.deadline), deadline)
        listed = set(stale) | _delete(scene, deadline)
        while set(stale) & Survey(scene, scene.deadline).uids() and not deadline.passed():
            deadline.wait(0.1)
        return listed
    except (Unreachable, Conflict):
        return set(stale)


def _delete(scene: Scene, deadline: Deadline) -> set[str]:
    """Delete the pods that exist after the scale-down. Returns their UIDs."""
    found = set()
    for pod in Survey(scene, scene.deadline).members:
        found.add(pods.uid(pod))
        insist(partial(scene.api.delete_pod, pods.name(pod), pods.uid(pod), scene.deadline), deadline)
    return found


def _scaled_up(scene: Scene, leftovers: set[str], still: Callable[[], bool]) -> Verdict:
    if not still():
        raise Voided("a stop withdrew the permit while this start was running")
    insist(lambda: scene.api.scale(scene.settings.replica_max, scene.deadline), scene.deadline)
    workload = insist(lambda: scene.api.workload(scene.deadline), scene.deadline)
    return _await(scene, workload, leftovers, still)


def _await(scene: Scene, workload: dict[str, Any], leftovers: set[str], still: Callable[[], bool]) -> Verdict:
    while True:
        if not still():
            raise Voided("a stop withdrew the permit while this start was running")
        if _claims(scene, workload):
            if _confirmed(scene, leftovers):
                return Verdict(OK)
            pause = 0.1
        else:
            pause = 2.0
        if scene.deadline.left() <= 0.5:
            raise Late(f"{scene.settings.workload} is not available after {scene.deadline.elapsed():.0f}s: "
                       + _trouble(scene, leftovers))
        workload = insist(partial(_next, scene, workload, min(pause, scene.deadline.left() - 0.2)), scene.deadline)


def _next(scene: Scene, workload: dict[str, Any], pause: float) -> dict[str, Any]:
    """The workload after its next change, or after `pause` seconds without one."""
    version = str(pods.meta(workload).get("resourceVersion") or "")
    for _ in scene.api.changes(version, scene.deadline.part(pause)):
        break
    return scene.api.workload(scene.deadline)


def _claims(scene: Scene, workload: dict[str, Any]) -> bool:
    """The API says available; after a boot it says so of pods that died with the host (seen for 11 s and longer)."""
    return current(workload) and available(workload) >= min(scene.settings.replica_max, max(requested(workload), 1))


def _confirmed(scene: Scene, leftovers: set[str]) -> bool:
    """Pods that came after the grant are ready, and (gated) the kernel sees somebody hold the permit."""
    survey: Survey = insist(lambda: Survey(scene, scene.deadline), scene.deadline)
    fresh = [pod for pod in survey.members if pods.uid(pod) not in leftovers]
    ready = [pod for pod in fresh if pods.ready(pod) and not pods.leaving(pod)]
    if len(ready) < min(scene.settings.replica_max, max(survey.spec, 1)):
        return False
    gated = scene.ground is not None and survey.gate == gate.WHOLE
    if gated and not scene.held():
        return False
    # Of a workload without a gate nobody is a holder: nothing holds its containers back after a stop by signals.
    marks = " ".join(sorted(pods.marks(fresh))) if gated else None
    scene.memory.keep(grace=pods.grace(ready), pods=marks, unheld=None, unavailable=None, ungated=None)
    return True


def _trouble(scene: Scene, leftovers: set[str]) -> str:
    try:
        survey = Survey(scene, Deadline(1.0))
    except AgentError as error:
        return str(error)
    fresh = [pod for pod in survey.members if pods.uid(pod) not in leftovers]
    return pods.trouble(fresh) or pods.refusal(survey.workload) or (
        "its pods are ready, the API does not count them" if fresh else "no pod was created")
