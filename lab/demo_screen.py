"""What the demo shows: headings, facts, counted seconds, a table. Live on a terminal, plain lines anywhere else."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.errors import LabError
from lab.report import Measure
from lab.verdict_model import Outcome, Verdict

STYLE = {Outcome.HELD: "bold green", Outcome.BROKEN: "bold red", Outcome.NOT_JUDGED: "bold yellow"}
LOOK_SECONDS = 0.1
Found = TypeVar("Found")


class Screen:
    """Where the demo writes; ``seconds`` run from its making."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or _console()
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def line(self, text: str | Text) -> None:
        """One line, left whole however wide the terminal is: a log is read by machines too."""
        self.console.print(text, soft_wrap=True)

    def heading(self, text: str) -> None:
        """What is shown next."""
        self.line("")
        self.line(Text(text, "bold"))

    def fact(self, text: str) -> None:
        """Something that was checked just now."""
        self.line(Text.assemble((f"{self.seconds:7.1f} s  ", "dim"), ("✓ ", "green"), text))

    def say(self, text: str) -> None:
        """Something that is being done."""
        self.line(Text.assemble((f"{self.seconds:7.1f} s  ", "dim"), f"  {text}"))

    def failure(self, text: str) -> None:
        """What ends the demonstration."""
        self.line("")
        self.line(Text(text, "bold red"))

    def await_that(
        self, what: str, condition: Callable[[], Found | None], limit: float, since: float | None = None
    ) -> Found:
        """The first true answer; the seconds since ``since`` are counted live; LabError after ``limit`` of them."""
        begun = time.monotonic()
        since = begun if since is None else since
        with self.console.status("") as status:
            while not (found := condition()):
                now = time.monotonic()
                if now - begun > limit:
                    raise LabError(f"not shown within {limit:g} s: {what}")
                status.update(f"{now - since:5.1f} s  {what}")
                time.sleep(LOOK_SECONDS)
        return found

    def summary(self, measures: Sequence[Measure], verdict: Verdict) -> None:
        """The measured times and the oracle's word on every invariant."""
        times = Table(title="Measured", title_justify="left", title_style="bold")
        for heading, justify in (("what", "left"), ("seconds", "right"), ("aim", "left")):
            times.add_column(heading, justify="right" if justify == "right" else "left")
        for measure in measures:
            times.add_row(measure.label, f"{measure.seconds:.1f}", _aim(measure))
        promise = Table(title="The promise, as the oracle saw it", title_justify="left", title_style="bold")
        for heading in ("invariant", "verdict", "evidence"):
            promise.add_column(heading)
        for finding in verdict.findings:
            outcome = Text(finding.outcome.value, style=STYLE[finding.outcome])
            promise.add_row(f"{finding.invariant} {finding.title}", outcome, finding.evidence)
        self.line("")
        self.console.print(times)
        self.console.print(promise)


def _aim(measure: Measure) -> str:
    if measure.most is None:
        return ""
    return measure.target() if measure.met else f"{measure.target()}, missed"


def _console() -> Console:
    """As wide as the terminal; 120 columns where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=120)
