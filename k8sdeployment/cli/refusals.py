"""What speaks against a deed. Pure: a pair's state in, objections out.

**No deed of `snopair` may lead to a second copy, a fence or a loss of service that the person did not ask for.** An
objection that `--force` can overrule says what would then happen; one without a consequence cannot be overruled, for
the cluster would not, or could not, do it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from k8sdeployment.cli.codes import CallError, Refusal
from k8sdeployment.cli.live import Live, Work
from k8sdeployment.cli.view import View, WorkView
from k8sdeployment.pair.cib import devices

if TYPE_CHECKING:
    from k8sdeployment.pair.model import Spec


@dataclass(frozen=True)
class Objection:
    """Why not, and what `--force` would mean; no consequence where it cannot be forced."""

    reason: str
    consequence: str = ""


def insist(what: str, objections: Sequence[Objection], force: bool) -> list[str]:
    """The consequences that were accepted. Refusal when something speaks against it that is not overruled."""
    hard = [one.reason for one in objections if not one.consequence]
    if hard:
        raise Refusal(what, list(dict.fromkeys(hard)))
    consequences = list(dict.fromkeys(one.consequence for one in objections))
    if objections and not force:
        raise Refusal(what, list(dict.fromkeys(one.reason for one in objections)), "; ".join(consequences))
    return consequences


# -- names ---------------------------------------------------------------------------------------------------------

def workload(live: Live, text: str) -> Work:
    """The workload of that name, with or without its namespace. CallError names those that there are."""
    found = [work for work in live.works if text in (work.name, work.whole_name)]
    if not found:
        known = ", ".join(work.whole_name for work in live.works) or "none"
        raise CallError(f"there is no workload {text} in this pair; it has {known}")
    return found[0]


def site(view: View, text: str) -> str:
    """The site of that name. CallError names those that there are."""
    names = [one.name for one in view.sites]
    if text not in names:
        raise CallError(f"there is no site {text} in this pair; its sites are {' and '.join(names)}")
    return text


def other(view: View, name: str) -> str:
    """The site that is not `name`; "" while the cluster knows one alone."""
    return next((one.name for one in view.sites if one.name != name), "")


# -- objections ----------------------------------------------------------------------------------------------------

def to_move(view: View, live: Live, work: Work, target: str) -> Iterator[Objection]:
    """Moving a workload to a site."""
    yield from _nobody_acts(view, live)
    seen = _seen(view, work)
    state = _state(view, target)
    if not seen.site:
        yield Objection(f"{work.name} runs nowhere ({seen.reason}), so there is nothing to move")
    elif state != "online":
        yield Objection(f"{target} is {state} and takes nothing")
    elif work.prefers == seen.site and work.preference > work.stay:
        yield Objection(f"{work.name} prefers {seen.site} and goes back by itself (failback Automatic): set failback "
                        f"to Manual, or preferredSite to {target}, or evict {seen.site}")
    else:
        yield from _not_ready(seen, target)


def to_evict(view: View, live: Live, name: str) -> Iterator[Objection]:
    """Taking everything from a site."""
    yield from _nobody_acts(view, live)
    refuge = other(view, name)
    state = _state(view, refuge) if refuge else "not a member of the pair yet"
    for work in live.works:
        seen = _seen(view, work)
        if seen.site != name:
            continue
        if state != "online":
            yield Objection(f"{refuge or 'the other site'} is {state} and takes nothing",
                            f"{work.name} stops, and runs nowhere until a site takes it again")
        else:
            yield from _not_ready(seen, refuge)
    if state == "standby" and not any(_seen(view, work).site == name for work in live.works):
        yield Objection(f"{refuge} is in standby already", "no site is left that runs anything")


def to_return(view: View, live: Live) -> Iterator[Objection]:
    """Letting a site run workloads again."""
    yield from _nobody_decides(live)


def to_maintain(live: Live, view: View) -> Iterator[Objection]:
    """Telling the cluster to leave everything alone."""
    yield from _nobody_decides(live)
    lock = live.lock()
    if lock is not None and not lock.release:
        yield Objection(f"{lock.site} renews its peer, and ends maintenance when it is done: wait for that, then do it")
    yield from (Objection(f"{one.name} was lost and is not fenced yet",
                          "it is not fenced, and what ran there stays down until maintenance ends")
                for one in view.sites if one.state == "unclean")


def to_resume(live: Live, view: View) -> Iterator[Objection]:
    """Letting the cluster act again."""
    yield from _nobody_decides(live)
    lock = live.lock()
    if lock is not None:
        doing = "its SNOPair is being deleted" if lock.release else "renews its peer"
        yield Objection(f"{lock.site} {doing} under this maintenance",
                        f"{lock.site} is fenced if its peer is away at that moment")
    yield from (Objection(f"{one.name} left without a word and is not fenced",
                          f"{one.name} is fenced at once, and what ran there starts on the other site")
                for one in view.sites if one.state == "unclean")


def to_confirm(view: View, name: str) -> Iterator[Objection]:
    """Saying that a site is off."""
    state = _state(view, name)
    if name == view.site:
        yield Objection(f"this is {name}: it is asked on the other site, about the one that is gone")
    elif state not in ("offline", "unclean"):
        yield Objection(f"{name} is {state}: it is alive")


def to_drill(view: View, live: Live, name: str, works: Optional[Sequence[Work]], spec: "Spec") -> Iterator[Objection]:
    """Fencing the other site on purpose. `works`: what shall be taken over from it; None when nothing shall."""
    from k8sdeployment.pair.fencing import shoots
    yield from _nobody_acts(view, live)
    if live.lock() is not None:
        yield Objection("a peer is being renewed or taken away: wait for that")
    if not shoots(spec):
        yield Objection("nothing is fenced by itself in this pair, so there is nothing to rehearse")
    if name == view.site:
        yield Objection(f"this is {name}: call it on the other site, which would take over")
    elif _state(view, name) != "online":
        yield Objection(f"{name} is {_state(view, name)}: only a site that is online can be seen to go and to return")
    if works is None:
        yield from (Objection(f"{work.name} runs on {name}: --takeover takes it over, with the service away meanwhile")
                    for work in live.works if _seen(view, work).site == name)
    yield from _unsettled(view, live, name)
    for work in works or ():
        yield from _not_ready(_seen(view, work), view.site)


def _unsettled(view: View, live: Live, name: str) -> Iterator[Objection]:
    """What else the site has: a workload under way, or a resource of a person's, which nobody here can judge."""
    if live.view is None or live.cib is None:
        return
    known = {work.resource: work.name for work in live.works}
    for found in live.view.resources.values():
        if name not in found.nodes or found.name in devices(live.cib):
            continue
        if found.name not in known:
            yield Objection(f"{found.name}, which is not the pair's, runs on {name}")
        elif live.view.where(found.name) is None:
            yield Objection(f"{known[found.name]} is {found.role.lower()} on {name}: wait until it is settled")


def _nobody_decides(live: Live) -> Iterator[Objection]:
    if live.view is None or not live.view.dc:
        yield Objection("no site decides at the moment: this one has no quorum, or an election is under way")
    elif not live.view.quorate:
        yield Objection("this site has no quorum: it has not seen the other one since it started")


def _nobody_acts(view: View, live: Live) -> Iterator[Objection]:
    yield from _nobody_decides(live)
    if live.view is not None and live.view.maintenance:
        yield Objection(f"the cluster is in maintenance mode and moves nothing: {view.protection.message}")


def _not_ready(seen: WorkView, target: str) -> Iterator[Objection]:
    if seen.takeover is True:
        return
    why = f"{target} could not take {seen.name} now: {seen.lacking}" if seen.takeover is False else (
        f"whether {target} could take {seen.name} now is not known: the conductor has not judged it")
    yield Objection(why, f"{seen.name} stops on {seen.site} and may not start on {target}")


def _seen(view: View, work: Work) -> WorkView:
    found: Optional[WorkView] = next((one for one in view.works if one.resource == work.resource), None)
    return found or WorkView(work.name, reason="the cluster does not know it yet")


def _state(view: View, name: str) -> str:
    found = view.site_named(name)
    return found.state if found else "unknown"
