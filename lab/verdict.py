"""The verdict on the invariants, computed from a record alone. Pure: no clock, no network, no lab.

Broken is said only of what was seen; held only where the record shows it; everything else is *not judged*, with the
reason. In particular a record that was cut short, or in which the oracle did not look for more than half a second,
never says held: something may have run while nobody looked.

What the record cannot know by itself comes with it as events named ``expect`` (see ``Expectations``).
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from lab import oracle_facts as facts
from lab.oracle_facts import Boot, Fence, Outage, Run, Spell
from lab.record import Event, Record
from lab.verdict_model import TITLES, Expectations, Fact, Finding, Outcome, Overlap, Verdict

SLACK = 0.5


@dataclass
class _Case:
    """A record with what was read out of it once, for all judges."""

    record: Record
    expected: Expectations
    runs: list[Run] = field(init=False)
    blind: list[Spell] = field(init=False)
    resolution: float = field(init=False)

    def __post_init__(self) -> None:
        self.runs = facts.runs(self.record)
        self.blind = facts.blind(self.record)
        self.resolution = facts.resolution(self.record)

    def at(self, mono: float) -> str:
        return f"+{mono - self.record.header.mono:.1f} s"

    def doubt(self) -> str | None:
        """Why this record cannot show that something did *not* happen; None when it can."""
        if self.record.end is None:
            return "the record was cut short"
        if self.blind:
            worst = max(self.blind, key=lambda spell: spell.seconds)
            return (f"the oracle did not see {worst.site} for {worst.seconds:.2f} s from {self.at(worst.start)} on "
                    f"(at most {facts.LONGEST_GAP} s allowed)")
        return None

    def looked(self) -> str:
        return f"looked at both runtimes at least every {self.resolution * 1000:.0f} ms"


def overlaps(found: Sequence[Run], workloads: Iterable[str]) -> list[Overlap]:
    """Every pair of runs of one workload on two sites that overlapped, or may have between two looks."""
    pairs = []
    for one, other in combinations(sorted(set(found), key=lambda run: (run.first, run.site)), 2):
        if one.site == other.site or not any(one.of(name) and other.of(name) for name in workloads):
            continue
        start, end = max(one.first, other.first), min(one.last, other.last)
        loose_start, loose_end = max(one.before, other.before), min(one.after, other.after)
        if start <= end:
            pairs.append(Overlap(one, other, start, end, True))
        elif loose_start < loose_end:
            pairs.append(Overlap(one, other, loose_start, loose_end, False))
    return pairs


def judge(record: Record, bound: float | None = None) -> Verdict:
    """The whole verdict. ``bound`` (seconds without service) replaces the one the record's events may name."""
    expected = Expectations.of(record.events)
    case = _Case(record, expected if bound is None else replace(expected, bound=bound))
    clashes = overlaps(case.runs, record.header.workloads)
    gone, power_ons, shot = facts.outages(record), facts.boots(record), facts.fences(record.events)
    judged = {
        "I1": _at_most_one(case, clashes), "I2": _back_soon(case, gone), "I3": _no_needless_fence(case, shot),
        "I4": _no_fence_loop(case, shot), "I5": _fact(case.expected.healed), "I6": _fact(case.expected.says_why),
        "I7": _leaves_alone(case), "I8": _stays_down(case, power_ons),
    }
    findings = tuple(Finding(name, TITLES[name], *judged[name]) for name in TITLES)
    watched = record.until() - record.header.mono
    return Verdict(
        findings, tuple(case.runs), tuple(clashes), tuple(gone), tuple(power_ons), tuple(shot), tuple(case.blind),
        case.resolution, watched,
    )


Judged = tuple[Outcome, str]


