"""The report's timeline: one SVG with both sites above each other on one time axis. Pure: record and verdict in."""
from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from lab import oracle_facts as facts
from lab.oracle_facts import Run
from lab.record import Answer, Event, Power, Record, Runtime, Stretch
from lab.verdict_model import Verdict

WIDTH, GUTTER, MARGIN = 1000.0, 96.0, 12.0
LANE, STEP, DOT = 16.0, 21.0, 8.0
CHARACTER = 6.6
SILENT = {"expect", "up", "down"}
S = TypeVar("S", Runtime, Answer)

WORDS: dict[str, str] = {
    "power-off": "power of {site} cut", "power-on": "power of {site} switched on", "power-reset": "{site} reset",
    "api-stop": "API server of {site} stopped", "api-start": "API server of {site} started",
    "kubelet-stop": "kubelet of {site} stopped", "kubelet-start": "kubelet of {site} started",
    "containerd-stop": "containerd of {site} stopped", "containerd-start": "containerd of {site} started",
    "cut": "{detail} between the sites cut", "heal": "{detail} between the sites mended",
    "move": "{detail}", "note": "{detail}", "bmc": "BMC of {site}: {detail}",
    facts.SELF_FENCE: "{site} ended itself", "watchdog": "watchdog of {site}: {detail}",
}
BMC_WORDS = {
    "off asked": "the BMC of {site} is told to cut its power", "reset asked": "the BMC of {site} is told to reset it",
    "off: the site is dead": "the BMC of {site} confirms that it is dead",
    "on asked": "the BMC of {site} is told to switch it on",
}


@dataclass(frozen=True)
class Mark:
    """One numbered event on the timeline."""

    mono: float
    site: str | None
    text: str
    fence: bool


def marks(events: Iterable[Event]) -> list[Mark]:
    """The events worth a number, in words; what only confirms a finished order is left out."""
    ordered = sorted(events, key=lambda event: event.mono)
    fenced = {(fence.site, fence.asked) for fence in facts.fences(ordered)}
    found = []
    for event in ordered:
        if event.what in SILENT or event.what.endswith("-done") or event.detail.startswith("on: "):
            continue
        pattern = BMC_WORDS.get(event.detail) if event.what == "bmc" else None
        pattern = pattern or WORDS.get(event.what, "{what} {site} {detail}")
        text = pattern.format(what=event.what, site=event.site or "", detail=event.detail).strip()
        fence = event.what in ("bmc", facts.SELF_FENCE) and (event.site, event.mono) in fenced
        found.append(Mark(event.mono, event.site, f"fence: {text}{_found_off(event)}" if fence else text, fence))
    return found


def _found_off(event: Event) -> str:
    return ", having found it off" if event.detail == "on asked" else ""


def spans(stretches: Iterable[Stretch[S]], holds: Callable[[S], bool]) -> list[tuple[float, float]]:
    """The times in which ``holds`` was true, from the first such look to the last of a row."""
    found: list[tuple[float, float]] = []
    before = False
    for stretch in stretches:
        now = holds(stretch.state)
        if now and before:
            found[-1] = (found[-1][0], stretch.last)
        elif now:
            found.append((stretch.first, stretch.last))
        before = now
    return found


