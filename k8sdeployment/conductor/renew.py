"""Carries out the steps of `pair.roll`: the peer's renewal, and letting go of the workloads when the CR is deleted."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Optional

from k8sdeployment.conductor.api import AgentError, SiteApi
from k8sdeployment.conductor.cluster import Cluster
from k8sdeployment.conductor.guarded import Guarded
from k8sdeployment.pair import facts, pacemaker, roll
from k8sdeployment.pair.cib import ROLL, Element, attribute, known, property_value, section
from k8sdeployment.pair.fencing import SELF_ENDED
from k8sdeployment.pair.model import SNOPair
from k8sdeployment.pair.roll import Next, Seen, Step
from k8sdeployment.pair.status import Node, PairStatus

# Seconds between two questions whether the pod is an old one.
_OFTEN = 10.0
Say = Callable[[str], None]


@dataclass
class Renewal:
    """One site's side of it. `pod`: the UID of the own pod."""

    cluster: Cluster
    api: SiteApi
    site: str
    pod: str
    say: Say
    clock: Callable[[], float] = time.monotonic
    guarded: Guarded = field(default_factory=Guarded)
    _asked: float = float("-inf")
    _old: bool = False
    _gone_since: Optional[float] = None

    def look(self, pair: SNOPair, view: PairStatus, cib: Element, leaving: bool) -> Next:
        """The next step, done. ClusterError or AgentError when it could not be."""
        lock, other = roll.read(property_value(cib, ROLL)), pair.spec.other(self.site).name
        told, mine = (facts.decode(attribute(cib, site, facts.ATTRIBUTE) or "") for site in (other, self.site))
        self.guarded.look(other, view.nodes.get(other), told, mine, lock, view.maintenance)
        settled = view.quorate and member(view.nodes.get(self.site)) and self._told(pair, cib)
        old = self._outdated()
        found = roll.decide(Seen(
            site=self.site, pod=self.pod, old=old, leaving=leaving, maintenance=view.maintenance,
            whole=view.all_online() and settled and not (old and self.cluster.unheard()), settled=settled,
            quorate=view.quorate, away=self._away(pair, view.nodes), deaf=self._deaf(pair, view.nodes, cib), lock=lock))
        self._do(found, lock)
        return found

    def _told(self, pair: SNOPair, cib: Element) -> bool:
        """Whether this site's executor has told of every workload that is configured."""
        there = {str(found.get("id")) for found in section(cib, "resources")}
        ours = {pacemaker.resource_id(work) for work in pair.spec.workloads} & there
        return ours <= known(cib, self.site)

    def _away(self, pair: SNOPair, nodes: Mapping[str, Node]) -> float:
        if member(nodes.get(pair.spec.other(self.site).name)):
            self._gone_since = None
            return 0.0
        if self._gone_since is None:
            self._gone_since = self.clock()
        return self.clock() - self._gone_since

    def _deaf(self, pair: SNOPair, nodes: Mapping[str, Node], cib: Element) -> bool:
        """By what is in force, too: nothing of the CR comes there while a site renews its peer."""
        node = nodes.get(pair.spec.other(self.site).name)
        pills = {one.get("type") for one in section(cib, "resources")} | {
            device.agent for site in pair.spec.sites for device in site.fencing.devices}
        return (node is None or not node.clean) and not pills.isdisjoint(SELF_ENDED)

    def _outdated(self) -> bool:
        """Asked now and then; while the API is away nothing is renewed, for nothing would make the new pod."""
        if self.clock() - self._asked >= _OFTEN:
            self._asked = self.clock()
            try:
                self._old = self.api.outdated(self.pod)
            except AgentError:
                self._old = False
        return self._old

    def _do(self, found: Next, lock: Optional[roll.Lock]) -> None:
        if found.step is not Step.NOTHING:
            self.say(f"{found.step.value}{': ' + found.why if found.why else ''}")
        if found.step is Step.TAKE and found.lock is not None:
            self.cluster.take(found.lock)
        elif found.step is Step.MAINTAIN:
            self.cluster.maintenance(True)
        elif found.step is Step.DELETE:
            self.api.delete_pod(self.pod)
        elif found.step is Step.END:
            if lock is not None and not lock.kept:
                self.cluster.maintenance(False)
            self.cluster.free()


def member(node: Optional[Node]) -> bool:
    """Whether a site is a full and clean member."""
    return node is not None and node.online and node.clean and not node.pending
