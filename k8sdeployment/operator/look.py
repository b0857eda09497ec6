"""One look: bring the SNOPair of this site into its peer, and write down what is waited for.

Every look starts anew from what the API says and may end anywhere: whoever is killed is started again, and two at once
do the same. Nothing that matters is remembered between looks.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from k8sdeployment.agent.pods import leaving
from k8sdeployment.operator import removal
from k8sdeployment.operator.api import AgentError, Api, NotFound, Object
from k8sdeployment.operator.bring import Bringing, Brought
from k8sdeployment.operator.rights import Rights
from k8sdeployment.pair.cr import PairError, load
from k8sdeployment.pair.model import Site, SNOPair

# Holds a SNOPair that is being deleted until its peer is gone in good order.
FINALIZER = "snopair.dev/operator"
# After this what was said of the workloads is said again, for the conductor believes it for 180 s.
REFRESH = timedelta(seconds=60)
Say = Callable[[str], None]


@dataclass
class Operator:
    """One site's. `node`: the name of the node that it runs on."""

    api: Api
    rights: Rights
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

    def remove(self, namespace: str, name: str) -> bool:
        """One step of taking the peer away; whether all is done."""
        with self._turn:
            try:
                document = self.api.get("SNOPair", namespace, name)
                if document is None or self._elder(document) is not None:
                    return True
                why = removal.remove(self.api, self.rights, document)
                if why:
                    self._write(document, Brought([why]))
                return not why
            except AgentError as error:
                self._once(str(error))
                return False

    def _follow(self, document: Object) -> None:
        brought = Brought()
        try:
            pair = load(document)
            site, elder = own_site(pair, self.node), self._elder(document)
            if elder is not None:
                brought.waits.append(f"the site belongs to the SNOPair {elder} of this namespace: delete one of both")
            elif site is None:
                brought.waits.append(stranger(pair, self.node))
            else:
                brought = Bringing(self.api, self.rights, document, pair, site).bring()
        except PairError as error:
            brought.waits += error.sentences
        self._write(document, brought)

    def _elder(self, document: Object) -> Optional[str]:
        """The name of a SNOPair that came before this one: a site has one peer."""
        meta = document["metadata"]
        others = [one["metadata"] for one in self.api.list("SNOPair", meta["namespace"])]
        first = min(others, key=lambda one: (str(one["creationTimestamp"]), str(one["name"])), default=meta)
        return None if first["name"] == meta["name"] else str(first["name"])

    def _write(self, document: Object, brought: Brought) -> None:
        """Only what changed, or what grew old."""
        meta, waits = document["metadata"], "; ".join(brought.waits)
        wanted: dict[str, Any] = {
            "observedGeneration": meta.get("generation", 0), "waitingFor": waits[:4096],
            "local": [one.model_dump(mode="json", by_alias=True) for one in brought.local]}
        if not current(document.get("status") or {}, wanted, datetime.now(timezone.utc)):
            try:
                self.api.write_status(meta["namespace"], meta["name"], wanted)
            except NotFound:
                return  # it was deleted meanwhile
        self._once(f"waiting: {waits}" if waits else "everything that the SNOPair asks for is there")

    def _once(self, words: str) -> None:
        """Say something unless it was the last thing said."""
        if words != self._said:
            self._said = words
            self.say(words)


def current(there: Object, wanted: Object, now: datetime) -> bool:
    """Whether a status says what is wanted and was checked lately."""
    def essence(status: Object) -> Any:
        local = [{key: value for key, value in one.items() if key != "checked"} for one in status.get("local") or ()]
        return status.get("observedGeneration"), status.get("waitingFor"), local

    times = [datetime.fromisoformat(str(one.get("checked")).replace("Z", "+00:00")) for one in there.get("local") or ()]
    return bool(essence(there) == essence(wanted)) and all(now - one < REFRESH for one in times)


def own_site(pair: SNOPair, node: str) -> Optional[Site]:
    """The site that stands on this node."""
    return next((site for site in pair.spec.sites if site.node_name == node), None)


def stranger(pair: SNOPair, node: str) -> str:
    """Why nothing is done on a node that is no site's."""
    names = " nor ".join(site.node_name for site in pair.spec.sites)
    return (f"no site is this one: the operator runs on node {node}, and spec.sites[].nodeName is neither {names}; "
            f"give the site of this cluster nodeName: {node}")


def finalizers(document: Object) -> list[str]:
    """Who holds the object while it is being deleted."""
    return list(document["metadata"].get("finalizers") or ())
