"""What a record says before anybody judges: runs, blind spells, outages, boots, fences. Pure: values in, values out.

A *run* is one container's life as far as it was seen. It certainly ran from ``first`` to ``last``; it may have run
since ``before`` (the last look that did not see it) and until ``after`` (the first look that did not see it any more).
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from lab.record import Answer, Container, Event, Power, Record, Runtime, Stretch

ANY = "?"
LONGEST_GAP = 0.5


@dataclass(frozen=True)
class Run:
    """One container on one site in one boot."""

    site: str
    boot: str | None
    container: Container
    before: float
    first: float
    last: float
    after: float

    def of(self, workload: str) -> bool:
        """Whether this counts as the workload; what could not be attributed counts for every one."""
        return self.container.workload in (workload, ANY)


@dataclass(frozen=True)
class Spell:
    """A time from ``start`` to ``end`` at one site."""

    site: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Outage:
    """The service answered at ``start`` and next at ``end``; ``end`` is None when it never did again."""

    start: float
    end: float | None
    until: float
    after: Event | None = None

    @property
    def seconds(self) -> float:
        """How long at most nobody was served; while it lasts, how long so far."""
        return (self.until if self.end is None else self.end) - self.start


@dataclass(frozen=True)
class Boot:
    """A power-on that was watched: ``off`` was the last look without power, ``on`` the first with it."""

    site: str
    boot: str | None
    off: float
    on: float
    until: float


@dataclass(frozen=True)
class Fence:
    """A site fenced through its BMC, or by its own hand. ``order`` is the first one given: "on" when the BMC had found
    the site off."""

    site: str
    asked: float
    order: str


FAULTS = frozenset({
    "power-off", "power-reset", "cut", "api-stop", "kubelet-stop", "containerd-stop", "fault",
})
ORDERS = frozenset({"off", "reset", "on"})
# A site that ended itself, as sbd does with a poison pill: a fence whose order nobody outside saw.
SELF_FENCE = "self-fence"
CAUSES = FAULTS | {"move", "power-on", "heal", "api-start"}


def runs(record: Record) -> list[Run]:
    """Every container that was seen, one entry per uninterrupted sighting."""
    found: list[Run] = []
    for site, stretches in record.runtime.items():
        found += _site_runs(site, stretches, record)
    return sorted(found, key=lambda run: (run.first, run.site))


def _site_runs(site: str, stretches: list[Stretch[Runtime]], record: Record) -> Iterator[Run]:
    open_runs: dict[tuple[str | None, Container], Run] = {}
    looked = record.header.mono
    for stretch in stretches:
        state = stretch.state
        seen = {(state.boot, container) for container in state.containers}
        for key in open_runs.keys() - seen:
            if state.power is not Power.UNSURE:
                yield replace(open_runs.pop(key), after=stretch.first)
        for boot, container in seen:
            known = open_runs.get((boot, container))
            begun = known or Run(site, boot, container, looked, stretch.first, stretch.last, stretch.last)
            open_runs[boot, container] = replace(begun, last=stretch.last, after=stretch.last)
        if state.power is not Power.UNSURE:
            looked = stretch.last
    until = record.until()
    yield from (replace(run, after=max(run.last, until)) for run in open_runs.values())


def blind(record: Record, longest: float = LONGEST_GAP) -> list[Spell]:
    """Times longer than ``longest`` seconds in which nothing certain was seen of a site's runtime."""
    found = []
    for site, stretches in record.runtime.items():
        found += [s for s in _silences(site, stretches, record) if s.seconds > longest]
    return sorted(found, key=lambda spell: spell.start)


def resolution(record: Record) -> float:
    """The longest time between two certain looks at one site; what lasted less may have gone unseen."""
    return max((s.seconds for site, row in record.runtime.items() for s in _silences(site, row, record)), default=0.0)


