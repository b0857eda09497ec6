"""Ends what holds a withdrawn permit: through the API as a rule, by itself where the API, kubelet or runtime fail.

Nothing can come back meanwhile: the path is a tombstone. What counts is the witness alone.
"""

from __future__ import annotations

import os
import signal

from . import gate, pods
from .codes import ApiError, Late, Unfit
from .scene import Scene
from .survey import Survey
from .witness import Witness, first_processes

_API_TRY = 3.0
# Seconds after which a container that was being created at the moment of the withdrawal shows.
BEING_CREATED = 0.3
_KUBELET_SLACK = 10.0
_LOOK = 0.02
# Seconds kept after the grace, for SIGKILL and the last look.
_LAST_LOOK = 5.0


class Ending:
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

    @property
    def asked(self) -> bool:
        """Whether the API accepted the scale-down and the deletions."""
        return self._asked is not None

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
        if any(gate.faults(pods.spec(pod), scene.settings.permit_path) for pod in live):
            scene.permit.withdraw(unseen=True)  # whoever comes after this stop, should it fail or be killed, must know
        self._witness.pods.update(pods.marks(live))
        self._grace = max(self._grace, pods.grace(live))
        self._creating = bool(live)
        for pod in survey.members:
            if not pods.leaving(pod):
                scene.api.delete_pod(pods.name(pod), pods.uid(pod), deadline)

    def _settled(self) -> bool:
        """A container that was being created at the moment of the withdrawal may show a little later: look again."""
        return not self._creating or self._deadline.elapsed() - self._withdrawn >= BEING_CREATED

    def _must_act(self) -> bool:
        """Whether kubelet had its chance: the pods' grace and some seconds after the API accepted, or no API for a
        third of the time; in any case early enough that the grace still fits."""
        if not self._scene.settings.local_stop or self._terminated is not None and not self._overdue():
            return False
        now, third = self._deadline.elapsed(), self._deadline.span / 3
        if self._asked is None:
            return now >= min(third, max(_API_TRY, self._deadline.span - self._grace - _LAST_LOOK))
        return now >= min(self._asked + self._grace + _KUBELET_SLACK,
                          max(third, self._deadline.span - self._grace - _LAST_LOOK))

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
