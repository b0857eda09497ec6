"""The Roles and bindings of the pair: nothing that the cluster may still need goes, and nothing stays for ever.

A workload that was taken out of this site's SNOPair is still in the cluster's configuration until the other site's text
says so, too. Until then it may have to be stopped here, and a stop that may not scale ends in a fence. So rights grow
at once, and shrink some time after both sites held the same text.
"""

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Optional

from k8sdeployment.operator.api import Api, Object
from k8sdeployment.pair.rbac import labels

KINDS = ("Role", "RoleBinding")


@dataclass
class Rights:
    """`keep`: seconds for which both sites must have held the newest text, so that it is in force."""

    api: Api
    keep: float
    clock: Callable[[], float] = time.monotonic
    _agreed: tuple[int, float] = (0, 0.0)

    def settled(self, document: Object) -> bool:
        """Whether the newest SNOPair has been that of both sites for long enough."""
        generation = document["metadata"].get("generation", 0)
        if not _in_sync(document, generation):
            self._agreed = (0, 0.0)
            return False
        if self._agreed[0] != generation:
            self._agreed = (generation, self.clock())
        return self.clock() - self._agreed[1] >= self.keep

    def role(self, wanted: Object, settled: bool) -> Object:
        """The Role to apply: what is wanted, and until it is settled what it allowed before."""
        meta = wanted["metadata"]
        there = None if settled else self.api.get("Role", meta["namespace"], meta["name"])
        return widened(wanted, there)

    def tidy(self, home: str, wanted: Iterable[Object]) -> None:
        """Remove the Roles and bindings of the pair that are not among the wanted ones."""
        needed = {(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in wanted}
        for kind in KINDS[::-1]:
            for found in self.all_of(kind, home):
                meta = found["metadata"]
                if (kind, meta["namespace"], meta["name"]) not in needed:
                    self.api.delete(kind, meta["namespace"], meta["name"], meta["uid"])

    def all_of(self, kind: str, home: str) -> list[Object]:
        """All objects of the kind that were made for the pair of that namespace."""
        return self.api.list(kind, "", labelSelector=",".join(f"{key}={value}" for key, value in labels(home).items()))


def widened(wanted: Object, there: Optional[Object]) -> Object:
    """A Role that allows what both allow; what is the same but for the names of the objects becomes one rule."""
    made = copy.deepcopy(wanted)
    for rule in (there or {}).get("rules") or ():
        same = next((one for one in made["rules"] if _scope(one) == _scope(rule)), None)
        if same is None:
            made["rules"].append(rule)
        elif "resourceNames" in same and "resourceNames" in rule:
            same["resourceNames"] = sorted({*same["resourceNames"], *rule["resourceNames"]})
    return made


def _scope(rule: Object) -> tuple[Any, ...]:
    return (*(tuple(sorted(rule.get(key) or ())) for key in ("apiGroups", "resources", "verbs")),
            "resourceNames" in rule)


def _in_sync(document: Object, generation: int) -> bool:
    conditions = (document.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "PeerInSync" and one.get("status") == "True"
               and one.get("observedGeneration") == generation for one in conditions)
