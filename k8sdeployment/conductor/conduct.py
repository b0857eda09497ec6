"""Brings the CR into Pacemaker's configuration: on one site at a time, as one difference, the pair's own part alone."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from k8sdeployment import __version__
from k8sdeployment.conductor.cluster import Cluster
from k8sdeployment.pair import facts
from k8sdeployment.pair.cib import Element, overcome, record
from k8sdeployment.pair.facts import Facts
from k8sdeployment.pair.fencing import QUORUM, pilled
from k8sdeployment.pair.foreign import foreign
from k8sdeployment.pair.merge import bare, merge
from k8sdeployment.pair.model import SNOPair
from k8sdeployment.pair.status import PairStatus

# Counts up whenever another configuration is made of the same CR. Two builds of one version may differ in it.
EDITION = 6


@dataclass(frozen=True)
class Conducted:
    """What was done: `changes` one sentence each; `restored` when somebody had changed what is the pair's. `waits`: why
    the CR is not in force; `foreign`: what is set beside it, None while nobody looked."""

    changes: tuple[str, ...] = ()
    restored: bool = False
    waits: str = ""
    foreign: Optional[tuple[str, ...]] = None


class Conduct:
    """Keeps what pcs made of the CR last, for pcs takes seconds and the comparison none."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._digest = ""
        self._wanted: Optional[Element] = None

    def conduct(self, pair: SNOPair, site: str, view: PairStatus, cib: Element, mine: Facts,
                theirs: Optional[Facts]) -> Conducted:
        """One look, and what follows from it. ClusterError when a program fails; then nothing was changed."""
        digest = _digest(pair)
        if view.maintenance:  # whoever set it may be changing things by hand
            new = record(cib).digest != digest
            return Conducted(waits="the CR changed and comes into force when maintenance ends" if new else "")
        waits = self._waits(pair, site, view, cib, mine, theirs)
        if not waits and view.dc != site and record(cib).digest != digest:
            waits = f"{view.dc} is about to configure the cluster"  # one site's pcs is enough work
        if waits:
            return Conducted(waits=waits)
        wanted = self._made(pair, cib, digest)
        outcome = merge(cib, wanted, digest)
        if not outcome.changes and record(outcome.cib) == record(cib):
            return Conducted(foreign=tuple(foreign(cib, wanted)))
        if view.dc != site:
            return Conducted(waits=f"{view.dc} is about to configure the cluster")
        if theirs is not None and (theirs.version, theirs.edition) != (__version__, EDITION):
            # What this version sets the other one's image may not have, the programs of a fence device say.
            return Conducted(waits=f"{pair.spec.other(site).name} runs version {theirs.version}, configuration "
                                   f"{theirs.edition}, and {site} {__version__}, {EDITION}: the configuration stays as "
                                   "it is until both run the same")
        restored = record(cib).digest == digest
        self._cluster.push(cib, outcome.cib)
        return Conducted(outcome.changes, restored, foreign=tuple(foreign(outcome.cib, wanted)))

    def tidy(self, view: PairStatus, cib: Element, proven: Mapping[str, int]) -> None:
        """Forget results that are overcome, and let go of resources that were taken out of the configuration by a
        conductor that did not come so far. `proven`: see pair/cib.py."""
        for failure in overcome(cib, proven):
            self._cluster.forget(failure)
        for name in [name for name, resource in view.resources.items() if resource.orphaned]:
            self._cluster.let_go(name)

    def _waits(self, pair: SNOPair, site: str, view: PairStatus, cib: Element, mine: Facts,
               theirs: Optional[Facts]) -> str:
        """Why the configuration must stay as it is; "" when it may follow the CR."""
        if not view.quorate:
            return f"{site} has no quorum"
        other = pair.spec.other(site).name
        node = view.nodes.get(other)
        if node is not None and (node.pending or (node.online and theirs is None)):
            return f"waiting for what {other} tells of its CR"
        if theirs is not None and theirs.spec != facts.canonical(pair.spec):
            return f"the CR differs between {site} and {other}; the cluster keeps what it has until they are the same"
        if pilled(pair.spec) and theirs is not None and not facts.on_one_disk(mine, theirs):
            return (f"{site} and {other} do not both listen for a poison pill on the same disk, and nobody shall "
                    "believe that they do; see the containers sbd of both peers")
        if pilled(pair.spec, QUORUM) and theirs is not None and not facts.guarded(mine, theirs):
            return (f"{site} and {other} do not both say that a watchdog guards them, and nobody shall believe that it "
                    "does; see the containers sbd of both peers")
        if theirs is None and not record(cib).digest:
            return f"waiting for {other}: a pair is made when both sites are there"
        return ""

    def _made(self, pair: SNOPair, cib: Element, digest: str) -> Element:
        if self._wanted is None or self._digest != digest:
            self._wanted, self._digest = self._cluster.wanted(pair, bare(cib)), digest
        return self._wanted


def _digest(pair: SNOPair) -> str:
    text = json.dumps([EDITION, pair.metadata.name, facts.canonical(pair.spec)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
