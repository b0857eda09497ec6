"""`snopair history`: the last failovers and what each second of them went for."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import click

from k8sdeployment.cli import snapshot
from k8sdeployment.cli.codes import CannotTell
from k8sdeployment.cli.verb import PairVerb, world_of

HEADS = ("DETECTED", "WORKLOAD", "FROM", "TO", "FENCED BY", "FENCED", "STARTED", "AVAILABLE")


@click.command("history", cls=PairVerb, short_help="The last failovers.")
@click.pass_context
def history_verb(context: click.Context, output: Literal["text", "json"]) -> int:
    """The last failovers, newest first; seconds since the loss was detected.

    Each site keeps its own record of those that it saw.
    """
    seen = snapshot.read(world_of(context).snapshot)
    if not seen.said:
        raise CannotTell(f"no history can be told: {seen.trouble}")
    found = seen.listed("recoveries")
    if output == "json":
        click.echo(json.dumps({"site": seen.site, "recoveries": found}, ensure_ascii=False))
    elif not found:
        click.echo(f"{seen.site} has no failover on record.")
    else:
        _show(found)
    return 0


def _show(found: list[Mapping[str, Any]]) -> None:
    from rich.table import Table

    from k8sdeployment.cli.screen import DIM, console
    table = Table(box=None, pad_edge=False, header_style=DIM)
    for head in HEADS:
        table.add_column(head, justify="right" if head in HEADS[5:] else "left")
    for one in found:
        table.add_row(*_cells(one))
    console().print(table)


def _cells(one: Mapping[str, Any]) -> Iterator[str]:
    when = snapshot.moment(one.get("detected"))
    yield f"{when:%Y-%m-%d %H:%M:%S}Z" if when else "?"
    yield from (str(one.get(name) or "") for name in ("workload", "origin", "target"))
    yield str(one.get("fencedBy") or "nothing")
    for name in ("fencedSeconds", "startedSeconds", "availableSeconds"):
        value = one.get(name)
        yield f"{value:.1f} s" if isinstance(value, (int, float)) else "-"
