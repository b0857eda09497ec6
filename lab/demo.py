"""The demonstration: two sites, one workload, a move, a power cut, the takeover, and the verdict.

    python -m lab.demo [--keep]

Every line with a tick was checked at that moment; what cannot be shown ends the demonstration with one sentence. Exit
status: 0 when everything was shown and every invariant held, 1 when one was broken, 2 when something was not shown.
"""
from __future__ import annotations

import signal
import sys
from contextlib import suppress
from pathlib import Path

import click

from lab import demo_checks as checks
from lab import demo_snopair as snopair
from lab import demo_steps as steps
from lab import record
from lab import up as lifecycle
from lab.demo_screen import Screen
from lab.demo_steps import PREFERRED, Show
from lab.errors import LabError
from lab.oracle import Oracle, OracleError
from lab.paths import CHECKOUT
from lab.report import write_report
from lab.sites import Lab
from lab.state import LabState
from lab.verdict import judge
from lab.verdict_model import Outcome, Verdict

NAME = "demo"


def bring_up(screen: Screen) -> Lab:
    """A fresh lab: one that an earlier ``--keep`` left in whatever state would not show the beginning."""
    screen.heading("Two real single-node clusters on this machine")
    state = LabState(NAME)
    if lifecycle.down(state):
        screen.say("took down what an earlier run had left")
    lifecycle.up(state, screen.say)
    lab = Lab.attach(NAME)
    for site in lab.sites.values():
        if not site.node_ready():
            raise LabError(f"the node {site.name} should be Ready by now; see: lab/lab --name {NAME} status")
        screen.fact(f"{site.name}: etcd, API server, kubelet and containerd of its own; node Ready")
    return lab


def play(show: Show) -> None:
    """Everything between the first start of the oracle and its end."""
    steps.pair_up(show)
    show.screen.heading("The pair at a glance, on either site")
    snopair.all_well(show)
    show.screen.heading("A planned move, there and back, by `snopair move`")
    away = show.other(PREFERRED).name
    steps.planned_move(show, away)
    steps.planned_move(show, PREFERRED)
    show.screen.heading(f"Power cut of the active site, {PREFERRED}")
    cut = steps.power_cut(show, PREFERRED)
    snopair.alone(show, PREFERRED)
    show.screen.heading("The fenced site comes back")
    boot = steps.boots_and_stays_down(show, PREFERRED, cut)
    steps.rejoins(show, boot, cut)
    steps.runs_only_on(show, away)
    show.screen.heading("What the pair says of it")
    snopair.recovery(show, PREFERRED, checks.fence_device(show.lab.sites[away], PREFERRED))
    snopair.all_well(show)
    steps.ask_around(show, away, cut)


def conclude(show: Show, report: Path) -> int:
    """Judge, show the summary, write the report; the exit status."""
    seen = show.seen()
    verdict = judge(seen)
    show.screen.summary(show.measures, verdict)
    write_report(report, seen, verdict, show.measures)
    show.screen.line(f"report: {report}")
    show.screen.line(f"record: {show.path}")
    return status(verdict)


def status(verdict: Verdict) -> int:
    """1 when an invariant was broken, 2 when one was not shown to hold, else 0."""
    if verdict.broken:
        return 1
    return 0 if all(finding.outcome is Outcome.HELD for finding in verdict.findings) else 2


def demonstrate(screen: Screen, report: Path) -> int:
    """The whole demonstration on a lab of its own; the exit status. What was seen is reported even if it fails."""
    lab = bring_up(screen)
    show = Show(lab, screen, report.with_name(report.stem.replace("report", "record") + ".jsonl"))
    try:
        with Oracle(lab, show.path):
            play(show)
    except (LabError, OracleError) as error:
        screen.failure(f"not shown: {error}")
        with suppress(record.RecordError):
            return conclude(show, report) or 2
        return 2
    return conclude(show, report)


def advise(screen: Screen) -> None:
    """The three commands worth trying on a lab that was left up."""
    screen.heading(f"The lab {NAME!r} is still up. Worth trying:")
    for command, what in (
        ("watch", "who runs what, live; leave it open in a second terminal"),
        ("power off site-b", "cut the power of the site that is active now"),
        ("cut", "cut both links: exactly one site is fenced, the other goes on serving (then: heal)"),
    ):
        screen.line(f"  lab/lab --name {NAME} {command:<18} # {what}")
    screen.line(f"Take it down with: lab/lab --name {NAME} down")


@click.command(help="Show a workload survive the loss of its site, on two real single-node clusters.")
@click.option("--keep", is_flag=True, help="Leave the lab up to play with.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), default=CHECKOUT / "report-demo.html",
              help="Where the HTML report goes; the record stands beside it.")
def main(keep: bool, report: Path) -> None:
    """The program; the lab goes down at the end whatever happened, unless it is to be kept."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report.parent.mkdir(parents=True, exist_ok=True)
    screen = Screen()
    code = 2
    try:
        code = demonstrate(screen, report.resolve())
    except LabError as error:
        screen.failure(f"not shown: {error}")
    except KeyboardInterrupt:
        code = 130
    finally:
        if keep and code != 130:
            advise(screen)
        else:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            screen.say("taking the lab down")
            lifecycle.down(LabState(NAME))
    sys.exit(code)


if __name__ == "__main__":
    main()
