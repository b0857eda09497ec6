"""The report: one HTML file that needs nothing else, from a record and its verdict. Pure but for the one write."""
from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.record import Record
from lab.report_timeline import marks, timeline
from lab.verdict_model import Outcome, Verdict

CSS = Path(__file__).with_name("report.css")
CLASS = {Outcome.HELD: "held", Outcome.BROKEN: "broken", Outcome.NOT_JUDGED: "unsure"}


@dataclass(frozen=True)
class Measure:
    """One measured time for the summary: seconds, and the most it may be (None: nothing was promised)."""

    label: str
    seconds: float
    most: float | None = None

    @property
    def met(self) -> bool:
        return self.most is None or self.seconds <= self.most

    def value(self) -> str:
        """The seconds in words."""
        return f"{self.seconds:.1f} s"

    def target(self) -> str:
        """What was promised, in words; empty when nothing was."""
        return "" if self.most is None else f"at most {self.most:g} s"


def write_report(path: Path, record: Record, verdict: Verdict, measures: Sequence[Measure] = ()) -> None:
    """Write the page; the directory must be there."""
    path.write_text(page(record, verdict, measures), encoding="utf-8")


def page(record: Record, verdict: Verdict, measures: Sequence[Measure] = ()) -> str:
    """The whole page as text."""
    html = ET.Element("html", {"lang": "en"})
    head = ET.SubElement(html, "head")
    ET.SubElement(head, "meta", {"charset": "utf-8"})
    ET.SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    ET.SubElement(head, "title").text = f"{headline(verdict)} · {record.header.lab}"
    ET.SubElement(head, "style").text = CSS.read_text(encoding="utf-8")
    main = ET.SubElement(ET.SubElement(html, "body"), "main")
    _hero(main, record, verdict)
    _figures(main, measures or default_measures(record, verdict))
    _timeline(main, record, verdict)
    _invariants(main, verdict)
    _method(main, record, verdict)
    return "<!DOCTYPE html>\n" + ET.tostring(html, encoding="unicode", method="html") + "\n"


def headline(verdict: Verdict) -> str:
    """The verdict in one line."""
    if verdict.broken:
        names = " and ".join(f"{finding.invariant} ({finding.title})" for finding in verdict.broken)
        return f"Broken: {names}"
    held = [finding.invariant for finding in verdict.findings if finding.outcome is Outcome.HELD]
    if "I1" not in held:
        return "No verdict: this record does not show that the workload never ran twice"
    if len(held) == len(verdict.findings):
        return f"All {len(held)} invariants held"
    return f"{len(held)} invariants held, {len(verdict.findings) - len(held)} not judged"


def default_measures(record: Record, verdict: Verdict) -> list[Measure]:
    """Every time without service, named after what was done before it."""
    named = []
    for outage in verdict.outages:
        shown = marks([outage.after]) if outage.after else []
        named.append(Measure(f"without service: {shown[0].text}" if shown else "without service", outage.seconds))
    return named


def _add(parent: ET.Element, tag: str, text: str = "", kind: str = "") -> ET.Element:
    element = ET.SubElement(parent, tag, {"class": kind} if kind else {})
    element.text = text
    return element


def _hero(main: ET.Element, record: Record, verdict: Verdict) -> None:
    held = not verdict.broken and verdict.outcome("I1") is Outcome.HELD
    hero = _add(main, "section", kind=f"card hero {'broken' if verdict.broken else 'held' if held else 'unsure'}")
    _add(hero, "h1", f"Two sites, one workload · lab {record.header.lab}")
    _add(hero, "p", headline(verdict), "headline")
    when = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(record.header.wall))
    workloads = ", ".join(record.header.workloads)
    looks = sum(stretch.samples for row in record.runtime.values() for stretch in row)
    _add(hero, "p", (
        f"{workloads} watched for {verdict.watched:.0f} s from {when}, in {looks} looks at the two container runtimes, "
        f"at least every {verdict.resolution * 1000:.0f} ms."), "soft")


def _figures(main: ET.Element, measures: Sequence[Measure]) -> None:
    if not measures:
        return
    grid = _add(main, "section", kind="figures")
    for measure in measures:
        figure = _add(grid, "div", kind="figure" if measure.met else "figure missed")
        _add(figure, "b", measure.value())
        _add(figure, "span", measure.label)
        if measure.most is not None:
            _add(figure, "span", measure.target() if measure.met else f"{measure.target()}: missed")


def _timeline(main: ET.Element, record: Record, verdict: Verdict) -> None:
    card = _add(main, "section", kind="card")
    _add(card, "h2", "What happened")
    _add(card, "div", kind="wide").append(timeline(record, verdict))
    listed = _add(card, "ol", kind="marks")
    for mark in marks(record.events):
        item = ET.SubElement(listed, "li")
        _add(item, "b", f"+{mark.mono - record.header.mono:.1f} s").tail = f" {mark.text}"


def _invariants(main: ET.Element, verdict: Verdict) -> None:
    card = _add(main, "section", kind="card")
    _add(card, "h2", "The promise, invariant by invariant")
    body = ET.SubElement(ET.SubElement(card, "table"), "tbody")
    for finding in verdict.findings:
        row = ET.SubElement(body, "tr")
        _add(row, "td", f"{finding.invariant} {finding.title}", "name")
        _add(ET.SubElement(row, "td"), "span", finding.outcome.value, f"badge {CLASS[finding.outcome]}")
        _add(row, "td", finding.evidence)


def _method(main: ET.Element, record: Record, verdict: Verdict) -> None:
    card = _add(main, "section", kind="card")
    _add(card, "h2", "How this was measured")
    _add(card, "p", (
        "An oracle on the host looked into both sites' container runtimes: their task directories and the processes "
        "these name. It asks neither the Kubernetes API nor Pacemaker nor the agent. What lasted less than "
        f"{verdict.resolution * 1000:.0f} ms, its longest pause, may have gone unseen; after a pause of more than half "
        "a second, or when its record is cut short, it gives no verdict."), "soft")
    _add(card, "p", (
        f"The service was asked from outside every {record.header.period * 1000:.0f} ms over a new connection. A time "
        "without service counts from the last answer to the next one."), "soft")
