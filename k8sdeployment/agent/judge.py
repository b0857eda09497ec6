"""The policy: what was seen in, the verdict out. Pure: no clock, no network, no file.

Two stages. `by_permit` is the state table of the permit path times the witness: where it decides, no API is asked.
`guarded` and `unguarded` judge what the API says (or that it says nothing).

The invariants that the table test proves over all inputs:
  - 7 (not running) is never answered while somebody holds the permit, or while an unguarded pod may run;
  - a probe, and the monitor of a stopped workload (role=Stopped), answer 0, 7 or 1 alone;
  - a silent API alone never fails a workload that is witnessed running.
"""

from __future__ import annotations

from .codes import DEGRADED, GENERIC, MONITOR, NOT_RUNNING, OK, PASSIVE, PROBE, Verdict
from .parameters import Settings
from .permit import ABSENT, FOREIGN, GRANTED, STOPPED, STOPPING, UNSEEN, word


def by_permit(action: str, state: str, held: bool, surely_gated: bool, path: str) -> Verdict | None:
    """The verdict that the path and the witness give alone; None where the API must be asked.

    `surely_gated` is false where an absent permit may mean that the workload has no gate at all (guard=auto).
    """
    if state == GRANTED:
        return None if action == MONITOR else _granted(held, path)
    if held:
        return Verdict(GENERIC, "is being stopped and still runs" if state in (STOPPING, UNSEEN)
                       else f"runs without a permit ({path} is {word(state)})")
    if state == FOREIGN:
        return Verdict(GENERIC, f"something foreign stands at {path}: a stop tidies it")
    if state == UNSEEN or state == ABSENT and not surely_gated:
        return None
    assert state in (STOPPED, STOPPING, ABSENT)
    return Verdict(NOT_RUNNING)


def _granted(held: bool, path: str) -> Verdict:
    if held:
        return Verdict(OK)
    return Verdict(GENERIC, f"permit {path} is granted though nothing runs: a stop must withdraw it first")


class View:
    """What the API says of the workload. `missing`: a working API knows no such one. `silent`: why it says nothing.

    `members`: owned pods that exist (-1: not asked); `leaving`: those of them being deleted; `trouble`: the pods' own
    reason; `writer`: who last set the replica count, by the API's book-keeping.
    """

    __slots__ = ("silent", "missing", "spec", "available", "current", "paused", "members", "leaving", "gate_lost",
                 "trouble", "writer")

    def __init__(self, silent: str = "", missing: bool = False, spec: int = 0, available: int = 0, current: bool = True,
                 paused: bool = False, members: int = -1, leaving: int = 0, gate_lost: str = "",
                 trouble: str = "", writer: str = "") -> None:
        self.silent, self.missing, self.spec, self.available = silent, missing, spec, available
        self.current, self.paused, self.members, self.leaving = current, paused, members, leaving
        self.gate_lost, self.trouble, self.writer = gate_lost, trouble, writer or "somebody"


class Past:
    """Ages in seconds of what earlier monitors of this boot saw; None: never or unknown.

    `unheld`: since nobody holds the permit; `confirmed`, `stopped`: since it was last confirmed running, or stopped,
    through the API; `unavailable`: since no replica is available.
    """

    __slots__ = ("unheld", "confirmed", "unavailable", "stopped")

    def __init__(self, unheld: float | None = None, confirmed: float | None = None, unavailable: float | None = None,
                 stopped: float | None = None) -> None:
        self.unheld, self.confirmed, self.unavailable, self.stopped = unheld, confirmed, unavailable, stopped


def guarded(settings: Settings, deep: bool, held: bool, view: View, past: Past) -> Verdict:
    """A recurring monitor of a workload whose permit is granted."""
    if view.silent:
        return _guarded_silent(settings, held, view, past)
    if view.missing:
        return Verdict(GENERIC, f"{settings.workload} does not exist any more")
    if view.gate_lost and not held:
        return _ungated(settings, deep, view, past)
    if view.spec <= settings.replica_min:
        return _scaled_down(settings, view, running=held)
    unheld = past.unheld or 0.0
    if not held and view.available > 0 and unheld >= settings.unavailable_grace:
        return Verdict(NOT_RUNNING, f"the API reports {view.available} available, but for {unheld:.0f}s no process"
                                    " on this host holds the permit: its status is stale")
    return _replicas(settings, deep, view, past)


def _guarded_silent(settings: Settings, held: bool, view: View, past: Past) -> Verdict:
    if held:
        return Verdict(DEGRADED, f"runs (witnessed on this host), but the API is away: {view.silent}")
    unheld = past.unheld or 0.0
    if unheld < settings.unavailable_grace:
        return Verdict(DEGRADED, f"nothing has run for {unheld:.0f}s (limit {settings.unavailable_grace}s) and the API "
                                 f"is away: {view.silent}")
    return Verdict(GENERIC, f"nothing has run for {unheld:.0f}s and the API is away: {view.silent}")


def _ungated(settings: Settings, deep: bool, view: View, past: Past) -> Verdict:
    """Somebody took the gate away after the start: nobody holding the permit says nothing any more, the API must."""
    verdict = unguarded(MONITOR, settings, deep, view, past)
    if verdict.code != OK:
        return verdict
    return Verdict(DEGRADED, f"the pod template is not well gated any more: {view.gate_lost}")


