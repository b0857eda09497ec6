"""One look: bring the SNOPair of this site into its peer, and write down what is waited for.

Every look starts anew from what the API says and may end anywhere: whoever is killed is started again, and two at once
do the same. Nothing is remembered between looks but what was logged.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from k8sdeployment.operator.api import AgentError, Api, ApiError, Object, Unreachable
from k8sdeployment.operator.waits import secrets
from k8sdeployment.pair import peerpod
from k8sdeployment.pair.cr import PairError, load
from k8sdeployment.pair.model import Site, SNOPair

# Holds a SNOPair that is being deleted until its peer is gone in good order.
FINALIZER = "snopair.dev/operator"
# After this the conductor would soon no longer believe what was said of the workloads (it does for 180 s).
REFRESH = timedelta(seconds=60)
Say = Callable[[str], None]


@dataclass
class Operator:
    """One site's. `node`: the name of the node that it runs on."""

    api: Api
    node: str
    say: Say
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _said: str = ""

    def served(self) -> bool:
        """Whether the API knows SNOPairs. An API that is away knows none yet."""
        try:
            with self._turn:
                return self.api.serves("SNOPair")
        except AgentError as error:
            self._once(str(error))
            return False

    def look(self, namespace: str, name: str) -> None:
        """One look at one SNOPair. While the API is away nothing is done, and the next look tries again."""
        with self._turn:
            try:
                document = self.api.get("SNOPair", namespace, name)
                # Nothing is made before the finalizer stands, else a deletion in between would leave it behind.
                if document is not None and not leaving(document) and FINALIZER in finalizers(document):
                    self._follow(document)
            except AgentError as error:
                self._once(str(error))

    def _follow(self, document: Object) -> None:
        waits: list[str] = []
        try:
            pair = load(document)
            site = own_site(pair, self.node)
            if site is None:
                waits.append(stranger(pair, self.node))
            else:
                waits += self._bring(pair, site)
        except PairError as error:
            waits += error.sentences
        self._write(document, "; ".join(waits))

    def _bring(self, pair: SNOPair, site: Site) -> Iterator[str]:
        for manifest in peerpod.manifests(pair, site):
            yield from self._apply(manifest)
        yield from secrets(self.api, pair, site)

    def _apply(self, manifest: Object) -> Iterator[str]:
        """What the API has against one object keeps it from no other."""
        try:
            self.api.apply(manifest)
        except Unreachable:
            raise
        except ApiError as error:
            meta = manifest["metadata"]
            where = f" in namespace {meta['namespace']}" if "namespace" in meta else ""
            yield f"{manifest['kind']} {meta['name']}{where} cannot be applied: {error}"

    def _write(self, document: Object, waits: str) -> None:
        """Only what changed, or what grew old."""
        meta, status = document["metadata"], document.get("status") or {}
        wanted: dict[str, Any] = {"observedGeneration": meta.get("generation", 0), "waitingFor": waits[:4096]}
        if {key: status.get(key) for key in wanted} != wanted:
            self.api.write_status(meta["namespace"], meta["name"], wanted)
            self._once(f"waiting: {waits}" if waits else "everything that the SNOPair asks for is there")

    def _once(self, words: str) -> None:
        """Say something unless it was the last thing said."""
        if words != self._said:
            self._said = words
            self.say(words)


def own_site(pair: SNOPair, node: str) -> Optional[Site]:
    """The site that stands on this node."""
    return next((site for site in pair.spec.sites if site.node_name == node), None)


def stranger(pair: SNOPair, node: str) -> str:
    """Why nothing is done on a node that is no site's."""
    names = " nor ".join(site.node_name for site in pair.spec.sites)
    return (f"no site is this one: the operator runs on node {node}, and spec.sites[].nodeName is neither {names}; "
            f"give the site of this cluster nodeName: {node}")


def leaving(document: Object) -> bool:
    """Whether the object is being deleted."""
    return bool(document["metadata"].get("deletionTimestamp"))


def finalizers(document: Object) -> list[str]:
    """Who holds the object while it is being deleted."""
    return list(document["metadata"].get("finalizers") or ())


def old(checked: str) -> bool:
    """Whether what was checked at that time (RFC 3339) is to be said again."""
    return datetime.now(timezone.utc) - datetime.fromisoformat(checked.replace("Z", "+00:00")) > REFRESH
