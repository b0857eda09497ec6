"""A pair's state for people: what is where, what would happen, and what to look at."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Optional

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from k8sdeployment.cli.attention import attention
from k8sdeployment.cli.snapshot import moment
from k8sdeployment.cli.view import Statement, View, WorkView

# Columns where no terminal says otherwise: a line is one line for grep.
WIDE = 240
GOOD, BAD, DIM = "green", "bold red", "dim"


def console() -> Console:
    """For the terminal, or for a pipe."""
    found = Console(highlight=False, emoji=False, markup=False)
    return found if found.is_terminal else Console(highlight=False, emoji=False, markup=False, width=WIDE)


def status(view: View) -> RenderableType:
    """The whole screen."""
    parts: list[RenderableType] = [_head(view), _facts(view), Text(""), _works(view)]
    found = attention(view)
    if found:
        parts += [Text(""), Text("Look at this:", style=BAD), *(Text(f"  - {line}") for line in found)]
    if view.foreign:
        parts += [Text(""), Text("Set in Pacemaker beside this pair:"), *(Text(f"  - {line}") for line in view.foreign)]
    return Group(*parts)


def _head(view: View) -> Text:
    line = Text()
    for site in view.sites:
        line.append(f"{site.name} ", style="bold")
        line.append(site.state, style=GOOD if site.state == "online" else BAD)
        version = " ".join(word for word in (site.version,) if word)
        line.append(f" {version}" if version else "", style=DIM)
        line.append("    ")
    seen = f"as {view.site} sees it" if view.site else ""
    line.append(f"{seen}{'' if view.live else ', from memory'}", style=DIM)
    return line


def _facts(view: View) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, said, yes, no in (
            ("takeover", view.protection, "automatic", "off"), ("fencing", view.fencing, "proven", "not proven"),
            ("sites", replace(view.sync, message="") if view.sync.true else view.sync,
             "hold the same SNOPair and pod templates", "differ")):
        table.add_row(Text(name, style=DIM), _said(said, yes, no))
    if view.proven:
        told = ", ".join(f"{name} {ago(when, view.now)}" for name, when in sorted(view.proven.items()))
        table.add_row(Text("last proof", style=DIM), Text(told))
    table.add_row(Text("last recovery", style=DIM), Text(recovery(view.recovery, view.now)))
    table.add_row(Text("last drill", style=DIM), _drill(view))
    table.add_row(Text("conductor", style=DIM), _conductor(view))
    return table


def _said(said: Statement, yes: str, no: str) -> Text:
    word, style = {True: (yes, GOOD), False: (no, BAD), None: ("not known", DIM)}[said.true]
    line = Text(word, style=style)
    return line.append(f": {said.message}" if said.message else "", style="default")


def _conductor(view: View) -> Text:
    if view.age is None:
        return Text("has told nothing", style=BAD)
    words = f"{view.age:.0f} s ago" if view.age < 120 else f"{span(view.age)} ago"
    return Text(f"does not answer, last {words}" if view.old else f"looked {words}", style=BAD if view.old else "")


def _works(view: View) -> RenderableType:
    if not view.works:
        return Text("No workloads.")
    table = Table(box=None, pad_edge=False, header_style=DIM)
    for name in ("WORKLOAD", "RUNS ON", "SINCE", "WHY", "THE OTHER SITE"):
        table.add_column(name, overflow="fold")
    for work in view.works:
        table.add_row(*_row(work, view))
    return table


def _row(work: WorkView, view: View) -> Iterator[Text]:
    yield Text(f"{work.namespace}/{work.name}" if work.namespace else work.name, style="bold")
    yield Text(work.site or "nowhere", style=GOOD if work.site else BAD)
    yield Text(ago(work.since, view.now))
    yield Text(work.reason)
    if not work.site:
        yield Text("")
    elif work.takeover is None:
        yield Text(f"{work.other}: not known" if work.other else "not known", style=DIM)
    else:
        yield Text(f"{work.other} ready" if work.takeover else f"{work.other} not ready: {work.lacking}",
                   style=GOOD if work.takeover else BAD)


def _drill(view: View) -> Text:
    """When somebody last saw the other site fenced from here, and what came of it."""
    due = "; due: `snopair drill --fence`" if view.drill_overdue else ""
    if not view.drill:
        return Text(f"never{due}" if due else "never")
    good = view.drill.get("good") is True
    return Text(f"{ago(moment(view.drill.get('ended')), view.now)}: {view.drill.get('message')}{due}",
                style="" if good else BAD)


def recovery(found: Any, now: datetime) -> str:
    """The last failover in one line."""
    if not found:
        return "none on record"
    fenced = f", fenced by {found['fencedBy']}" if found.get("fencedBy") else ""
    seconds = found.get("availableSeconds")
    back = f", back after {seconds} s" if isinstance(seconds, (int, float)) else ", not back yet"
    return (f"{found.get('workload')} from {found.get('origin')} to {found.get('target')} "
            f"{ago(moment(found.get('detected')), now)}{fenced}{back}")


def ago(when: Optional[datetime], now: datetime) -> str:
    """How long ago, in words; "" for never."""
    return "" if when is None else f"{span((now - when).total_seconds())} ago"


def span(seconds: float) -> str:
    """A time span in its two largest units."""
    left = max(0, int(seconds))
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if left >= size:
            rest = left % size // part
            return f"{left // size} {unit} {rest} {smaller}" if rest else f"{left // size} {unit}"
    return f"{left} s"