def _silences(site: str, stretches: list[Stretch[Runtime]], record: Record) -> Iterator[Spell]:
    """Between neighbouring certain looks; inside a stretch only the longest one is known, so that is given."""
    looked = record.header.mono
    for stretch in stretches:
        if stretch.state.power is Power.UNSURE:
            continue
        yield Spell(site, looked, stretch.first)
        yield Spell(site, stretch.last - stretch.gap, stretch.last)
        looked = stretch.last
    yield Spell(site, looked, max(looked, record.until()))


def answered(stretches: Iterable[Stretch[Answer]]) -> list[tuple[float, float]]:
    """The times in which every probe of one site was answered, from the first answer to the last."""
    found: list[tuple[float, float]] = []
    joined = False
    for stretch in stretches:
        if not stretch.state.up:
            joined = False
        elif joined:
            found[-1] = (found[-1][0], stretch.last)
        else:
            found.append((stretch.first, stretch.last))
            joined = True
    return found


def outages(record: Record) -> list[Outage]:
    """Times without an answer from any site, each with what was done last before it. None before the first answer."""
    spans = sorted(span for row in record.service.values() for span in answered(row))
    found = []
    reach = spans[0][1] if spans else 0.0
    for first, last in spans[1:]:
        if first > reach:
            found.append(Outage(reach, first, first))
        reach = max(reach, last)
    latest = max((s.last for row in record.service.values() for s in row), default=reach)
    if spans and latest - reach > 2 * record.header.period:
        found.append(Outage(reach, None, record.until()))
    return [replace(outage, after=_cause(outage, record.events)) for outage in found]


def _cause(outage: Outage, events: Iterable[Event]) -> Event | None:
    """The last thing done before the service went away, or (an order takes a moment to be noted) just after."""
    done = [event for event in events if event.what in CAUSES and event.mono <= outage.start + LONGEST_GAP]
    return max(done, key=lambda event: event.mono, default=None)


def boots(record: Record) -> list[Boot]:
    """Every power-on that was watched; a site that was on from the first look has none there."""
    found: list[Boot] = []
    for site, stretches in record.runtime.items():
        sure = [s for s in stretches if s.state.power is not Power.UNSURE]
        for before, now in pairwise(sure):
            if now.state.power is Power.ON and now.state.boot != before.state.boot:
                found.append(Boot(site, now.state.boot, before.last, now.first, _boot_end(sure, now)))
    return sorted(found, key=lambda boot: boot.on)


def _boot_end(sure: list[Stretch[Runtime]], begun: Stretch[Runtime]) -> float:
    return max(s.last for s in sure if s.state.boot == begun.state.boot)


def fences(events: Iterable[Event]) -> list[Fence]:
    """Every fence, told from the BMC's events, for the lab's own power switch does not go through the BMC; and from
    those of sites that ended themselves.

    A fence begins with the first order to a site and ends when the site runs again. Who fences a site that is off
    already finds that out by asking, and only orders "on".
    """
    found: list[Fence] = []
    under_way: set[str] = set()
    for event in events:
        site, order = event.site, _order(event)
        if site is None:
            continue
        if order in ORDERS and site not in under_way:
            under_way.add(site)
            found.append(Fence(site, event.mono, order))
        elif event.what == "power-on" or event.what == "bmc" and event.detail.startswith("on: the site runs"):
            under_way.discard(site)
    return found


def _order(event: Event) -> str:
    """What the event shows to have been ordered, "" for nothing."""
    if event.what == SELF_FENCE:
        return "off"
    return event.detail.partition(" asked")[0] if event.what == "bmc" else ""


def cut_links(events: Iterable[Event], mono: float) -> set[int]:
    """The links that were cut at that time, told from the lab's cut and heal events ("link 1 and 2")."""
    cut: set[int] = set()
    for event in events:
        links = {int(word) for word in event.detail.split() if word.isdigit()}
        if event.mono <= mono and event.what == "cut":
            cut |= links
        elif event.mono <= mono and event.what == "heal":
            cut -= links
    return cut
