"""kustomize components that add the gate while manifests are built, for those who keep them in Git: deploy/gate.

A component knows neither a workload's name nor its containers. It takes the first from the one workload of its kind
in the kustomization, and puts the mount into every container that there is. kustomize itself refuses two workloads of
the kind, and one without metadata.namespace; both would have been given a wrong path. It also refuses a place that no
workload has, so that init containers have a component of their own.
"""

from typing import Any

from k8sdeployment.pair import gating
from k8sdeployment.pair.gating import KINDS
from k8sdeployment.pair.rbac import Manifest

NAME, INIT = "permit", "-init"
PLACE = "/run/permit"
_LOCAL = {"config.kubernetes.io/local-config": "true"}
_VALUES = "gate.yaml"
_POD = "spec.template.spec"
# Where the namespace and the name stand in the permit's path, counted in its parts.
_NAMESPACE, _WORKLOAD = 4, 6


def files() -> dict[str, Manifest]:
    """The documents below deploy/gate by their paths; one component per kind, and one for its init containers."""
    found: dict[str, Manifest] = {}
    for kind in KINDS:
        folder = kind.lower()
        found[f"{folder}/kustomization.yaml"] = _component([
            _copied("volume", kind, [f"{_POD}.volumes.[name={NAME}]"]),
            _copied("mount", kind, [f"{_POD}.containers.*.volumeMounts.[name={NAME}]"]),
            _part("metadata.namespace", kind, _NAMESPACE), _part("metadata.name", kind, _WORKLOAD)])
        found[f"{folder}{INIT}/kustomization.yaml"] = _component([
            _copied("mount", kind, [f"{_POD}.initContainers.*.volumeMounts.[name={NAME}]"])])
        for place in (folder, f"{folder}{INIT}"):
            found[f"{place}/{_VALUES}"] = _values(kind, f"gate-of-a-{place}")
    return found


def _component(replacements: list[Manifest]) -> Manifest:
    return {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "resources": [_VALUES],
            "replacements": replacements}


def _values(kind: str, name: str) -> Manifest:
    """What is copied. kustomize leaves it out of what it builds, for it is marked as local."""
    volume = {"name": NAME, "hostPath": {"path": gating.path("NAMESPACE", kind, "NAME"), "type": "File"}}
    mount = {"name": NAME, "mountPath": PLACE, "readOnly": True}
    return {"apiVersion": "snopair.dev/v1alpha1", "kind": "Gate", "metadata": {"name": name, "annotations": _LOCAL},
            "spec": {"volume": volume, "mount": mount}}


def _copied(what: str, kind: str, places: list[str]) -> Manifest:
    name = f"gate-of-a-{kind.lower()}{INIT if 'initContainers' in places[0] else ''}"
    return {"source": {"kind": "Gate", "name": name, "fieldPath": f"spec.{what}"},
            "targets": [_target(kind, places, {"create": True})]}


def _part(field: str, kind: str, index: int) -> Manifest:
    place = f"{_POD}.volumes.[name={NAME}].hostPath.path"
    return {"source": {"kind": kind, "fieldPath": field},
            "targets": [_target(kind, [place], {"delimiter": "/", "index": index})]}


def _target(kind: str, places: list[str], options: dict[str, Any]) -> Manifest:
    return {"select": {"kind": kind}, "fieldPaths": places, "options": options}
