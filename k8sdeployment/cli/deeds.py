"""What `snopair` does to a pair, through Pacemaker's own programs, and how it waits until that is done."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from k8sdeployment.cli import live
from k8sdeployment.cli.codes import SnopairError, TooLate
from k8sdeployment.cli.live import Live, Work
from k8sdeployment.cli.view import state_of
from k8sdeployment.cli.world import ProgramError, World
from k8sdeployment.pair.cib import section

Say = Callable[[str], None]
# Seconds between two looks, and for a change to the configuration.
PAUSE, CHANGE = 1.0, 30.0
# Seconds that pcs works before and after it waits: it has the scheduler try the move out, three times.
TRIES = 60.0


@dataclass(frozen=True)
class Patience:
    """How a deed waits: `seconds` at most, and whom it tells what goes on."""

    world: World
    seconds: float
    say: Say

    def until(self, lacking: Callable[[Live], str], what: str) -> float:
        """Wait until nothing is lacking; the seconds that it took. TooLate with what is lacking still."""
        begin, told = self.world.monotonic(), ""
        while True:
            found = live.ask(self.world)
            now = lacking(found) if found.view is not None else f"Pacemaker does not answer: {found.trouble}"
            passed = self.world.monotonic() - begin
            if not now:
                return passed
            if passed > self.seconds:
                raise TooLate(f"{what} was begun and is not done after {self.seconds:.0f} s: {now}")
            if now != told:
                self.say(f"{passed:5.1f} s  {now}")
                told = now
            self.world.wait(PAUSE)


def move(work: Work, source: str, target: str, patience: Patience) -> float:
    """Move a workload; no constraint of this move stays behind, however it ends. Seconds until it runs there."""
    world = patience.world
    begin = world.monotonic()
    before = _constraints(live.insist(world), work)
    patience.say(f"  0.0 s  {work.name} leaves {source} for {target}")
    try:
        world.run(("pcs", "resource", "move", work.resource, target, f"--wait={int(patience.seconds)}"),
                  patience.seconds + TRIES, None)
    except ProgramError as error:
        raise _not_moved(work, target, patience, error) from error
    finally:
        _tidy(work, before, world)
    patience.until(lambda found: elsewhere(found, work, target), f"the move of {work.name}")
    return world.monotonic() - begin


def _not_moved(work: Work, target: str, patience: Patience, error: ProgramError) -> SnopairError:
    if error.status is None or "timeout" in str(error).lower():
        return TooLate(f"the move of {work.name} to {target} was begun and is not done after {patience.seconds:.0f} s")
    return SnopairError(f"{work.name} was not moved: {error}")


def _constraints(found: Live, work: Work) -> set[str]:
    """Those of a workload that `move` and `ban` leave behind, by Pacemaker's own naming."""
    names = (str(one.get("id")) for one in section(found.cib, "constraints")) if found.cib is not None else ()
    return {name for name in names if name.startswith((f"cli-prefer-{work.resource}", f"cli-ban-{work.resource}-on-"))}


def _tidy(work: Work, before: set[str], world: World) -> None:
    """Take away what a move that was cut short left. A person's own constraint of that form stays."""
    found = live.ask(world)
    for name in sorted(_constraints(found, work) - before):
        world.run(without(name), CHANGE, None)


def without(constraint: str) -> tuple[str, ...]:
    """The command that takes one location constraint out of the configuration."""
    return "cibadmin", "--delete", "--xml-text", f'<rsc_location id="{constraint}"/>'


def elsewhere(found: Live, work: Work, target: str) -> str:
    """What a workload lacks to run on the target; "" when it does."""
    assert found.view is not None
    if found.view.where(work.resource) == target:
        return ""
    seen = found.view.resources.get(work.resource)
    failed = [one for one in found.view.failures if one.startswith(f"{work.resource}_")]
    state = f"{work.name} is {seen.role.lower()}{' on ' + ', '.join(seen.nodes) if seen.nodes else ''}" if seen else (
        f"{work.name} is not known to the cluster")
    return f"{state} ({failed[0]})" if failed else state


# -- sites ---------------------------------------------------------------------------------------------------------

def evict(site: str, refuge: str, works: list[Work], patience: Patience) -> float:
    """Take everything from a site. `works`: those that the other one shall run; empty when it cannot."""
    patience.world.run(("crm_attribute", "--node", site, "--name", "standby", "--update", "on"), CHANGE, None)
    return patience.until(lambda found: _evicted(found, site, refuge, works), f"the eviction of {site}")


def _evicted(found: Live, site: str, refuge: str, works: list[Work]) -> str:
    assert found.view is not None
    if site in found.view.nodes and not found.view.nodes[site].standby:
        return f"{site} is {state_of(found.view.nodes[site])}"
    for work in found.works:
        seen = found.view.resources.get(work.resource)
        if seen is not None and site in seen.nodes:
            return f"{work.name} is {seen.role.lower()} on {site}"
    return next((lack for work in works if (lack := elsewhere(found, work, refuge))), "")


