"""Which pods are the workload's, and what they say of themselves. Pure functions over API objects."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Object = dict[str, Any]

_DEFAULT_GRACE = 30


def meta(item: Object) -> Object:
    value = item.get("metadata")
    return value if isinstance(value, dict) else {}


def uid(item: Object) -> str:
    return str(meta(item).get("uid") or "")


def name(item: Object) -> str:
    return str(meta(item).get("name") or "")


def spec(item: Object) -> Object:
    value = item.get("spec")
    return value if isinstance(value, dict) else {}


def status(item: Object) -> Object:
    value = item.get("status")
    return value if isinstance(value, dict) else {}


def controller(item: Object) -> Object:
    """The ownerReference marked as controller, {} without one."""
    for owner in meta(item).get("ownerReferences") or ():
        if owner.get("controller"):
            return dict(owner)
    return {}


def owned_sets(kind: str, workload: str, workload_uid: str, sets: list[Object]) -> list[Object]:
    """The workload's ReplicaSets. With the workload gone (uid ""), those that were its own, by owner or by name."""
    if kind != "Deployment":
        return []
    if workload_uid:
        return [item for item in sets if controller(item).get("uid") == workload_uid]
    return [item for item in sets
            if (controller(item).get("kind"), controller(item).get("name")) == ("Deployment", workload)
            or not controller(item) and name(item).startswith(workload + "-")]


def uses(pod_spec: Object, path: str) -> bool:
    """Whether a pod spec has the permit path as a hostPath."""
    return any(((volume.get("hostPath") or {}).get("path") or "").rstrip("/") == path
               for volume in pod_spec.get("volumes") or ())


def owned(kind: str, workload: str, workload_uid: str, sets: list[Object], pods: list[Object],
          path: str) -> list[Object]:
    """The workload's pods: by the owner chain, and every pod of the namespace that uses its permit path."""
    owners = {uid(item) for item in owned_sets(kind, workload, workload_uid, sets)}
    if workload_uid:
        owners.add(workload_uid)

    def is_ours(pod: Object) -> bool:
        owner = controller(pod)
        orphaned = not workload_uid and (owner.get("kind"), owner.get("name")) == (kind, workload)
        return owner.get("uid") in owners or orphaned or bool(path) and uses(spec(pod), path)

    return [pod for pod in pods if is_ours(pod)]


def terminal(pod: Object) -> bool:
    return status(pod).get("phase") in ("Succeeded", "Failed")


def leaving(pod: Object) -> bool:
    return bool(meta(pod).get("deletionTimestamp"))


def ready(pod: Object) -> bool:
    return any(condition.get("type") == "Ready" and condition.get("status") == "True"
               for condition in status(pod).get("conditions") or ())


def grace(pods: list[Object]) -> int:
    """The longest termination grace of some pods, in seconds (Kubernetes' default is 30)."""
    def one(pod: Object) -> int:
        value = spec(pod).get("terminationGracePeriodSeconds")
        return value if isinstance(value, int) else _DEFAULT_GRACE
    return max(map(one, pods), default=_DEFAULT_GRACE)


def marks(pods: list[Object]) -> set[str]:
    """What a cgroup path shows of these pods' processes: the pod's UID (kubelet's own hierarchy) and container ids."""
    found = {uid(pod) for pod in pods}
    for pod in pods:
        found |= {str(container.get("containerID") or "").rpartition("/")[2] for container in _containers(pod)}
    return found - {""}


def trouble(pods: list[Object]) -> str:
    """Why the pods are not available, in their own words; "" when they say nothing."""
    for pod in pods:
        for container in _containers(pod):
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") not in (None, "", "ContainerCreating", "PodInitializing"):
                words = _words(waiting)
                return f"pod {name(pod)}: {waiting['reason']}" + (f" ({words})" if words else "")
    for pod in pods:
        for condition in status(pod).get("conditions") or ():
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                words = _words(condition)
                return f"pod {name(pod)}: {condition.get('reason')} ({words})"
    waiting_pods = [name(pod) for pod in pods if not ready(pod) and not leaving(pod)]
    return f"pod {waiting_pods[0]} is not ready" if waiting_pods else ""


def refusal(workload: Object) -> str:
    """Why no pod could be made (a quota, an admission policy), in the controller's words; "" when none was refused."""
    for condition in status(workload).get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            words = _words(condition)
            return f"no pod was created: {condition.get('reason')} ({words})"
    return ""


def _words(told: Object) -> str:
    """The message of a state or condition, on one line and cut short."""
    return " ".join(str(told.get("message") or "").split())[:160]


def _containers(pod: Object) -> list[Object]:
    return [*(status(pod).get("initContainerStatuses") or ()), *(status(pod).get("containerStatuses") or ())]
