"""stop: withdraw the permit first, then end what holds it, and answer 0 on proof alone.

The proof of a gated workload is the witness: nobody holds the permit. Objects in the API prove nothing (they vanish
while containers run) and disprove nothing (they linger while nothing runs). An unguarded workload has no better proof
than a consistent LIST without its pods.
"""

from __future__ import annotations

import os
import signal

from . import gate, pods
from .codes import OK, AgentError, ApiError, Late, Unfit, Verdict
from .ground import Unproven
from .permit import ABSENT, STOPPED
from .scene import Scene, Survey
from .witness import Witness, first_processes

_API_TRY = 3.0
_BEING_CREATED = 0.3
_KUBELET_SLACK = 10.0
_LOOK = 0.02


def stop(scene: Scene) -> Verdict:
    """OK when it is proven that nothing of the workload runs; raises AgentError or Late otherwise."""
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
        if state == STOPPED or scene.settings.guard == "required":
            return Verdict(OK)
        return _never_granted(scene)
    permit.withdraw()
    ending = _Ending(scene, witness)
    ending.run()
    permit.mark_stopped()
    scene.memory.keep(unheld=None, unavailable=None)
    return Verdict(OK, ending.note)


def _never_granted(scene: Scene) -> Verdict:
    """guard=auto and no permit since the boot: nothing ran if the workload is gated; one without a gate may."""
    from .api import insist
    survey: Survey = insist(lambda: Survey(scene, scene.deadline), scene.deadline)
    return Verdict(OK) if survey.gate == gate.WHOLE else _unguarded(scene)


class _Ending:
    """Ends the holders of a withdrawn permit: through the API, and by itself where that does not come about."""

    def __init__(self, scene: Scene, witness: Witness) -> None:
        self._scene, self._witness, self._deadline = scene, witness, scene.deadline
        self._withdrawn = scene.deadline.elapsed()
        self._grace = scene.memory.number("grace", 30)
        self._asked: float | None = None  # when the API had accepted everything
        self._tried = -_API_TRY
        self._silent = ""
        self._terminated: float | None = None  # when SIGTERM was sent from here
        self._creating = True
        self.note = ""

    def run(self) -> None:
        """Returns when nobody holds the permit; Late with who still does."""
        while True:
            self._ask()
            holders = self._witness.holders()
            if not holders and self._settled():
                return
            if self._deadline.passed():
                raise Late(self._why(holders))
            if holders and self._must_act():
                self._signal(holders)
            self._await(holders)

    def _ask(self) -> None:
        """Scale down and delete the listed pods, each accepted once; tried again every few seconds until it was."""
        now = self._deadline.elapsed()
        if self._asked is not None or now - self._tried < _API_TRY:
            return
        self._tried = now
        try:
            self._scale_and_delete()
            self._asked = self._deadline.elapsed()
        except (ApiError, Unfit) as error:
            self._silent = str(error)

    def _scale_and_delete(self) -> None:
        scene, deadline = self._scene, self._deadline.part(_API_TRY)
        survey = Survey(scene, deadline)
        if survey.workload and survey.spec > scene.settings.replica_min:
            scene.api.scale(scene.settings.replica_min, deadline)
            survey = Survey(scene, deadline)
        live = [pod for pod in survey.members if not pods.terminal(pod)]
        self._witness.pods |= pods.marks(live)
        self._grace = max(self._grace, pods.grace(live))
        self._creating = bool(live)
        for pod in survey.members:
            if not pods.leaving(pod):
                scene.api.delete_pod(pods.name(pod), pods.uid(pod), deadline)

    def _settled(self) -> bool:
        """A container that was being created at the moment of the withdrawal may show a little later: look again."""
        return not self._creating or self._deadline.elapsed() - self._withdrawn >= _BEING_CREATED

    def _must_act(self) -> bool:
        """Whether kubelet had its chance: the pods' grace and some seconds after the API accepted, or no API for a
        third of the time; in any case early enough that the grace still fits."""
        if not self._scene.settings.local_stop or self._terminated is not None and not self._overdue():
            return False
        now, third = self._deadline.elapsed(), self._deadline.span / 3
        if self._asked is None:
            return now >= third
        return now >= min(self._asked + self._grace + _KUBELET_SLACK, max(third, self._deadline.span - self._grace - 5))

    def _overdue(self) -> bool:
        return self._terminated is not None and self._deadline.elapsed() - self._terminated >= self._grace

    def _signal(self, holders: list[int]) -> None:
        """As kubelet would: SIGTERM to each container's first process, after the grace SIGKILL to all."""
        if self._terminated is None:
            self._terminated = self._deadline.elapsed()
            self.note = "ended the processes from this host: " + (self._silent or "kubelet did not do it in time")
            self._send(first_processes(holders), signal.SIGTERM)
        else:
            self._send(holders, signal.SIGKILL)

    def _send(self, pids: list[int], number: int) -> None:
        for pid in pids:
            try:
                file = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                if self._witness.holds(pid):  # through the descriptor the signal cannot hit a recycled pid
                    signal.pidfd_send_signal(file, number)
            except ProcessLookupError:
                pass
            finally:
                os.close(file)

    def _await(self, holders: list[int]) -> None:
        """Until one of the holders is gone, or for a moment where there is none to watch."""
        until = self._deadline.part(1.0 if self._asked is not None else 0.3)
        while not until.passed():
            until.wait(_LOOK)
            if not holders or not all(map(self._witness.holds, holders[:50])):
                return

    def _why(self, holders: list[int]) -> str:
        some = ", ".join(map(str, holders[:5]))
        who = f"{len(holders)} processes ({some})" if holders else "a container being created"
        why = f"the API is away: {self._silent}" if self._asked is None else \
            f"termination grace {self._grace}s, stop time {self._deadline.span:.0f}s"
        workload, elapsed = self._scene.settings.workload, self._deadline.elapsed()
        return f"{workload} still runs after {elapsed:.0f}s: {who}; {why}"


def _unguarded(scene: Scene) -> Verdict:
    """Scale down until a consistent LIST shows none of the workload's pods (terminating ones still run)."""
    settings, deadline, last = scene.settings, scene.deadline, "no answer"
    while True:
        try:
            survey = Survey(scene, deadline)
            if survey.workload and survey.spec > settings.replica_min:
                scene.api.scale(settings.replica_min, deadline)
            live = [pod for pod in survey.members if not pods.terminal(pod)]
            least = settings.replica_min if survey.workload else 0
            if survey.spec <= settings.replica_min or not survey.workload:
                if len(live) <= least and not any(map(pods.leaving, live)):
                    scene.memory.keep(confirmed=None)
                    return Verdict(OK)
            last = f"{len(live)} pods are still there, spec.replicas was {survey.spec}"
        except ApiError as error:
            last = str(error)
        if deadline.left() <= 0.3:
            raise Late(f"{settings.workload} is not proven stopped after {deadline.elapsed():.0f}s: {last}")
        deadline.wait(0.1)
