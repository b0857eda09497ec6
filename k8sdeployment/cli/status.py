"""`snopair status`: the pair at a glance."""

import json
from typing import Literal

import click

from k8sdeployment.cli import live, snapshot
from k8sdeployment.cli.attention import verdict
from k8sdeployment.cli.codes import CannotTell
from k8sdeployment.cli.document import document
from k8sdeployment.cli.verb import PairVerb, world_of
from k8sdeployment.cli.view import View, join
from k8sdeployment.cli.world import World

Form = Literal["text", "json"]


def look(world: World) -> View:
    """The pair as it is now."""
    return join(live.ask(world), snapshot.read(world.snapshot), world.clock())


@click.command("status", cls=PairVerb, short_help="The pair at a glance.")
@click.option("--watch", "-w", is_flag=True, help="Show it again and again until interrupted; JSON: one line each.")
@click.option("--every", metavar="SECONDS", type=click.FloatRange(min=0.5), default=2.0, show_default=True,
              help="How often --watch looks.")
@click.pass_context
def status_verb(context: click.Context, watch: bool, every: float, output: Form) -> int:
    """Where each workload runs, whether the other site could take it now, and what to look at.

    Exit code 0: all is well; 1: there is something to look at.
    """
    world = world_of(context)
    if watch:
        _watch(world, every, output)
    view = look(world)
    if not view.live and view.age is None:
        raise CannotTell(f"nothing is known of this pair: Pacemaker does not answer here ({view.trouble}), and "
                         f"{view.silent}")
    if output == "json":
        click.echo(json.dumps(document(view), ensure_ascii=False))
    else:
        from k8sdeployment.cli import screen
        screen.console().print(screen.status(view))
    return verdict(view)


def _watch(world: World, every: float, output: Form) -> None:
    """Until somebody interrupts it."""
    if output == "json":
        while True:
            click.echo(json.dumps(document(look(world)), ensure_ascii=False))
            world.wait(every)
    from rich.live import Live

    from k8sdeployment.cli import screen
    with Live(screen.status(look(world)), console=screen.console(), auto_refresh=False, screen=False) as shown:
        while True:
            world.wait(every)
            shown.update(screen.status(look(world)), refresh=True)
