"""The gate: the hostPath volume that ties a pod to its permit. Pure functions over pod templates.

A volume that no container mounts is not checked by kubelet at all, and a container without the mount would be no
witness; hence every container must mount it, and anything in between "no gate" and "whole" is an error.
"""

from __future__ import annotations

import os

from . import pods

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NONE = "none"
WHOLE = "whole"
HALF = "half"


def faults(pod_spec: dict[str, Any], path: str) -> list[str]:
    """What a pod spec lacks to be well gated; [] when it is whole."""
    volumes = [volume for volume in pod_spec.get("volumes") or () if _host_path(volume) == path]
    found = [] if volumes else [f"no hostPath volume for {path}"]
    if len(volumes) > 1:
        found.append(f"more than one volume for {path}")
    for volume in volumes[:1]:
        if (volume.get("hostPath") or {}).get("type") != "File":
            found.append(f"volume {volume.get('name')}: hostPath type must be File")
        for container in _containers(pod_spec):
            found.extend(_mount_faults(container, str(volume.get("name"))))
    if pod_spec.get("terminationGracePeriodSeconds") == 0:
        found.append("terminationGracePeriodSeconds must not be 0")
    if pod_spec.get("hostUsers") is False:
        found.append("hostUsers must not be false")
    return found


def condition(pod_spec: dict[str, Any], path: str, permit_dir: str) -> tuple[str, list[str]]:
    """NONE, WHOLE or HALF with the faults. Any volume below the permit directory is the sign of a gate."""
    if not any(_leads_below(permit_dir, _host_path(volume)) for volume in pod_spec.get("volumes") or ()):
        return NONE, ["no hostPath volume for " + path]
    found = faults(pod_spec, path)
    return (HALF, found) if found else (WHOLE, [])


def template(item: dict[str, Any]) -> dict[str, Any]:
    """The pod spec within a workload's or a ReplicaSet's template."""
    value = (pods.spec(item).get("template") or {}).get("spec")
    return value if isinstance(value, dict) else {}


def inspect(workload: dict[str, Any], sets: list[dict[str, Any]], members: list[dict[str, Any]],
            path: str, permit_dir: str) -> tuple[str, list[str]]:
    """The workload's gate: its template's, unless a ReplicaSet with replicas or a pod that may run has less."""
    state, found = condition(template(workload), path, permit_dir)
    if state == NONE:
        gated = [pods.name(pod) for pod in members if pods.uses(pods.spec(pod), path)]
        return (HALF, [f"the template has no gate, but pod {gated[0]} has"]) if gated else (NONE, found)
    for item in sets:
        if pods.spec(item).get("replicas"):
            found += [f"replicaset {pods.name(item)}: {fault}" for fault in faults(template(item), path)]
    for pod in members:
        if not pods.terminal(pod):
            found += [f"pod {pods.name(pod)}: {fault}" for fault in faults(pods.spec(pod), path)]
    return (HALF, found) if found else (WHOLE, [])


def _host_path(volume: dict[str, Any]) -> str:
    return str((volume.get("hostPath") or {}).get("path") or "").rstrip("/")


def _leads_below(directory: str, path: str) -> bool:
    """Whether a path is below a directory, however it is spelled: //run, /run/./aos, /var/run (a link to /run)."""
    plain = "/" + os.path.normpath(path).lstrip("/")
    if plain.startswith("/var/run/"):
        plain = plain[len("/var"):]
    return plain.startswith(directory + "/")


def _containers(pod_spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(pod_spec.get("initContainers") or ()), *(pod_spec.get("containers") or ()),
            *(pod_spec.get("ephemeralContainers") or ())]


def _mount_faults(container: dict[str, Any], volume: str) -> list[str]:
    mounts = [mount for mount in container.get("volumeMounts") or () if mount.get("name") == volume]
    who = f"container {container.get('name')}"
    if not mounts:
        return [f"{who} does not mount {volume}"]
    found = []
    if not all(mount.get("readOnly") for mount in mounts):
        found.append(f"{who} must mount {volume} readOnly")
    if any(mount.get("subPath") or mount.get("subPathExpr") for mount in mounts):
        found.append(f"{who} must mount {volume} without subPath")
    return found
