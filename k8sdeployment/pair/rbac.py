"""What the peer may do in its own site's API: watch the managed workloads, scale exactly those, delete their pods; read
the pair's resource and write its status; and delete its own pod, to have it renewed."""

from typing import Any

from k8sdeployment.pair.model import SNOPair, Workload

Manifest = dict[str, Any]

ACCOUNT = "peer"
_ROLE = "aos-peer"
_CONDUCTOR = "aos-conductor"
POD, SET = "peer-0", "peer"
_PLURAL = {"Deployment": "deployments", "StatefulSet": "statefulsets"}


def labels(home: str) -> dict[str, str]:
    """On every Role and binding of the pair of that namespace, by which those that nobody needs any more are found."""
    return {"snopair.dev/pair": home}


def access(pair: SNOPair) -> list[Manifest]:
    """The ServiceAccount, and a Role with its binding in every namespace that holds a managed workload."""
    home = pair.metadata.namespace
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": ACCOUNT, "namespace": home},
        "automountServiceAccountToken": False,
    }
    namespaces = sorted({workload.namespace for workload in pair.spec.workloads})
    return [account, *(_role(pair, name) for name in namespaces),
            *(_binding(home, name, _ROLE) for name in namespaces)]


def conducting(pair: SNOPair) -> list[Manifest]:
    """What the conductor may do in the pair's own namespace. No Secret among it: kubelet mounts what is needed."""
    home = pair.metadata.namespace
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": _CONDUCTOR, "namespace": home, "labels": labels(home)},
        "rules": [
            rule("snopair.dev", ["snopairs"], ["get", "list", "watch"]),
            rule("snopair.dev", ["snopairs/status"], ["get", "patch"]),
            rule("", ["events"], ["create"]),
            {**rule("apps", ["statefulsets"], ["get"]), "resourceNames": [SET]},
            {**rule("", ["pods"], ["get", "delete"]), "resourceNames": [POD]},
        ],
    }
    return [role, _binding(home, home, _CONDUCTOR)]


def _role(pair: SNOPair, namespace: str) -> Manifest:
    here = [workload for workload in pair.spec.workloads if workload.namespace == namespace]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": _ROLE, "namespace": namespace, "labels": labels(pair.metadata.namespace)},
        "rules": [
            rule("apps", ["deployments", "statefulsets", "replicasets"], ["get", "list", "watch"]),
            rule("", ["pods"], ["get", "list", "watch", "delete"]),
            *(_scale_rule(kind, here) for kind in _PLURAL if any(workload.kind == kind for workload in here)),
        ],
    }


def _scale_rule(kind: str, workloads: list[Workload]) -> Manifest:
    """The right to scale the managed workloads of one kind, by name: nothing else in the namespace."""
    names = sorted(workload.name for workload in workloads if workload.kind == kind)
    return {
        **rule("apps", [f"{_PLURAL[kind]}/scale"], ["get", "update", "patch"]),
        "resourceNames": names,
    }


def rule(group: str, resources: list[str], verbs: list[str]) -> Manifest:
    """One rule of a role."""
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _binding(home: str, namespace: str, role: str) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role, "namespace": namespace, "labels": labels(home)},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": home}],
    }
