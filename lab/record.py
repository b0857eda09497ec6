"""The oracle's record: what was seen, where and when, as JSON lines.

The first line says who watched what, the last line says that watching ended as it should. A record without its last
line was cut short and proves nothing. In between stand

* sightings: one line says that from ``first`` to ``last`` every one of ``samples`` looks found the same state, and that
  no two neighbouring ones of them were more than ``gap`` apart;
* events: what was done to the lab meanwhile, copied from the lab's own log so that a record stands alone.

All times are CLOCK_MONOTONIC in seconds, which host and containers share.
"""
from __future__ import annotations

import enum
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

FORMAT = 1


class RecordError(Exception):
    """The record cannot be read; one sentence says why."""


class Power(enum.Enum):
    """What is known of a site's power; UNSURE means that this look proves nothing."""

    ON = "on"
    OFF = "off"
    UNSURE = "unsure"


@dataclass(frozen=True, order=True)
class Container:
    """One live container of a watched workload; ``id`` is the runtime's."""

    workload: str
    pod: str
    uid: str
    name: str
    id: str


@dataclass(frozen=True)
class Runtime:
    """What one look at a site's container runtime found. ``boot`` differs for every power-on."""

    power: Power
    boot: str | None = None
    containers: frozenset[Container] = frozenset()


@dataclass(frozen=True)
class Answer:
    """How the service, or the API, of a site answered from outside."""

    up: bool
    detail: str = ""


State = Runtime | Answer
S = TypeVar("S", Runtime, Answer)


@dataclass(frozen=True)
class Stretch(Generic[S]):
    """``samples`` looks from ``first`` to ``last`` that all found ``state``."""

    first: float
    last: float
    samples: int
    gap: float
    state: S


@dataclass(frozen=True)
class Event:
    """Something done to the lab, or said about it."""

    mono: float
    what: str
    site: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Header:
    """Who watched what; ``mono`` and ``wall`` are the same instant on both clocks."""

    lab: str
    sites: tuple[str, ...]
    workloads: tuple[str, ...]
    period: float
    mono: float
    wall: float


@dataclass
class Record:
    """A record that was read. ``end`` is None when it was cut short."""

    header: Header
    runtime: dict[str, list[Stretch[Runtime]]] = field(default_factory=dict)
    service: dict[str, list[Stretch[Answer]]] = field(default_factory=dict)
    api: dict[str, list[Stretch[Answer]]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    end: float | None = None

    def until(self) -> float:
        """The last instant the record knows of."""
        seen = [s.last for lane in (self.runtime, self.service, self.api) for row in lane.values() for s in row]
        return self.end if self.end is not None else max(seen, default=self.header.mono)


class Writer:
    """Writes a record line by line; safe to call from several threads."""

    def __init__(self, stream: IO[str], header: Header) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        fields = {"format": FORMAT, "lab": header.lab, "sites": header.sites, "workloads": header.workloads}
        self._line("begin", **fields, period=header.period, mono=header.mono, wall=header.wall)

    def saw(self, what: str, site: str, stretch: Stretch[Any]) -> None:
        """Write one stretch of ``what`` (runtime, service or api)."""
        self._line(
            "seen", what=what, site=site, first=round(stretch.first, 4), last=round(stretch.last, 4),
            samples=stretch.samples, gap=round(stretch.gap, 4), state=_state_out(stretch.state),
        )

    def event(self, event: Event) -> None:
        """Write one event."""
        self._line("event", mono=event.mono, what=event.what, site=event.site, detail=event.detail)

    def end(self, mono: float) -> None:
        """Write the line without which a record proves nothing."""
        self._line("end", mono=mono)

    def _line(self, kind: str, **fields: object) -> None:
        text = json.dumps({"kind": kind, **fields}, separators=(",", ":"))
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()


def _state_out(state: State) -> dict[str, object]:
    if isinstance(state, Answer):
        return {"up": state.up, "detail": state.detail}
    rows = [[c.workload, c.pod, c.uid, c.name, c.id] for c in sorted(state.containers)]
    return {"power": state.power.value, "boot": state.boot, "containers": rows}


def _runtime_in(raw: Mapping[str, Any]) -> Runtime:
    containers = frozenset(Container(*row) for row in raw["containers"])
    return Runtime(Power(raw["power"]), raw["boot"], containers)


def _answer_in(raw: Mapping[str, Any]) -> Answer:
    return Answer(bool(raw["up"]), str(raw["detail"]))


def _stretch(raw: Mapping[str, Any], state: S) -> Stretch[S]:
    return Stretch(float(raw["first"]), float(raw["last"]), int(raw["samples"]), float(raw["gap"]), state)


def _take(record: Record, raw: Mapping[str, Any]) -> None:
    """Add one line (not the first) to the record; KeyError, TypeError or ValueError when it is not one."""
    if raw["kind"] == "end":
        record.end = float(raw["mono"])
    elif raw["kind"] == "event":
        record.events.append(Event(float(raw["mono"]), str(raw["what"]), raw["site"], str(raw["detail"])))
    elif raw["what"] == "runtime":
        record.runtime[raw["site"]].append(_stretch(raw, _runtime_in(raw["state"])))
    else:
        lane = {"service": record.service, "api": record.api}[raw["what"]]
        lane[raw["site"]].append(_stretch(raw, _answer_in(raw["state"])))


def _header(raw: Mapping[str, Any]) -> Header:
    if raw["kind"] != "begin" or raw["format"] != FORMAT:
        raise ValueError("not the first line of a record")
    sites, workloads = tuple(map(str, raw["sites"])), tuple(map(str, raw["workloads"]))
    return Header(str(raw["lab"]), sites, workloads, float(raw["period"]), float(raw["mono"]), float(raw["wall"]))


def parse(lines: Iterable[str]) -> Record:
    """Read a record from its lines. A torn last line is a record cut short; anything else unreadable is an error."""
    rows = [line for line in lines if line.strip()]
    if not rows:
        raise RecordError("the record is empty: the oracle never watched")
    if not rows[-1].endswith("\n"):
        rows.pop()
    try:
        header = _header(json.loads(rows[0]))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise RecordError("this is not a record of the oracle (its first line should be a 'begin' line)") from error
    sites = header.sites
    record = Record(header, {s: [] for s in sites}, {s: [] for s in sites}, {s: [] for s in sites})
    for number, row in enumerate(rows[1:], start=2):
        if record.end is not None:
            raise RecordError(f"line {number} of the record comes after its end")
        try:
            _take(record, json.loads(row))
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"line {number} of the record is damaged") from error
    record.events.sort(key=lambda event: event.mono)
    return record


def read(path: Path) -> Record:
    """Read a record from a file; RecordError says in one sentence why it cannot be read."""
    try:
        with path.open(encoding="utf-8", newline="\n") as stream:
            return parse(stream)
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"the record {path} cannot be read: {error}") from error


def parse_event(line: str) -> Event:
    """Read one line of the lab's events.jsonl; ValueError when it is not one."""
    try:
        raw = json.loads(line)
        return Event(float(raw["mono"]), str(raw["what"]), raw.get("site"), str(raw.get("detail") or ""))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an event: {line[:80]!r}") from error