def ticks(seconds: float) -> list[float]:
    """Round times for the axis, eight to fifteen of them."""
    step = next((s for s in (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800) if seconds / s <= 14), 3600)
    return [float(n * step) for n in range(int(seconds // step) + 1)]


class Drawing:
    """The SVG in the making; times become positions here and nowhere else."""

    def __init__(self, record: Record) -> None:
        self.start = record.header.mono
        self.seconds = max(record.until() - self.start, 1.0)
        self.root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img"})
        ET.SubElement(self.root, "title").text = "What ran on which site, and what was done to them, over time"

    def x(self, mono: float) -> float:
        share = min(max((mono - self.start) / self.seconds, 0.0), 1.0)
        return GUTTER + share * (WIDTH - GUTTER - MARGIN)

    def bar(self, kind: str, start: float, end: float, y: float, hint: str, height: float = LANE) -> float:
        """A bar at least two units wide, so that the shortest event shows; gives its width."""
        width = max(self.x(end) - self.x(start), 2.0)
        place = {"x": f"{self.x(start):.1f}", "y": f"{y:.1f}"}
        size = {"width": f"{width:.1f}", "height": f"{height:.1f}", "rx": "3"}
        ET.SubElement(ET.SubElement(self.root, "rect", {"class": kind, **place, **size}), "title").text = hint
        return width

    def text(self, kind: str, x: float, y: float, text: str, anchor: str = "start") -> None:
        ET.SubElement(self.root, "text", {
            "class": kind, "x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}).text = text

    def line(self, kind: str, x: float, top: float, bottom: float) -> None:
        ET.SubElement(self.root, "line", {
            "class": kind, "x1": f"{x:.1f}", "x2": f"{x:.1f}", "y1": f"{top:.1f}", "y2": f"{bottom:.1f}"})

    def background(self, label: str, y: float) -> None:
        """An empty lane with its name at the left."""
        self.text("soft", GUTTER - 8, y + LANE - 4, label, "end")
        self.bar("lane", self.start, self.start + self.seconds, y, label)

    def span(self, start: float, end: float) -> str:
        return f"+{start - self.start:.1f} s to +{end - self.start:.1f} s"


def timeline(record: Record, verdict: Verdict) -> ET.Element:
    """The whole drawing."""
    drawing = Drawing(record)
    shown = marks(record.events)
    rows = _stack(drawing, shown)
    top = 14.0 + (max(rows, default=-1) + 1) * (2 * DOT + 3)
    bottom = top + STEP + 8 + len(record.header.sites) * (4 * STEP + 30)
    for tick in ticks(drawing.seconds):
        drawing.line("grid", drawing.x(drawing.start + tick), top, bottom)
        drawing.text("soft", drawing.x(drawing.start + tick), bottom + 15, f"{tick:.0f} s", "middle")
    for clash in verdict.overlaps:
        kind = "clash" if clash.seen else "blind"
        drawing.bar(kind, clash.start, clash.end, top - 4, "ran on both sites", bottom - top + 4)
    _users(drawing, verdict, top)
    y = top + STEP + 8
    for site in record.header.sites:
        _site(drawing, record, verdict, site, y)
        y += 4 * STEP + 30
    _marks(drawing, shown, rows, bottom)
    drawing.root.set("viewBox", f"0 0 {WIDTH:.0f} {bottom + 22:.0f}")
    return drawing.root


def _users(drawing: Drawing, verdict: Verdict, y: float) -> None:
    """What the users had: the times without any answer, with their seconds."""
    drawing.background("no service", y)
    for outage in verdict.outages:
        end = outage.until if outage.end is None else outage.end
        drawing.bar("outage", outage.start, end, y, f"no service {drawing.span(outage.start, end)}")
        drawing.text("soft", drawing.x(end) + 4, y + LANE - 4, f"{outage.seconds:.1f} s")


def _site(drawing: Drawing, record: Record, verdict: Verdict, site: str, y: float) -> None:
    drawing.text("site", 4, y + 16, site)
    y += 22
    lanes = {
        "power": spans(record.runtime[site], lambda state: state.power is Power.ON),
        "api": spans(record.api[site], lambda state: state.up),
        "service": spans(record.service[site], lambda state: state.up),
    }
    for kind, label in (("power", "power"), ("api", "API")):
        y = _lane(drawing, kind, label, lanes[kind], y)
    drawing.background("pods", y)
    for run, colour in _coloured(run for run in verdict.runs if run.site == site):
        _run(drawing, run, colour, y)
    for blind in (spell for spell in verdict.blind if spell.site == site):
        drawing.bar("blind", blind.start, blind.end, y, "the oracle did not look here")
    _lane(drawing, "service", "service", lanes["service"], y + STEP)


def _lane(drawing: Drawing, kind: str, label: str, times: list[tuple[float, float]], y: float) -> float:
    drawing.background(label, y)
    for start, end in times:
        drawing.bar(kind, start, end, y, f"{label} {drawing.span(start, end)}")
    return y + STEP


def _coloured(found: Iterable[Run]) -> Iterator[tuple[Run, str]]:
    """Neighbouring pods in two colours, so that a new pod is seen as a new one."""
    order: dict[str, int] = {}
    for run in found:
        name = run.container.pod or run.container.id
        yield run, f"pod{order.setdefault(name, len(order)) % 2}"


def _run(drawing: Drawing, run: Run, colour: str, y: float) -> None:
    name = run.container.pod or run.container.id[:12]
    width = drawing.bar(colour, run.first, run.last, y, f"{name} {drawing.span(run.first, run.last)}")
    if width > len(name) * CHARACTER + 10:
        drawing.text("inside", drawing.x(run.first) + 5, y + LANE - 4, name)


def _stack(drawing: Drawing, shown: list[Mark]) -> list[int]:
    """The row of each mark's number: the lowest one in which it touches no other."""
    ends: list[float] = []
    rows = []
    for mark in shown:
        x = drawing.x(mark.mono)
        row = next((n for n, end in enumerate(ends) if x - DOT > end), len(ends))
        ends[row:row + 1] = [x + DOT + 1]
        rows.append(row)
    return rows


def _marks(drawing: Drawing, shown: list[Mark], rows: list[int], bottom: float) -> None:
    for number, (mark, row) in enumerate(zip(shown, rows), start=1):
        x, y = drawing.x(mark.mono), 6.0 + DOT + row * (2 * DOT + 3)
        drawing.line("mark", x, y + DOT, bottom)
        kind = "dot fence" if mark.fence else "dot"
        dot = ET.SubElement(drawing.root, "circle", {"class": kind, "cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{DOT}"})
        ET.SubElement(dot, "title").text = mark.text
        drawing.text("number", x, y + 3.7, str(number), "middle")
