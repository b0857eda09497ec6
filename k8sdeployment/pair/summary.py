"""From what a conductor sees to the status that it writes. Pure: the clock is among what is seen."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Optional

from k8sdeployment import __version__
from k8sdeployment.pair import conditions, places
from k8sdeployment.pair.cib import Element
from k8sdeployment.pair.facts import Facts
from k8sdeployment.pair.fencing import shoots
from k8sdeployment.pair.model import SNOPair
from k8sdeployment.pair.report import Condition, Drill, Recovery, SiteSeen, Status
from k8sdeployment.pair.status import Node, PairStatus


@dataclass(frozen=True)
class Seen:
    """One look of a conductor at its cluster.

    `view` and `cib`: None when Pacemaker did not answer, `trouble` says why. `theirs`: what the other site tells; None
    while it is away. `links`: connected or not, by number. `heard`: whether the arbitrator answers; true of a pair
    that has none. `waits`: why the CR is not in force yet.
    """

    pair: SNOPair
    site: str
    now: datetime
    mine: Facts
    theirs: Optional[Facts] = None
    view: Optional[PairStatus] = None
    cib: Optional[Element] = None
    trouble: str = ""
    links: dict[int, bool] = field(default_factory=dict)
    heard: bool = True
    foreign: tuple[str, ...] = ()
    recoveries: tuple[Recovery, ...] = ()
    waits: str = ""
    maintenance: str = ""
    released: bool = False
    drill: Optional[Drill] = None

    @property
    def other(self) -> str:
        """The other site's name."""
        return self.pair.spec.other(self.site).name


def summary(seen: Seen, before: Status) -> Status:
    """The conductor's part of the status; conditions that did not change keep their times."""
    found = conditions.conditions(seen)
    protection, why = _protection(seen)
    return Status(
        site=seen.site, version=__version__, written=seen.now,
        conditions=tuple(_dated(one, before, seen) for one in found),
        workloads=tuple(places.workloads(seen)),
        recoveries=seen.recoveries,
        protection=protection, maintenance=why, released=seen.released,
        drill=seen.drill, drill_overdue=_overdue(seen), foreign=seen.foreign[:32], sites=tuple(_sites(seen)),
    )


def _overdue(seen: Seen) -> bool:
    """Whether nobody has seen for too long that this site can fence the other one, where anything fences at all."""
    spec = seen.pair.spec
    if not shoots(spec):
        return False
    age = timedelta(milliseconds=spec.fencing.drill_every)
    return seen.drill is None or not seen.drill.good or seen.now - seen.drill.ended > age


def _dated(found: conditions.Found, before: Status, seen: Seen) -> Condition:
    old = next((one for one in before.conditions if one.type == found.type and one.status == found.status), None)
    return Condition(type=found.type, status=found.status, reason=found.reason, message=found.message,
                     last_transition_time=old.last_transition_time if old else seen.now,
                     observed_generation=seen.mine.generation)


def _protection(seen: Seen) -> tuple[conditions.Protection, str]:
    """Whether Pacemaker would take over now, and else why not."""
    if seen.view is None:
        return "off", seen.trouble
    if seen.view.maintenance:
        return "off", seen.maintenance or "somebody set maintenance mode; `snopair maintenance off` ends it"
    if not seen.view.quorate:
        return "off", "this site has no quorum"
    return "on", ""


def _sites(seen: Seen) -> Iterator[SiteSeen]:
    for site in seen.pair.spec.sites:
        told = seen.mine if site.name == seen.site else seen.theirs
        node = seen.view.nodes.get(site.name) if seen.view else None
        state = site_state(node) if seen.view else "offline"
        yield SiteSeen(name=site.name, state=state, version=told.version if told else "",
                       image=told.image if told else "")


def site_state(node: Optional[Node]) -> conditions.State:
    """One word for what the cluster says of a site."""
    if node is None:
        return "offline"
    if not node.clean:
        return "unclean"
    if not node.online:
        return "offline"
    if node.pending:
        return "joining"
    if node.standby:
        return "standby"
    return "maintenance" if node.maintenance else "online"