def _at_most_one(case: _Case, clashes: list[Overlap]) -> Judged:
    seen = [clash for clash in clashes if clash.seen]
    if seen:
        worst = max(seen, key=lambda clash: clash.end - clash.start)
        return Outcome.BROKEN, (
            f"{worst.one.container.workload} ran on both sites for at least {worst.end - worst.start:.2f} s from "
            f"{case.at(worst.start)} on: {_pod(worst.one)} and {_pod(worst.other)}"
        )
    reason = case.doubt() or _why_blind_on_runs(case)
    if reason:
        return Outcome.NOT_JUDGED, reason
    if clashes:
        return Outcome.NOT_JUDGED, f"a handover at {case.at(clashes[0].start)} was faster than the oracle looks"
    return Outcome.HELD, f"{case.looked()}: {_count(len(case.runs), 'container')}, never on both sites at once"


def _why_blind_on_runs(case: _Case) -> str | None:
    """An oracle that sees nothing run while the service answers looks at the wrong place."""
    if not case.runs:
        return "the workload was never seen running"
    for site, row in case.record.service.items():
        for first, last in facts.answered(row):
            near = [run for run in case.runs if run.site == site and run.before <= last and run.after >= first]
            if last - first > 2 * SLACK and not near:
                return f"{site} served from {case.at(first)} on, but the oracle saw no container running there"
    return None


def _pod(run: Run) -> str:
    return f"{run.container.pod or run.container.id[:12]} on {run.site}"


def _back_soon(case: _Case, gone: list[Outage]) -> Judged:
    bound = case.expected.bound
    if not any(facts.answered(row) for row in case.record.service.values()):
        return Outcome.NOT_JUDGED, "the service never answered while the oracle watched"
    late = [o for o in gone if bound is not None and o.seconds > bound]
    if late:
        worst = max(late, key=lambda outage: outage.seconds)
        ended = "" if worst.end is not None else " and was not back at the end"
        lasted = f"no service for {worst.seconds:.1f} s from {case.at(worst.start)} on{ended}"
        return Outcome.BROKEN, f"{lasted} (bound {bound:g} s)"
    reason = case.doubt() or _why_no_bound(bound, gone)
    if reason:
        return Outcome.NOT_JUDGED, reason
    longest = max((outage.seconds for outage in gone), default=0.0)
    return Outcome.HELD, f"{_count(len(gone), 'time')} without service, the longest {longest:.1f} s (bound {bound:g} s)"


def _why_no_bound(bound: float | None, gone: list[Outage]) -> str | None:
    if any(outage.end is None for outage in gone):
        return "the service was away when the record ended"
    if bound is None:
        longest = max((outage.seconds for outage in gone), default=0.0)
        return f"no bound was given; the longest time without service was {longest:.1f} s"
    return None


def _fault_before(case: _Case, fence: Fence) -> Event | None:
    """The last fault before a fence; a fence asked for and noted in the same moment as its fault still follows it."""
    before = [event for event in case.record.events if event.what in facts.FAULTS and event.mono <= fence.asked]
    return max(before, key=lambda event: event.mono, default=None)


def _may_fence(case: _Case, fault: Event) -> set[str]:
    """The sites that a fault may get fenced: the one that lost power or that a fault named, either one in a split."""
    if fault.what == "cut":
        return set(case.record.header.sites) if facts.cut_links(case.record.events, fault.mono) >= {1, 2} else set()
    if fault.what in ("power-off", "power-reset", "fault"):
        return {fault.site} if fault.site else set(case.record.header.sites)
    return set()


def _no_needless_fence(case: _Case, shot: list[Fence]) -> Judged:
    for fence in shot:
        fault = _fault_before(case, fence)
        if fault is None or fence.site not in _may_fence(case, fault):
            cause = "without any fault before it" if fault is None else f"after {_name(fault)}, which calls for none"
            return Outcome.BROKEN, f"{fence.site} was fenced at {case.at(fence.asked)} {cause}"
    if case.record.end is None:
        return Outcome.NOT_JUDGED, "the record was cut short"
    faults = _count(sum(event.what in facts.FAULTS for event in case.record.events), "fault")
    return Outcome.HELD, f"{_count(len(shot), 'fence')} after {faults}, none of a site that its fault does not call for"


