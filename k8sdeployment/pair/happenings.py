"""What is worth an Event: the differences between two statuses of one site, in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from k8sdeployment.pair.report import Recovery, Status

# The status of each condition that is good news.
GOOD = {"Available": "True", "PeerOnline": "True", "FencingProven": "True", "TakeoverReady": "True",
        "PeerInSync": "True", "Degraded": "False"}


@dataclass(frozen=True)
class Happening:
    """One Event: `reason` is a word for programs, `message` for people."""

    warning: bool
    reason: str
    message: str


def happenings(before: Status, after: Status) -> Iterator[Happening]:
    """In the order in which people want to read them. The first status of all says nothing new."""
    if before.written is None:
        return
    known = {(one.workload, one.detected) for one in before.recoveries}
    for recovery in reversed(after.recoveries):
        if (recovery.workload, recovery.detected) not in known:
            yield Happening(True, "TakenOver", told(recovery))
    yield from _moves(before, after)
    yield from _turns(before, after)


def _moves(before: Status, after: Status) -> Iterator[Happening]:
    old = {one.name: one.site for one in before.workloads}
    for work in after.workloads:
        if work.site and old.get(work.name, work.site) != work.site:
            yield Happening(False, "Runs", f"{work.name} runs on {work.site}: {work.reason}")


def _turns(before: Status, after: Status) -> Iterator[Happening]:
    old = {one.type: one for one in before.conditions}
    for one in after.conditions:
        was = old.get(one.type)
        if was is not None and was.status != one.status:
            good = one.status == GOOD.get(one.type)
            yield Happening(not good, f"{one.type}{one.status}", one.message)


def told(recovery: Recovery) -> str:
    """A recovery in one sentence."""
    device = f" by {recovery.fenced_by}" if recovery.fenced_by else ""
    steps = ((f"fenced{device}", recovery.fenced_seconds), ("started", recovery.started_seconds),
             ("available", recovery.available_seconds))
    timed = ", ".join(f"{word} after {seconds:.1f} s" for word, seconds in steps if seconds is not None)
    return (f"{recovery.workload} was taken over by {recovery.target} when {recovery.origin} was lost at "
            f"{recovery.detected:%Y-%m-%d %H:%M:%SZ}: {timed}")
