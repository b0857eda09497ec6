"""The verbs that change a pair: move, evict, return, maintenance."""

import json
from collections.abc import Callable
from typing import Any, Literal, Optional

import click

from k8sdeployment.cli import deeds, live, names, refusals, snapshot
from k8sdeployment.cli.live import Live, Work
from k8sdeployment.cli.verb import PairVerb, world_of
from k8sdeployment.cli.view import View, join, state_of

Form = Literal["text", "json"]
Params = dict[str, Any]
# Seconds for the conductor to judge what has just been started: it looks every five.
JUDGED = 15.0

timeout_option = click.option("--timeout", metavar="SECONDS", type=click.IntRange(min=1), default=300,
                              show_default=True, help="How long to wait until it is done.")
force_option = click.option("--force", is_flag=True, help="Do it although the refusal's consequence may come true.")


class Deed:
    """One call of a verb: what it saw, how it tells."""

    def __init__(self, context: click.Context, output: Form, timeout: int) -> None:
        self.world, self._output = world_of(context), output
        self.patience = deeds.Patience(self.world, timeout, self.say)
        self.live: Live
        self.view: View
        self.look()

    def look(self) -> None:
        """See the pair as it is now."""
        self.live = live.insist(self.world)
        self.view = join(self.live, snapshot.read(self.world.snapshot), self.world.clock())

    def judged(self, *works: Work) -> None:
        """Look until the conductor has judged whether each could be taken over: it needs seconds after a start."""
        wanted, begin = {work.resource for work in works}, self.world.monotonic()
        while self.world.monotonic() - begin < JUDGED and not self.view.old and any(
                one.resource in wanted and one.site and one.takeover is None for one in self.view.works):
            self.world.wait(deeds.PAUSE)
            self.look()

    def say(self, line: str) -> None:
        """What goes on: on stderr, so that stdout holds the result alone."""
        click.echo(line, err=True)

    def done(self, sentence: str, **facts: Any) -> int:
        """The result."""
        click.echo(json.dumps({"done": True, "message": sentence, **facts}, ensure_ascii=False)
                   if self._output == "json" else sentence)
        return 0

    def weigh(self, what: str, objections: list[refusals.Objection], force: bool) -> bool:
        """Refusal, or whether it was forced; forced consequences are told again."""
        accepted = refusals.insist(what, objections, force)
        for one in accepted:
            self.say(f"forced: {one}")
        return bool(accepted)


@click.command("move", cls=PairVerb, short_help="Move a workload to a site.")
@click.argument("workload", shell_complete=names.workloads)
@click.argument("site", required=False, shell_complete=names.sites)
@timeout_option
@force_option
@click.pass_context
def move_verb(context: click.Context, workload: str, site: Optional[str], timeout: int, force: bool,
              output: Form) -> int:
    """Move WORKLOAD to SITE, or to the other site; its service is away for a moment.

    It stays there: no constraint is left behind. WORKLOAD is a name, or namespace/name.
    """
    deed = Deed(context, output, timeout)
    work = refusals.workload(deed.live, workload)
    assert deed.live.view is not None
    source = deed.live.view.where(work.resource) or ""
    target = refusals.site(deed.view, site) if site else refusals.other(deed.view, source)
    if source and source == target:
        return deed.done(f"{work.name} runs on {target} already", workload=work.name, site=target, seconds=0.0)
    deed.judged(work)
    objections = list(refusals.to_move(deed.view, deed.live, work, target))
    deed.weigh(f"moving {work.name} to {target}", objections, force)
    seconds = deeds.move(work, source, target, deed.patience)
    return deed.done(f"{work.name} runs on {target} ({seconds:.1f} s)", workload=work.name, site=target,
                     origin=source, seconds=round(seconds, 1))


@click.command("evict", cls=PairVerb, short_help="Empty a site, and keep it so.")
@click.argument("site", shell_complete=names.sites)
@timeout_option
@force_option
@click.pass_context
def evict_verb(context: click.Context, site: str, timeout: int, force: bool, output: Form) -> int:
    """Move everything away from SITE and keep it empty, across boots, until `snopair return`.

    For work on the site: it stays a member, and is not fenced for being empty.
    """
    deed = Deed(context, output, timeout)
    name = refusals.site(deed.view, site)
    assert deed.live.view is not None
    if deed.live.view.nodes[name].standby:
        return deed.done(f"{name} is in standby already", site=name, seconds=0.0)
    refuge = refusals.other(deed.view, name)
    deed.judged(*deed.live.works)
    forced = deed.weigh(f"evicting {name}", list(refusals.to_evict(deed.view, deed.live, name)), force)
    leaving = [work for work in deed.live.works if deed.live.view.where(work.resource) == name]
    seconds = deeds.evict(name, refuge, [] if forced else leaving, deed.patience)
    moved = ", ".join(work.name for work in leaving) or "nothing ran there"
    return deed.done(f"{name} is empty and stays so until `snopair return {name}` ({moved}; {seconds:.1f} s)",
                     site=name, workloads=[work.name for work in leaving], seconds=round(seconds, 1))


@click.command("return", cls=PairVerb, short_help="Let a site run workloads again.")
@click.argument("site", shell_complete=names.sites)
@timeout_option
@click.pass_context
def return_verb(context: click.Context, site: str, timeout: int, output: Form) -> int:
    """Let SITE run workloads again. Those that fail back automatically move to it."""
    deed = Deed(context, output, timeout)
    name = refusals.site(deed.view, site)
    assert deed.live.view is not None
    node = deed.live.view.nodes[name]
    if not node.standby:
        return deed.done(f"{name} was not evicted: it is {state_of(node)}", site=name, seconds=0.0)
    deed.weigh(f"the return of {name}", list(refusals.to_return(deed.view, deed.live)), False)
    seconds = deeds.give_back(name, deed.patience)
    return deed.done(f"{name} takes workloads again ({seconds:.1f} s)", site=name, seconds=round(seconds, 1))


@click.command("maintenance", cls=PairVerb, short_help="Leave all workloads alone, or no longer.")
@click.argument("state", type=click.Choice(["on", "off"]))
@timeout_option
@force_option
@click.pass_context
def maintenance_verb(context: click.Context, state: str, timeout: int, force: bool, output: Form) -> int:
    """on: Pacemaker leaves every workload alone, and nobody takes over. off: it acts again."""
    deed, on = Deed(context, output, timeout), state == "on"
    assert deed.live.view is not None
    sentence = ("maintenance is on: workloads go on as they are, and nobody takes over" if on
                else "maintenance is off: a lost site is taken over again")
    if deed.live.view.maintenance is on:
        return deed.done(f"{sentence} (it was so already)", maintenance=on, seconds=0.0)
    against: Callable[..., Any] = refusals.to_maintain if on else refusals.to_resume
    deed.weigh(f"maintenance {state}", list(against(deed.live, deed.view)), force)
    seconds = deeds.maintain(on, deed.patience)
    return deed.done(f"{sentence} ({seconds:.1f} s)", maintenance=on, seconds=round(seconds, 1))