def _no_fence_loop(case: _Case, shot: list[Fence]) -> Judged:
    per_fault: dict[Event | None, list[Fence]] = {}
    for fence in shot:
        per_fault.setdefault(_fault_before(case, fence), []).append(fence)
    for fault, row in per_fault.items():
        if len(row) > 1:
            times = ", ".join(f"{fence.site} at {case.at(fence.asked)}" for fence in row)
            return Outcome.BROKEN, f"{len(row)} fences after {_name(fault) if fault else 'no fault at all'}: {times}"
    if case.record.end is None:
        return Outcome.NOT_JUDGED, "the record was cut short"
    return Outcome.HELD, f"{_count(len(shot), 'fence')}, never more than one after a fault"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _name(event: Event) -> str:
    return f"{event.what} of {event.site}" if event.site else f"{event.what} {event.detail}".strip()


def _fact(fact: Fact | None) -> Judged:
    if fact is None:
        return Outcome.NOT_JUDGED, "the runtimes cannot show it, and no other witness was asked"
    return (Outcome.HELD if fact.good else Outcome.BROKEN), fact.seen


def _leaves_alone(case: _Case) -> Judged:
    if not case.expected.quiet:
        return Outcome.NOT_JUDGED, "nothing was named that had to be left alone"
    shown = []
    for quiet in case.expected.quiet:
        during = [r for r in case.runs if r.site == quiet.site and r.first <= quiet.until and r.last >= quiet.since]
        kept = [r for r in during if r.before <= quiet.since and r.after >= quiet.until]
        span = f"from {case.at(quiet.since)} to {case.at(quiet.until)}"
        if len(kept) < len(during) or not during:
            lives = _lives(case, during)
            return Outcome.BROKEN, f"the workload on {quiet.site} was restarted or stopped {span}: {lives}"
        names = ", ".join(sorted({r.container.pod for r in kept}))
        shown.append(f"{names} kept running on {quiet.site} {span}")
    reason = case.doubt()
    return (Outcome.NOT_JUDGED, reason) if reason else (Outcome.HELD, "; ".join(shown))


def _lives(case: _Case, found: list[Run]) -> str:
    rows = [f"{_pod(run)} seen {case.at(run.first)} to {case.at(run.last)}" for run in found]
    return ", ".join(rows) or "nothing ran"


def _stays_down(case: _Case, power_ons: list[Boot]) -> Judged:
    shown = []
    for boot in power_ons:
        early = _ran_untold(case, boot)
        if early is not None:
            return Outcome.BROKEN, (
                f"{_pod(early)} ran {early.first - boot.on:.1f} s after {boot.site} was powered on at "
                f"{case.at(boot.on)}, before the cluster started it there"
            )
        shown.append(_after_boot(case, boot))
    reason = case.doubt() or (None if power_ons else "no site was powered on while the oracle watched")
    return (Outcome.NOT_JUDGED, reason) if reason else (Outcome.HELD, "; ".join(shown))


def _ran_untold(case: _Case, boot: Boot) -> Run | None:
    """The first run of a boot that no start of the cluster in that boot came before; None when there is none."""
    mine = [run for run in case.runs if run.site == boot.site and run.boot == boot.boot]
    told = [start.mono for start in case.expected.starts if start.site == boot.site and start.mono >= boot.off]
    return next((run for run in mine if not any(mono <= run.first for mono in told)), None)


def _after_boot(case: _Case, boot: Boot) -> str:
    mine = [run.first for run in case.runs if run.site == boot.site and run.boot == boot.boot]
    on = f"{boot.site}, powered on at {case.at(boot.on)},"
    if mine:
        return f"{on} ran nothing until the cluster started it there ({min(mine) - boot.on:.1f} s after power-on)"
    return f"{on} ran nothing in the {boot.until - boot.on:.1f} s it was watched"
