"""Histories made up for the tests: what truly happened, looked at as the oracle looks, becomes a record."""
from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from lab.oracle_lane import Stretches
from lab.record import Answer, Container, Event, Header, Power, Record, Runtime, S, Stretch, Writer, parse

SITES = ("site-a", "site-b")
APP = "default/app"
START = 100.0


@dataclass(frozen=True)
class Ran:
    """A container that truly ran on a site from ``start`` until just before ``end`` (seconds into the history)."""

    site: str
    start: float
    end: float
    id: str = "c1"
    workload: str = APP

    @property
    def container(self) -> Container:
        return Container(self.workload, f"app-{self.id}", f"uid-{self.id}", "app", self.id)

    def at(self, now: float) -> bool:
        return self.start <= now < self.end


@dataclass
class History:
    """What truly happened, and when the oracle looked: every ``period`` seconds but in ``asleep`` times."""

    ran: Sequence[Ran] = ()
    off: Sequence[tuple[str, float, float]] = ()
    unsure: Sequence[tuple[str, float, float]] = ()
    served: Sequence[tuple[str, float, float]] = ()
    events: Sequence[Event] = ()
    asleep: Sequence[tuple[float, float]] = ()
    length: float = 20.0
    period: float = 0.1
    complete: bool = True
    looks: list[float] = field(default_factory=list)

    def times(self) -> list[float]:
        """When the oracle looked."""
        regular = [n * self.period for n in range(int(self.length / self.period) + 1)]
        return [t for t in self.looks or regular if not any(start < t < end for start, end in self.asleep)]

    def runtime(self, site: str, now: float) -> Runtime:
        """The truth about a site's runtime."""
        if any(name == site and start <= now < end for name, start, end in self.off):
            return Runtime(Power.OFF)
        boot = sum(name == site and end <= now for name, _, end in self.off)
        if any(name == site and start <= now < end for name, start, end in self.unsure):
            return Runtime(Power.UNSURE, f"boot-{boot}")
        live = frozenset(r.container for r in self.ran if r.site == site and r.at(now))
        return Runtime(Power.ON, f"boot-{boot}", live)

    def answer(self, site: str, now: float) -> Answer:
        """The truth about a site's service."""
        up = any(name == site and start <= now < end for name, start, end in self.served)
        return Answer(up, site if up else "ConnectionRefusedError")

    def text(self) -> str:
        """The record as the oracle would have written it."""
        stream = io.StringIO()
        writer = Writer(stream, Header("test", SITES, (APP,), self.period, START, 1_000_000.0))
        for site in SITES:
            for runtime in looked(self.times(), partial(self.runtime, site)):
                writer.saw("runtime", site, runtime)
            for answer in looked(self.times(), partial(self.answer, site)):
                writer.saw("service", site, answer)
        for event in self.events:
            writer.event(event)
        if self.complete:
            writer.end(START + self.length)
        return stream.getvalue()

    def record(self) -> Record:
        """The record, read back."""
        return parse(io.StringIO(self.text()))


def looked(times: Iterable[float], truth: Callable[[float], S]) -> list[Stretch[S]]:
    """The stretches that looks at the truth fold into."""
    found: list[Stretch[S]] = []
    row: Stretches[S] = Stretches(found.append)
    for now in times:
        row.saw(START + now, truth(now))
    row.close()
    return found


def did(seconds: float, what: str, site: str | None = None, detail: str = "") -> Event:
    """Something done so many seconds into the history."""
    return Event(START + seconds, what, site, detail)
