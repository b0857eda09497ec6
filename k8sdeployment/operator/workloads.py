"""The workloads of the pair on this site: what each lacks, and the gate for those that are down.

A gate is a change of the pod template, and a changed template restarts pods. So it is added only while the workload is
scaled to 0 and nothing of it exists, and only to the very object that was seen so.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Optional

from k8sdeployment.agent import gate, pods
from k8sdeployment.operator.api import AgentError, Api, Conflict, Object, Unreachable
from k8sdeployment.pair import gating, needs, parity, paths, readiness
from k8sdeployment.pair.model import SNOPair, Workload
from k8sdeployment.pair.needs import Reference
from k8sdeployment.pair.report import LocalWorkload

_LEVEL = "pod-security.kubernetes.io/enforce"


@dataclass
class Looked:
    """What one look at the workloads found: each one's state, and what is waited for."""

    local: list[LocalWorkload] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)


@dataclass
class Workloads:
    """One look at all of them; made anew for each. `node` and `pods`: the node, and the pods of all namespaces."""

    api: Api
    node: Object
    pods: list[Object]
    _found: dict[tuple[str, str, str], Optional[Object]] = field(default_factory=dict)
    _sets: dict[str, list[Object]] = field(default_factory=dict)

    def look(self, pair: SNOPair) -> Looked:
        """What the API has against one workload keeps it from no other."""
        looked = Looked()
        for work in pair.spec.workloads:
            try:
                document = self.api.get(work.kind, work.namespace, work.name)
                if document is None:
                    self._nothing(looked, work)
                else:
                    self._one(looked, work, document)
            except Unreachable:
                raise
            except AgentError as error:
                looked.local.append(_local(work, False, f"the operator could not look at it: {error}"))
        return looked

    def _nothing(self, looked: Looked, work: Workload) -> None:
        looked.local.append(_local(work, False, f"{work.kind} {work.namespace}/{work.name} does not exist"))
        looked.waits.append(f"{work.kind} {work.namespace}/{work.name} does not exist on this site: apply its manifest "
                            "here too, with replicas: 0")

    def _one(self, looked: Looked, work: Workload, document: Object) -> None:
        path = gating.path(work.namespace, work.kind, work.name)
        sets = pods.owned_sets(work.kind, work.name, pods.uid(document), self._replica_sets(work.namespace))
        there = [pod for pod in self.pods if pods.meta(pod).get("namespace") == work.namespace]
        own = pods.owned(work.kind, work.name, pods.uid(document), sets, there, path)
        if work.gate:
            looked.waits += self._level(work)
            document, why = self._gated(work, document, sets, own)
            looked.waits += [why] if why else []
        ready, reason = readiness.judge(readiness.Gathered(
            workload=work, document=document, node=self.node, others=self._others(own),
            missing=self._missing(work.namespace, gate.template(document))))
        looked.local.append(_local(work, ready, reason, parity.digest(pods.spec(document).get("template") or {})))

    # -- the gate -----------------------------------------------------------------------------------------------------

    def _gated(self, work: Workload, document: Object, sets: list[Object], own: list[Object]) -> tuple[Object, str]:
        """The workload, with a gate if that may be added now, and why it has none."""
        state, _ = gate.condition(gate.template(document), gating.path(work.namespace, work.kind, work.name),
                                  paths.PERMITS)
        if state == gate.WHOLE:
            return document, ""
        who = f"{work.kind} {work.namespace}/{work.name}"
        made = gating.add(document)
        if made.refused:
            return document, f"{who} cannot be gated: {made.refused}"
        holds = _holds(document, sets, own)
        if holds:
            lack = "has no gate" if state == gate.NONE else "has half a gate"
            return document, f"{who} {lack} and {holds}, and the operator adds it"
        try:
            self.api.replace(made.manifest)
        except Conflict:  # somebody was there first; the next look sees what it is now
            return document, f"{who} is being changed by somebody else; its gate is added after that"
        return made.manifest, ""

    def _level(self, work: Workload) -> Iterator[str]:
        """Why Pod Security would refuse gated pods; what the namespace does not say, the cluster's default says."""
        namespace = self._get("Namespace", "", work.namespace)
        level = (pods.meta(namespace or {}).get("labels") or {}).get(_LEVEL, "")
        if level in ("baseline", "restricted"):
            yield (f"namespace {work.namespace} has {_LEVEL}={level}, which forbids the gate of {work.kind} "
                   f"{work.name}: `kubectl label --overwrite namespace {work.namespace} {_LEVEL}=privileged`")

    # -- what it needs ------------------------------------------------------------------------------------------------

    def _others(self, own: list[Object]) -> tuple[Object, ...]:
        mine, node = {pods.uid(pod) for pod in own}, pods.name(self.node)
        return tuple(pods.spec(pod) for pod in self.pods if pods.spec(pod).get("nodeName") == node
                     and not pods.terminal(pod) and pods.uid(pod) not in mine)

    def _missing(self, namespace: str, template: Object) -> dict[Reference, frozenset[str]]:
        """References that are not there (with no keys), or not whole (with the keys that lack)."""
        missing = {}
        for one in needs.references(template):
            found = self._get(one.kind, namespace, one.name)
            lacking = one.keys - {*((found or {}).get("data") or ()), *((found or {}).get("binaryData") or ())}
            if found is None:
                missing[one] = frozenset[str]()
            elif lacking:
                missing[one] = lacking
        return missing

    def _get(self, kind: str, namespace: str, name: str) -> Optional[Object]:
        """Once in a look."""
        key = (kind, namespace, name)
        if key not in self._found:
            self._found[key] = self.api.get(kind, namespace, name)
        return self._found[key]

    def _replica_sets(self, namespace: str) -> list[Object]:
        if namespace not in self._sets:
            self._sets[namespace] = self.api.list("ReplicaSet", namespace)
        return self._sets[namespace]


def _holds(document: Object, sets: list[Object], own: list[Object]) -> str:
    """What must be done before a gate can restart nothing; "" when nothing of the workload is there."""
    if pods.spec(document).get("replicas") != 0:
        return "is scaled up: scale it to 0 once"
    if own:
        return f"still has the pod {pods.name(own[0])}: wait until it has ended, or delete it if it failed"
    scaled = [pods.name(one) for one in sets if pods.spec(one).get("replicas")]
    return f"its ReplicaSet {scaled[0]} is not at 0 yet: wait for that" if scaled else ""


def _local(work: Workload, ready: bool, reason: str, template: str = "") -> LocalWorkload:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    return LocalWorkload(name=work.name, ready=ready, reason=reason[:4096], template=template, checked=now)
