"""Whether a site could run a workload now, and if not, the one sentence why. Pure: what the API said goes in.

`ready` is no promise that it will run: nobody knows that before it does. It says that nothing is known to be missing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from k8sdeployment.agent import gate
from k8sdeployment.pair import gating, needs, paths
from k8sdeployment.pair.model import Workload
from k8sdeployment.pair.needs import Reference

Object = Mapping[str, Any]
# kubelet tells no more images than this (its nodeStatusMaxImages), so a list that long proves no absence.
MOST_IMAGES = 50
_FORBIDDING = ("NoSchedule", "NoExecute")


@dataclass(frozen=True)
class Gathered:
    """What the API said. `document`: the workload. `others`: specs of pods on the node that are not the workload's own
    and have not ended. `missing`: references that are not there, or lack keys; those keys, else none."""

    workload: Workload
    document: Object
    node: Object
    others: tuple[Object, ...] = ()
    missing: Mapping[Reference, frozenset[str]] = field(default_factory=dict)


def judge(seen: Gathered) -> tuple[bool, str]:
    """Whether the workload could run here, and else what is to be done first."""
    reason = next(_reasons(seen), "")
    return not reason, reason


def _reasons(seen: Gathered) -> Iterator[str]:
    pod = gate.template(dict(seen.document))
    yield from _gate(seen.workload, pod)
    yield from _node(seen.node, pod)
    yield from _missing(seen.missing)
    yield from (f"image {image} is not on node {_name(seen.node)}: pull it there"
                for image in absent(seen.node, needs.images(pod)))
    status = seen.node.get("status") or {}
    lacking = needs.shortages(needs.requests(pod), seen.workload.replicas.max, status.get("allocatable") or {},
                              seen.others)
    if lacking:
        yield f"node {_name(seen.node)} has too little {', '.join(lacking)}"


def _gate(workload: Workload, pod: dict[str, Any]) -> Iterator[str]:
    if not workload.gate:
        return
    path = gating.path(workload.namespace, workload.kind, workload.name)
    state, faults = gate.condition(pod, path, paths.PERMITS)
    if state == gate.NONE:
        yield "its pod template has no gate: scale it to 0 once, and the operator adds it"
    elif state == gate.HALF:
        yield f"its gate is not whole: {'; '.join(faults)}"


def _node(node: Object, pod: Object) -> Iterator[str]:
    spec, status, name = node.get("spec") or {}, node.get("status") or {}, _name(node)
    ready: Object = next((one for one in status.get("conditions") or () if one.get("type") == "Ready"), {})
    if ready.get("status") != "True":
        yield f"node {name} is not Ready{': ' if ready.get('message') else ''}{ready.get('message') or ''}"
    if spec.get("unschedulable"):
        yield f"node {name} is cordoned: `kubectl uncordon {name}`"
    for taint in spec.get("taints") or ():
        known = taint.get("key") == "node.kubernetes.io/unschedulable"  # told already, as cordoned
        if taint.get("effect") in _FORBIDDING and not known and not _tolerated(taint, pod):
            yield f"node {name} has the taint {taint.get('key')}:{taint.get('effect')}, which its pods do not tolerate"
    labels = (node.get("metadata") or {}).get("labels") or {}
    for key, value in (pod.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            yield f"node {name} has no label {key}={value}, which its nodeSelector asks for"


def _tolerated(taint: Object, pod: Object) -> bool:
    return any(
        one.get("key") in (None, "", taint.get("key"))
        and (one.get("operator") == "Exists" or one.get("value", "") == taint.get("value", ""))
        and one.get("effect") in (None, "", taint.get("effect"))
        for one in pod.get("tolerations") or ())


def _missing(missing: Mapping[Reference, frozenset[str]]) -> Iterator[str]:
    for one, keys in missing.items():
        if keys:
            yield f"{one.kind} {one.name}, which its pods refer to, has no key {', '.join(sorted(keys))}"
        else:
            yield f"{one.kind} {one.name}, which its pods refer to, is missing"


def absent(node: Object, images: list[str]) -> list[str]:
    """Those of the images that are certainly not on the node."""
    told = (node.get("status") or {}).get("images") or ()
    return [] if len(told) >= MOST_IMAGES else [image for image in images if not present(node, image)]


def present(node: Object, image: str) -> bool:
    """Whether the image is certainly on the node."""
    told = (node.get("status") or {}).get("images") or ()
    return needs.plain_image(image) in {needs.plain_image(str(name)) for one in told for name in one.get("names") or ()}


def _name(node: Object) -> str:
    return str((node.get("metadata") or {}).get("name"))
