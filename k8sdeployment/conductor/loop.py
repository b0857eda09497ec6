"""The conductor: look at the CR and the cluster, bring the one into the other, and write down what is seen.

Every look starts anew from what the API, Pacemaker and the disk say, so that a conductor that is killed at any moment
is simply started again. Nothing here decides: the decisions are in `k8sdeployment.pair`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Optional

from k8sdeployment import __version__
from k8sdeployment.conductor.alerts import Alerts
from k8sdeployment.conductor.api import AgentError, NotFound, SiteApi
from k8sdeployment.conductor.cluster import Cluster, ClusterError
from k8sdeployment.conductor.conduct import EDITION, Conduct, Conducted
from k8sdeployment.conductor.pill import armed
from k8sdeployment.conductor.proof import Prover
from k8sdeployment.conductor.renew import Renewal
from k8sdeployment.conductor.store import Store
from k8sdeployment.pair import facts, pacemaker, recovery
from k8sdeployment.pair.cib import Element, attribute
from k8sdeployment.pair.cr import PairError, load
from k8sdeployment.pair.facts import Facts, Told
from k8sdeployment.pair.happenings import Happening, happenings
from k8sdeployment.pair.model import SNOPair
from k8sdeployment.pair.report import Recovery, Status
from k8sdeployment.pair.roll import Next, Step
from k8sdeployment.pair.status import PairStatus
from k8sdeployment.pair.summary import Seen, summary

# Seconds between two looks when nothing happens; what Pacemaker's alerts tell is looked at within half a second.
PERIOD, GLANCE = 5.0, 0.5
# Seconds after which the operator's word on a workload is too old.
UNCHECKED = 180
# Seconds between two writes of an unchanged status: etcd need not hear that nothing happened every time.
REFRESH = 60.0
Say = Callable[[str], None]


@dataclass
class Parts:
    """Everything a conductor works with."""

    node: str
    cluster: Cluster
    api: SiteApi
    store: Store
    alerts: Alerts
    prover: Prover
    renewal: Callable[[str], Renewal]
    say: Say


class Conductor:
    """One site's. `status`: what it saw last."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.status = Status()
        self._conduct = Conduct(parts.cluster)
        self._renewal: Optional[Renewal] = None
        self._document: dict[str, Any] = {}
        self._told = ""
        self._written = float("-inf")
        self._api_up = False
        self._said: set[str] = set()
        self._up: dict[int, bool] = {}

    def run(self, over: Callable[[float], bool]) -> None:
        """Look again and again until `over`, which waits so many seconds for the end and tells whether it came."""
        while True:
            began = time.monotonic()
            self.look()
            while time.monotonic() - began < PERIOD:
                if over(GLANCE):
                    return
                if self.parts.alerts.changed():
                    break

    def look(self) -> None:
        """One look. Whatever goes wrong is said once, and tried again at the next one."""
        try:
            pair = self._read()
            if pair is not None:
                self._follow(pair)
        except (ClusterError, AgentError, PairError, OSError) as error:
            self._once(str(error))

    # -- the CR -----------------------------------------------------------------------------------------------------

    def _read(self) -> Optional[SNOPair]:
        """The CR from the API, else as it was last known."""
        try:
            document = self.parts.api.pair()
            self._api_up = True
            self._keep(document)
        except NotFound:
            self._api_up = True
            self._once("there is no SNOPair in this namespace any more; the cluster is left as it is")
        except AgentError as error:
            self._api_up = False
            self._once(f"the API is away, going on with the CR as it was last seen: {error}")
        self._document = self._document or self.parts.store.pair() or {}
        return load(self._document) if self._document else None

    def _keep(self, document: dict[str, Any]) -> None:
        self._document = document
        try:
            self.parts.store.keep_pair(document)
        except OSError as error:
            self._once(f"the CR cannot be kept on disk: {error.strerror}")

    @property
    def _leaving(self) -> bool:
        return bool(self._document.get("metadata", {}).get("deletionTimestamp"))

    # -- the cluster ------------------------------------------------------------------------------------------------

    def _follow(self, pair: SNOPair) -> None:
        site = next((one.name for one in pair.spec.sites if one.node_name == self.parts.node), "")
        if not site:
            self._once(f"no site of the SNOPair has the nodeName {self.parts.node!r} of this node")
            return
        self.parts.prover.look(pair, site)
        seen = Seen(pair=pair, site=site, now=datetime.now(timezone.utc), mine=self._facts(pair),
                    recoveries=self.parts.store.recoveries(), drill=self.parts.store.drill())
        try:
            view, cib = self.parts.cluster.view(), self.parts.cluster.cib()
            seen = self._observed(seen, view, cib)
        except ClusterError as error:
            self._once(str(error))
            self._tell(replace(seen, trouble=str(error)))
            return
        try:
            seen = self._act(seen, view, cib)
        except (ClusterError, AgentError) as error:
            self._once(str(error))
            seen = replace(seen, waits=str(error))
        self._tell(seen)

    def _observed(self, seen: Seen, view: PairStatus, cib: Element) -> Seen:
        """What the cluster shows; and this site's own word to the other one."""
        self._publish(seen.mine)
        theirs = facts.decode(attribute(cib, seen.other, facts.ATTRIBUTE) or "")
        return replace(seen, view=view, cib=cib, theirs=theirs, links=self._links(),
                       heard=self.parts.cluster.heard(seen.pair), recoveries=self._recoveries(seen))

    def _act(self, seen: Seen, view: PairStatus, cib: Element) -> Seen:
        """Do what is due."""
        for name in self.parts.cluster.disarm(cib):
            self.parts.say(f"{name} is in the configuration no more: it fences nothing from here any longer")
        renewed = self._renew(seen, view, cib)
        seen = replace(seen, maintenance=renewed.why, released=renewed.released)
        if renewed.step is not Step.NOTHING:
            return seen
        done = self._conducted(seen, view, cib)
        # What a renewal waits for is no maintenance yet; it is told as what holds things up.
        waits = done.waits or ("" if view.maintenance else renewed.why)
        strange = self.status.foreign if done.foreign is None else done.foreign
        return replace(seen, waits=waits, foreign=strange)

    def _links(self) -> dict[int, bool]:
        """A link is down when it is at two looks in a row: knet needs a moment when a site joins."""
        now = self.parts.cluster.links()
        found = {number: up or self._up.get(number, True) for number, up in now.items()}
        self._up = now
        return found

    def _conducted(self, seen: Seen, view: PairStatus, cib: Element) -> Conducted:
        done = self._conduct.conduct(seen.pair, seen.site, view, cib, seen.mine, seen.theirs)
        if done.changes:
            for change in done.changes:
                self.parts.say(change)
            words = "; ".join(done.changes)
            self._event(Happening(done.restored, "Restored" if done.restored else "Configured",
                                  f"what somebody changed was set back: {words}" if done.restored else words))
        elif view.dc == seen.site and not view.maintenance:
            self._conduct.tidy(view, cib, {
                name: proof.when for told in (seen.mine, seen.theirs) if told is not None
                for name, proof in told.proofs.items() if proof.good and proof.when <= seen.now.timestamp()})
        return done

    def _renew(self, seen: Seen, view: PairStatus, cib: Element) -> Next:
        if self._renewal is None or self._renewal.site != seen.site:
            self._renewal = self.parts.renewal(seen.site)
        return self._renewal.look(seen.pair, view, cib, self._leaving)

    def _publish(self, mine: Facts) -> None:
        """Once it is told, and again when it changed: each update is a message to both sites and a write of the CIB."""
        value = facts.encode(mine)
        if value != self._told:
            try:
                self.parts.cluster.tell(value)
                self._told = value
            except ClusterError:
                self._once("the cluster does not take this site's word for the other one yet")

    def _facts(self, pair: SNOPair) -> Facts:
        """What this site tells: its CR, what its operator found, what its fence devices answered."""
        seen = Status.model_validate(self._document.get("status") or {}) if self._api_up else Status()
        now, halves = datetime.now(timezone.utc), {}
        for one in seen.local:
            age = (now - one.checked).total_seconds()
            halves[one.name] = Told(one.ready, one.reason, one.template) if age < UNCHECKED else Told(
                False, "its operator has not looked at it for some minutes", one.template)
        return Facts(version=__version__, edition=EDITION, image=pair.spec.peer.image,
                     generation=int(self._document.get("metadata", {}).get("generation") or 0),
                     spec=facts.canonical(pair.spec), workloads=halves, proofs=self.parts.prover.proofs(), pill=armed())

    def _recoveries(self, seen: Seen) -> tuple[Recovery, ...]:
        alerts = self.parts.alerts.read()
        names = {pacemaker.resource_id(work): work.name for work in seen.pair.spec.workloads}
        others = {one.name: seen.pair.spec.other(one.name).name for one in seen.pair.spec.sites}
        found = recovery.recoveries(alerts, names, others, self.parts.alerts.devices())
        try:
            return self.parts.store.keep_recoveries(found)
        except OSError as error:
            self._once(f"the recoveries cannot be kept on disk: {error.strerror}")
            return tuple(found)

    # -- what is seen -----------------------------------------------------------------------------------------------

    def _tell(self, seen: Seen) -> None:
        status = summary(seen, self.status)
        for one in happenings(self.status, status):
            self._event(one)
        changed = status.model_copy(update={"written": None}) != self.status.model_copy(update={"written": None})
        self.status = status
        theirs = Status.model_validate(self._document.get("status") or {})
        self.parts.store.show(status.model_copy(update={
            "observed_generation": theirs.observed_generation, "waiting_for": theirs.waiting_for,
            "local": theirs.local}))
        if self._api_up and (changed or time.monotonic() - self._written > REFRESH):
            self.parts.api.write(_own(status))
            self._written = time.monotonic()

    def _event(self, one: Happening) -> None:
        """An Event; one that the API does not take is in the log all the same."""
        self.parts.say(f"{one.reason}: {one.message}")
        try:
            if self._api_up:
                self.parts.api.event(str(self._document.get("metadata", {}).get("uid", "")), one.warning, one.reason,
                                     one.message)
        except AgentError as error:
            self._once(f"an Event was not taken: {error}")

    def _once(self, words: str) -> None:
        """Say something unless it was said since the last good look."""
        if words not in self._said:
            self._said = {*list(self._said)[-20:], words}
            self.parts.say(words)


def _own(status: Status) -> dict[str, Any]:
    """The conductor's fields alone: the others are the operator's."""
    written: dict[str, Any] = status.model_dump(mode="json", by_alias=True, exclude_none=True,
                                                exclude={"observed_generation", "waiting_for", "local"})
    return written
