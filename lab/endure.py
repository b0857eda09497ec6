"""Endurance: many moves, power cuts and splits in a row, one oracle over each, and the count of what was broken.

    python -m lab.endure --name NAME --moves 20 --cuts 20 --splits 10

The lab must be up and paired. Before each split the site that it favours is drawn anew, and written into the CR. Times
are those of a client outside. Exit status 1 when an invariant was broken, one fault brought more than one fence, or a
split cost the favoured site its life, 2 when a cycle could not be judged.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click

from lab import pairing, record, waiting
from lab.calm import calm, explain, quiet
from lab.oracle import Oracle
from lab.service import back
from lab.sites import Lab
from lab.verdict import judge
from lab.verdict_model import Outcome, Verdict

JUDGED = ("I1", "I3", "I4")
OTHER = {"site-a": "site-b", "site-b": "site-a"}
Fault = Callable[[Lab, str], None]


@dataclass
class Tally:
    """The cycles of one kind of fault: seconds without service of each, and what went wrong."""

    kind: str
    seconds: list[float] = field(default_factory=list)
    fences: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)

    def take(self, number: int, verdict: Verdict) -> None:
        self.seconds.append(max((outage.seconds for outage in verdict.outages), default=0.0))
        self.fences.append(len(verdict.fences))
        for finding in verdict.findings:
            line = f"{self.kind} {number}: {finding.invariant} {finding.evidence}"
            if finding.outcome is Outcome.BROKEN:
                self.broken.append(line)
            elif finding.outcome is Outcome.NOT_JUDGED and finding.invariant in JUDGED:
                self.unjudged.append(line)

    def favoured(self, number: int, verdict: Verdict, favoured: str) -> None:
        """Who was to win a split must not be the one that was fenced."""
        if any(fence.site == favoured for fence in verdict.fences):
            self.broken.append(f"{self.kind} {number}: {favoured} was favoured, and was fenced")

    def line(self) -> str:
        row = sorted(self.seconds)
        middle = f"{row[0]:.1f} / {statistics.median(row):.1f} / {row[-1]:.1f} s" if row else "none"
        return (f"{self.kind:<6} {len(row):>3} cycles; without service min / median / max {middle}; "
                f"{sum(self.fences)} fences; {len(self.broken)} broken, {len(self.unjudged)} not judged")


def move(lab: Lab, active: str) -> None:
    """A planned move to the other site."""
    pairing.move(lab, pairing.WORKLOAD, OTHER[active])
    back(lab, OTHER[active], 30)


def cut(lab: Lab, active: str) -> None:
    """The active site loses power; done when it is back as a member."""
    lab.sites[active].power("off")
    back(lab, OTHER[active], 60)
    waiting.until(lambda: quiet(lab), "both sites online again", 180, lambda: explain(lab))


def split(lab: Lab, _: str) -> None:
    """All links are cut until one side has been fenced; done when both are members again."""
    lab.cut()
    waiting.until(lambda: any(site.pid() is None for site in lab.sites.values()), "a fence", 60)
    lab.heal()
    waiting.until(lambda: quiet(lab), "both sites online again", 180, lambda: explain(lab))


def favour(lab: Lab, favoured: str) -> None:
    """Let that site win the next split: it is fenced later. Done when Pacemaker is configured so."""
    whole = pairing.document(lab)
    shortest, longest = sorted(pairing.DELAYS.values())
    for site in whole["spec"]["sites"]:
        site["fencing"]["delay"] = longest if site["name"] == favoured else shortest
    pairing.change(lab, whole)
    query = ["cibadmin", "--query", "--xpath", "//nvpair[@name='pcmk_delay_base']"]

    def in_force() -> bool:
        told = lab.sites[favoured].peer(query, check=False)
        return f'"{favoured}:{longest}"' in told and f'"{OTHER[favoured]}:{longest}"' not in told
    waiting.until(in_force, f"the pair favouring {favoured}", 60)


KINDS: dict[str, Fault] = {"moves": move, "cuts": cut, "splits": split}


def cycle(lab: Lab, fault: Fault, path: Path) -> Verdict:
    """One fault under the oracle's eyes, from an ordinary state to an ordinary state."""
    if not quiet(lab):
        calm(lab, on=pairing.where(lab) or "site-a")
    active = pairing.where(lab)
    assert active is not None
    with Oracle(lab, path):
        fault(lab, active)
    return judge(record.read(path), bound=60)


@click.command(help=(__doc__ or "").splitlines()[0])
@click.option("--name", default=None, help="The lab's name.")
@click.option("--moves", default=20, show_default=True)
@click.option("--cuts", default=20, show_default=True)
@click.option("--splits", default=10, show_default=True)
@click.option("--seed", type=int, default=None, help="For the order of the cycles.")
@click.option("--keep", type=click.Path(path_type=Path), default=None, help="A directory for the records.")
def main(name: str | None, moves: int, cuts: int, splits: int, seed: int | None, keep: Path | None) -> None:
    lab = Lab.attach(name)
    seed = random.randrange(10**6) if seed is None else seed
    order = ["moves"] * moves + ["cuts"] * cuts + ["splits"] * splits
    dice = random.Random(seed)
    dice.shuffle(order)
    directory = keep or Path(tempfile.mkdtemp(prefix="endure-"))
    directory.mkdir(parents=True, exist_ok=True)
    click.echo(f"seed {seed}, records in {directory}")
    tallies = {kind: Tally(kind) for kind in KINDS}
    for number, kind in enumerate(order, 1):
        tally, favoured = tallies[kind], dice.choice(list(OTHER)) if kind == "splits" else ""
        if favoured:
            favour(lab, favoured)
        verdict = cycle(lab, KINDS[kind], directory / f"{number:03}-{kind}.jsonl")
        tally.take(number, verdict)
        tally.favoured(number, verdict, favoured)
        click.echo(f"{number:>3}/{len(order)} {kind:<6} {tally.seconds[-1]:5.1f} s, {tally.fences[-1]} fences"
                   + (f", {favoured} favoured" if favoured else ""))
    favour(lab, max(pairing.DELAYS, key=lambda name: pairing.DELAYS[name]))
    _finish(list(tallies.values()))


def _finish(tallies: list[Tally]) -> None:
    for tally in tallies:
        click.echo(tally.line())
    for line in [line for tally in tallies for line in (*tally.broken, *tally.unjudged)]:
        click.echo(line)
    if any(tally.broken for tally in tallies):
        sys.exit(1)
    if any(tally.unjudged for tally in tallies):
        sys.exit(2)


if __name__ == "__main__":
    main()
