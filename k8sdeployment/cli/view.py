"""A pair's state: what Pacemaker says now, joined with what the conductor saw last. Values in, values out.

The live view decides what it can tell (which sites are there, what runs where, whether anybody would act); the
conductor's adds the reasons, what the other site tells, and what must be remembered. `document` is the JSON that
programs read: its keys stay as they are, new ones may come.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Optional

from k8sdeployment.cli.live import Live, Work
from k8sdeployment.cli.snapshot import Snapshot, moment, word
from k8sdeployment.pair.status import Node, PairStatus

# Seconds after which the conductor's view is called old: it writes one every five.
OLD = 30.0
Truth = Optional[bool]


@dataclass(frozen=True)
class SiteView:
    """One site. `told`: the version its conductor tells; "" while it is away."""

    name: str
    state: str
    version: str = ""
    image: str = ""


@dataclass(frozen=True)
class WorkView:
    """One workload. `takeover`: whether `other` could take it now; None where that cannot be told."""

    name: str
    namespace: str = ""
    kind: str = ""
    site: str = ""
    since: Optional[datetime] = None
    reason: str = ""
    other: str = ""
    takeover: Truth = None
    lacking: str = ""
    resource: str = ""


@dataclass(frozen=True)
class Statement:
    """A condition of the pair: true, false, or None for unknown, with its sentence."""

    true: Truth = None
    message: str = ""
    since: Optional[datetime] = None


@dataclass(frozen=True)
class View:
    """Everything that `status` shows.

    `live`: Pacemaker answered. `age`: seconds since the conductor wrote; None for never.
    """

    now: datetime
    site: str
    live: bool
    trouble: str
    age: Optional[float]
    silent: str
    quorate: Truth
    sites: tuple[SiteView, ...]
    works: tuple[WorkView, ...]
    protection: Statement
    fencing: Statement
    proven: Mapping[str, datetime]
    sync: Statement
    degraded: Statement
    recovery: Mapping[str, Any] = field(default_factory=dict)
    drill: Mapping[str, Any] = field(default_factory=dict)
    drill_overdue: bool = False
    foreign: tuple[str, ...] = ()
    waiting: str = ""
    failures: tuple[str, ...] = ()

    def site_named(self, name: str) -> Optional[SiteView]:
        """One of the two; None when it has another name."""
        return next((site for site in self.sites if site.name == name), None)

    @property
    def old(self) -> bool:
        """The conductor does not answer."""
        return self.age is None or self.age > OLD


def join(live: Live, seen: Snapshot, now: float) -> View:
    """The two views as one; `now` in epoch seconds."""
    age = seen.age(now)
    return View(
        now=_at(now), site=seen.site, live=live.view is not None, trouble=live.trouble, age=age, silent=seen.trouble,
        quorate=live.view.quorate if live.view else None, sites=tuple(_sites(live, seen)),
        works=tuple(_works(live, seen)), protection=_protection(live, seen),
        fencing=_statement(seen, "FencingProven"), proven=_proofs(live, seen), sync=_statement(seen, "PeerInSync"),
        degraded=_statement(seen, "Degraded"), recovery=next(iter(seen.listed("recoveries")), {}),
        drill=_object(seen, "drill"), drill_overdue=seen.said.get("drillOverdue") is True,
        foreign=_foreign(seen), waiting=word(seen.said, "waitingFor"),
        failures=live.view.failures if live.view else (),
    )


def _object(seen: Snapshot, name: str) -> Mapping[str, Any]:
    found = seen.said.get(name)
    return found if isinstance(found, Mapping) else {}


def _foreign(seen: Snapshot) -> tuple[str, ...]:
    found = seen.said.get("foreign")
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def _at(epoch: float) -> datetime:
    return datetime.fromtimestamp(int(epoch), timezone.utc)


def _sites(live: Live, seen: Snapshot) -> Iterator[SiteView]:
    names = list(live.view.nodes) if live.view else [word(one, "name") for one in seen.listed("sites")]
    for name in names:
        before, told = seen.named("sites", name), live.told(name)
        state = state_of(live.view.nodes[name]) if live.view else word(before, "state") or "unknown"
        yield SiteView(name, state, told.version if told else word(before, "version"),
                       told.image if told else word(before, "image"))


def state_of(node: Node) -> str:
    """One word, as the status has it."""
    if not node.clean:
        return "unclean"
    if not node.online:
        return "offline"
    if node.pending:
        return "joining"
    if node.standby:
        return "standby"
    return "maintenance" if node.maintenance else "online"


def _works(live: Live, seen: Snapshot) -> Iterator[WorkView]:
    if live.view is None:
        for one in seen.listed("workloads"):
            yield _remembered(one, seen)
        return
    known = {work.name for work in live.works}
    for work in live.works:
        yield _running(work, live, live.view, seen)
    for one in seen.listed("workloads"):
        if word(one, "name") not in known:
            yield WorkView(word(one, "name"), reason=word(one, "reason") or "it is not in the configuration yet")


def _remembered(one: Mapping[str, Any], seen: Snapshot) -> WorkView:
    ready, lacking = _takeover(one)
    site = word(one, "site")
    others = [word(found, "name") for found in seen.listed("sites") if found.get("name") != site]
    return WorkView(word(one, "name"), site=site, since=moment(one.get("since")), reason=word(one, "reason"),
                    other=others[0] if site and len(others) == 1 else "", takeover=ready, lacking=lacking)


def _running(work: Work, live: Live, view: PairStatus, seen: Snapshot) -> WorkView:
    before, place = seen.named("workloads", work.name), view.where(work.resource)
    if not place:
        return WorkView(work.name, work.namespace, work.kind, reason=_why_nowhere(work, view, before),
                        resource=work.resource)
    since, same = live.since(work.resource, place), before.get("site") == place
    other = next((name for name in view.nodes if name != place), "")
    ready, lacking = _takeover(before) if same else (None, "")
    if other and (away := _away(view, other)):
        ready, lacking = False, away
    return WorkView(work.name, work.namespace, work.kind, place, _at(since) if since else None,
                    word(before, "reason") if same else "", other, ready, lacking, work.resource)


def _why_nowhere(work: Work, view: PairStatus, before: Mapping[str, Any]) -> str:
    lost = [name for name, node in view.nodes.items() if not node.clean]
    found = view.resources.get(work.resource)
    if found is None:
        return "the cluster does not know it yet"
    if not view.quorate:
        return "this site has no quorum, and starts nothing before it has seen the other one or `snopair confirm`"
    if lost and (found.role == "Stopped" or set(found.nodes) & set(lost)):
        return f"the cluster waits until {lost[0]}, which was lost, is fenced, or `snopair confirm {lost[0]}`"
    if len(found.nodes) > 1:
        return "the cluster found it on both sites and is stopping it"
    failed = [one for one in view.failures if one.startswith(f"{work.resource}_")]
    known = word(before, "reason") if before and not before.get("site") else ""
    return (failed or [known or f"it is {found.role.lower()}"])[0]


def _away(view: PairStatus, other: str) -> str:
    """Why a site could take nothing now, as far as Pacemaker alone can tell; "" when it could."""
    state = state_of(view.nodes[other])
    if state in ("offline", "unclean"):
        return f"{other} is away"
    if view.maintenance:
        return "the cluster is in maintenance mode"
    return "" if state == "online" else f"{other} is in {state}" if state != "joining" else f"{other} is joining"


def _takeover(one: Mapping[str, Any]) -> tuple[Truth, str]:
    found = one.get("takeover")
    if not isinstance(found, Mapping) or not isinstance(found.get("ready"), bool):
        return None, ""
    return found["ready"], word(found, "reason")


def _protection(live: Live, seen: Snapshot) -> Statement:
    why = word(seen.said, "maintenance")
    if live.view is None:
        return Statement(None, live.trouble)
    lock = live.lock()
    if live.view.maintenance:
        known = f"{lock.site} renews its peer" if lock and not lock.release else ""
        return Statement(False, why or known or "somebody set maintenance mode; `snopair maintenance off` ends it")
    if not live.view.dc:
        return Statement(False, "no site decides at the moment: an election is under way, or this site has no quorum")
    if not live.view.quorate:
        return Statement(False, "this site has no quorum: it waits for the other one, or for the arbitrator where there"
                                " is one")
    return Statement(True)


def _statement(seen: Snapshot, name: str) -> Statement:
    found = seen.named("conditions", name, "type")
    return Statement({"True": True, "False": False}.get(word(found, "status")), word(found, "message"),
                     moment(found.get("lastTransitionTime")))


def _proofs(live: Live, seen: Snapshot) -> Mapping[str, datetime]:
    """When each fence device of the other site last answered this one well."""
    known = live.view is not None and seen.site in live.view.nodes
    told = live.told(seen.site) if known else None
    return {name: _at(proof.when) for name, proof in told.proofs.items() if proof.good} if told else {}