def unguarded(action: str, settings: Settings, deep: bool, view: View, past: Past) -> Verdict:
    """A workload without a gate: only the API can tell, and what it cannot tell is not assumed."""
    if action == PASSIVE and view.silent and past.stopped is not None and past.stopped <= settings.api_grace:
        return Verdict(NOT_RUNNING, f"confirmed stopped {past.stopped:.0f}s ago (limit {settings.api_grace}s), the API "
                                    f"is away: {view.silent}")
    if action in (PROBE, PASSIVE):
        return _unguarded_probe(settings, view)
    assert action == MONITOR
    if view.silent:
        return _unguarded_silent(settings, view, past)
    if view.missing:
        return Verdict(GENERIC, f"{settings.workload} does not exist")
    if view.spec <= settings.replica_min:
        return _scaled_down(settings, view, running=_may_run(settings, view))
    return _replicas(settings, deep, view, past)


def _unguarded_silent(settings: Settings, view: View, past: Past) -> Verdict:
    if past.confirmed is not None and past.confirmed <= settings.api_grace:
        return Verdict(DEGRADED, f"the API has been away for {past.confirmed:.0f}s (limit {settings.api_grace}s): "
                                 f"{view.silent}")
    since = "since this boot" if past.confirmed is None else f"for {past.confirmed:.0f}s"
    return Verdict(GENERIC, f"not confirmed running {since} (limit {settings.api_grace}s): {view.silent}")


def _unguarded_probe(settings: Settings, view: View) -> Verdict:
    if view.silent:
        return Verdict(GENERIC, f"cannot tell whether {settings.workload} runs: {view.silent}")
    if not view.missing and view.spec > settings.replica_min:
        return Verdict(OK)
    if _may_run(settings, view):
        return Verdict(GENERIC, f"scaled down, but pods are still there: {view.members}")
    return Verdict(NOT_RUNNING)


def _may_run(settings: Settings, view: View) -> bool:
    """Whether more than the stopped workload's own replicas may run; pods that were not counted may."""
    least = 0 if view.missing else settings.replica_min
    return view.members < 0 or view.members > least or view.leaving > 0


def _scaled_down(settings: Settings, view: View, running: bool) -> Verdict:
    reason = f"{view.writer} scaled {settings.workload} down to {view.spec} (expected {settings.replica_max})"
    return Verdict(GENERIC if running else NOT_RUNNING, reason)


def _replicas(settings: Settings, deep: bool, view: View, past: Past) -> Verdict:
    drifted = view.spec != settings.replica_max
    drift = Verdict(GENERIC if settings.drift == "fail" else DEGRADED,
                    f"{view.writer} set {settings.workload} to {view.spec} replicas, not {settings.replica_max}")
    if deep and not (drifted and drift.code == GENERIC):
        found = _availability(settings, view, past)
        if found.code != OK:
            return found
    if drifted:
        return drift
    if deep and view.gate_lost:
        return Verdict(DEGRADED, f"the pod template is not well gated any more: {view.gate_lost}")
    return Verdict(OK)


def _availability(settings: Settings, view: View, past: Past) -> Verdict:
    why = f": {view.trouble}" if view.trouble else ""
    if view.available <= 0:
        since = past.unavailable or 0.0
        text = (f"no replica of {settings.workload} has been available for {since:.0f}s "
                f"(limit {settings.unavailable_grace}s){why}")
        return Verdict(GENERIC if since > settings.unavailable_grace else DEGRADED, text)
    if view.available < min(settings.replica_max, view.spec):
        return Verdict(DEGRADED, f"{view.available} of {settings.replica_max} replicas are available{why}")
    if view.paused:
        return Verdict(DEGRADED, f"{settings.workload} is paused")
    if not view.current:
        return Verdict(DEGRADED, "the last change of the workload is not carried out yet")
    return Verdict(OK)


def together(verdicts: list[tuple[str, Verdict]]) -> Verdict:
    """One verdict for a resource of several workloads, each given by name in the order of their start.

    "Not running" is said only when none runs: the resource may be started elsewhere on that word. Some that run beside
    some that do not are a failure, to be stopped and started again.
    """
    if len(verdicts) == 1:
        return verdicts[0][1]
    codes = {verdict.code for _, verdict in verdicts}
    if codes == {NOT_RUNNING}:
        return Verdict(NOT_RUNNING, _said(verdicts, NOT_RUNNING))
    if GENERIC in codes:
        return Verdict(GENERIC, _said(verdicts, GENERIC))
    if NOT_RUNNING in codes:
        away = [name for name, verdict in verdicts if verdict.code == NOT_RUNNING]
        return Verdict(GENERIC, f"{len(away)} of {len(verdicts)} workloads do not run ({', '.join(away[:3])}): "
                       + (_said(verdicts, NOT_RUNNING) or "nobody holds their permits"))
    return Verdict(DEGRADED, _said(verdicts, DEGRADED)) if DEGRADED in codes else Verdict(OK)


def _said(verdicts: list[tuple[str, Verdict]], code: int) -> str:
    """What the workloads of one code say, each thing once; of many the first two, the rest by number.

    Pacemaker keeps some 127 characters of a reason.
    """
    names: dict[str, list[str]] = {}
    for name, verdict in verdicts:
        if verdict.code == code and verdict.reason:
            names.setdefault(verdict.reason, []).append(name)
    said = [f"{', '.join(who[:3])}{' …' if len(who) > 3 else ''}: {reason}" for reason, who in names.items()]
    more = [f"and {len(said) - 2} more"] if len(said) > 2 else []
    return "; ".join(said[:2] + more)