def give_back(site: str, patience: Patience) -> float:
    """Let a site run workloads again."""
    patience.world.run(("crm_attribute", "--node", site, "--name", "standby", "--delete"), CHANGE, None)
    return patience.until(lambda found: not_yet(found, site, "online"), f"the return of {site}")


# What gives a lone site quorum back. It has not seen the other one since it started (votequorum(5), wait_for_all), and
# is told not to wait for it.
_ALONE = (("corosync-cmapctl", "-s", "quorum.cancel_wait_for_all", "u8", "1"),)
# With an arbitrator: that votes for it no more than the other one, and it is told to expect its own vote alone. For
# Corosync counts the arbitrator in while that has a vote; libexec/qdevice gives it back when the sites see each other.
_UNHEARD = (("corosync-cmapctl", "-s", "quorum.device.votes", "u32", "0"), ("corosync-quorumtool", "-e", "1"))
# And back: three votes are expected, of which the arbitrator has one.
_HEARD = (("corosync-cmapctl", "-s", "quorum.device.votes", "u32", "1"), ("corosync-quorumtool", "-e", "3"))
_DEVICE = ("corosync-cmapctl", "-g", "quorum.device.model")


def confirm(site: str, insist: Callable[[], object], patience: Patience) -> float:
    """Have a lost site count as off, by a person's word. `insist`: raises Refusal where it is seen alive.

    Pacemaker takes the word of a member that is there as well, and then its workloads run on with nobody to stop them:
    so all is looked at again directly before. A lone site gets quorum after that and not before: with quorum it fences
    what it has lost, which switches a site on that somebody has switched off, and until a dead device has failed
    nothing starts. That quorum is its own until Corosync starts anew.
    """
    world = patience.world
    begin = world.monotonic()
    # The word is kept by the controller in charge alone. One that starts alone waits 20 s for others (dc-deadtime).
    patience.until(lambda now: "" if now.view and now.view.dc else "waiting for Pacemaker to put a site in charge",
                   f"taking {site} for off")
    insist()
    found = live.insist(world)
    lone = found.view is not None and not found.view.quorate
    with ExitStack() as stack:
        if not not_yet(found, site, "unclean"):
            if lone:
                stack.callback(_take_back, site, world)
            world.run(("stonith_admin", "--confirm", site), CHANGE, None)
        elif state := not_yet(found, site, "offline"):
            raise SnopairError(f"{state}: it came back meanwhile, and nothing was confirmed")
        patience.until(lambda now: not_yet(now, site, "offline"), f"taking {site} for off")
        if lone:
            _go_alone(patience, stack)
        stack.pop_all()
    return world.monotonic() - begin


def _take_back(site: str, world: World) -> None:
    """A site that Pacemaker has no state of counts as never seen, hence as unclean. One that came back has joined."""
    with suppress(ProgramError):
        world.run(("cibadmin", "--delete", "--xpath", f"//node_state[@uname='{site}'][@join='down']"), CHANGE, None)


def _go_alone(patience: Patience, undo: ExitStack) -> None:
    """Have a site that lacks quorum get it; `undo` is left with what takes it back, where it can be taken back.

    Which votes there are Corosync tells: the CR may be on its way to others.
    """
    world = patience.world
    try:
        world.run(_DEVICE, CHANGE, None)
        arbitrated = True
        undo.callback(_ask_again, world)
    except ProgramError:  # there is no such key
        arbitrated = False
    for argv in _UNHEARD if arbitrated else _ALONE:
        world.run(argv, CHANGE, None)
    patience.until(lambda now: "" if now.view and now.view.quorate and now.view.dc else "waiting for quorum",
                   "the way back to quorum")


def _ask_again(world: World) -> None:
    """What failed is told; that this fails, too, tells nothing more."""
    for argv in _HEARD:
        with suppress(ProgramError):
            world.run(argv, CHANGE, None)


def not_yet(found: Live, site: str, wanted: str) -> str:
    """Which state a site is in instead of the wanted one; "" when it is in that."""
    assert found.view is not None
    state = state_of(found.view.nodes[site])
    return "" if state == wanted else f"{site} is {state}"


def maintain(on: bool, patience: Patience) -> float:
    """Set or end the cluster's maintenance mode."""
    patience.world.run(("crm_attribute", "--type", "crm_config", "--name", "maintenance-mode",
                        "--update", "true" if on else "false"), CHANGE, None)

    def lacking(found: Live) -> str:
        assert found.view is not None
        return "" if found.view.maintenance is on else f"maintenance is {'off' if on else 'on'} still"
    return patience.until(lacking, f"maintenance {'on' if on else 'off'}")
