"""`lab watch`, `lab verdict` and `lab report`: commands of the lab's own group."""
from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import click

from lab import oracle, record
from lab.cli import attached, main
from lab.record import Answer, Power, RecordError, State
from lab.report import write_report
from lab.verdict import judge
from lab.verdict_model import Outcome, Verdict

EXIT = {Outcome.HELD: 0, Outcome.BROKEN: 1, Outcome.NOT_JUDGED: 2}
COLOUR = {Outcome.HELD: "green", Outcome.BROKEN: "red", Outcome.NOT_JUDGED: "yellow"}


@main.command()
@click.option("--for", "seconds", type=click.FloatRange(min=0.5), help="Stop after so many seconds (default: Ctrl-C).")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the record.")
@click.option("--workload", "workloads", multiple=True, default=oracle.WORKLOADS, show_default=True,
              help="namespace/name; may be given several times.")
@click.pass_context
def watch(context: click.Context, seconds: float | None, out: Path | None, workloads: tuple[str, ...]) -> None:
    """Show who runs what and whether the service answers, one line per change; --out keeps the record."""
    lab = attached(context)
    stop = threading.Event()
    if seconds:
        threading.Timer(seconds, stop.set).start()
    begun = time.monotonic()

    def show(mono: float, what: str, site: str, state: State) -> None:
        click.echo(f"{mono - begun:8.1f} s  {site}  {describe(what, state)}")

    target = out or lab.state_dir / f"record-{time.strftime('%Y%m%d-%H%M%S')}.jsonl"
    with target.open("w", encoding="utf-8") as stream:
        _until_interrupted(stop, lambda: oracle.sample(
            lab.name, lab.sites, lab.state_dir / oracle.EVENTS, stream, stop, workloads, show))
    click.echo(f"record: {target}")


def _until_interrupted(stop: threading.Event, work: Callable[[], None]) -> None:
    """Do the work on a thread, so that Ctrl-C ends it in order instead of in the middle of a line."""
    worker = threading.Thread(target=work)
    worker.start()
    try:
        while worker.is_alive():
            worker.join(0.2)
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        worker.join()


def describe(what: str, state: State) -> str:
    """One change in words."""
    if isinstance(state, Answer):
        subject = "service" if what == "service" else "API"
        return f"{subject} answers" if state.up else f"{subject} does not answer ({state.detail})"
    if state.power is not Power.ON:
        return "power off" if state.power is Power.OFF else "cannot be seen"
    running = ", ".join(sorted(f"{c.pod}/{c.name}" for c in state.containers))
    return f"runs {running}" if running else "runs none of the watched workloads"


@main.command()
@click.argument("path", metavar="RECORD", type=click.Path(path_type=Path))
@click.option("--bound", type=float, help="The most seconds without service that are allowed (I2).")
def verdict(path: Path, bound: float | None) -> None:
    """Judge the invariants from a record. Exit status 0: at most one held; 1: something broken; 2: no verdict."""
    found = judge(_read(path), bound=bound)
    for line in lines(found):
        click.echo(line)
    sys.exit(1 if found.broken else EXIT[found.outcome("I1")])


def lines(found: Verdict) -> list[str]:
    """The verdict as text, one line per invariant."""
    return [
        f"{f.invariant} {f.title:<24} {click.style(f'{f.outcome.value:<10}', fg=COLOUR[f.outcome])} {f.evidence}"
        for f in found.findings
    ]


@main.command()
@click.argument("path", metavar="RECORD", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The HTML file.")
@click.option("--bound", type=float, help="The most seconds without service that are allowed (I2).")
def report(path: Path, output: Path, bound: float | None) -> None:
    """Write a record and its verdict as one self-contained HTML page."""
    seen = _read(path)
    write_report(output, seen, judge(seen, bound=bound))
    click.echo(f"report: {output}")


def _read(path: Path) -> record.Record:
    try:
        return record.read(path)
    except RecordError as error:
        click.echo(f"no verdict: {error}", err=True)
        sys.exit(EXIT[Outcome.NOT_JUDGED])
