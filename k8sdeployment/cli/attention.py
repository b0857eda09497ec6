"""What of a pair's state somebody should look at, one sentence each, the worst first; and the verdict as exit code."""

from collections.abc import Iterator

from k8sdeployment.cli.codes import LOOK, OK, UNKNOWN
from k8sdeployment.cli.view import View


def verdict(view: View) -> int:
    """OK, LOOK, or UNKNOWN when neither Pacemaker nor the conductor ever said anything."""
    if not view.live and view.age is None:
        return UNKNOWN
    return LOOK if attention(view) else OK


def attention(view: View) -> list[str]:
    """Nothing when all is well."""
    found: dict[str, None] = dict.fromkeys(_sentences(view))
    # The conductor's own summary repeats most of this; what only it knows (a link that is down) is told too.
    if view.degraded.true:
        everything = " ".join(found)
        found |= dict.fromkeys(one for one in view.degraded.message.split("; ") if one and one not in everything)
    return list(found)


def _sentences(view: View) -> Iterator[str]:
    if not view.live:
        yield f"Pacemaker does not answer on this site ({view.trouble}): what follows is what the conductor saw last"
    if view.old:
        yield _silence(view)
    yield from _sites(view)
    if view.protection.true is False:
        yield f"nobody would take over now: {view.protection.message}"
    yield from (f"{work.name} runs nowhere: {work.reason}" for work in view.works if not work.site)
    yield from (f"{work.other or 'the other site'} could not take {work.name} now: {work.lacking}"
                for work in view.works if work.site and work.takeover is False)
    if view.fencing.true is False:
        yield f"fencing is not proven: {view.fencing.message}"
    if view.sync.true is False:
        yield f"the sites differ: {view.sync.message}"
    if view.waiting:
        yield f"the operator waits: {view.waiting}"
    yield from (f"Pacemaker remembers a failure: {one}" for one in view.failures)


def _silence(view: View) -> str:
    if view.age is None:
        return f"the conductor does not answer: {view.silent or 'its view has no time'}"
    return f"the conductor does not answer: its view is {view.age:.0f} s old"


def _sites(view: View) -> Iterator[str]:
    # A site that starts alone calls the other one unclean: it has never seen it, and may do nothing about it.
    unclean = "was lost and is not fenced yet" if view.quorate else "has not been seen since this site started"
    words = {"unclean": unclean, "offline": "is away", "standby": "is in standby: "
             "it takes nothing until `snopair return`", "joining": "is joining", "maintenance": "is in maintenance",
             "unknown": "is not known"}
    yield from (f"{site.name} {words[site.state]}" for site in view.sites if site.state in words)
