"""What the peer may do in its own site's API: watch the managed workloads, scale exactly those, delete their pods."""

from typing import Any

from k8sdeployment.pair.model import SNOPair, Workload

Manifest = dict[str, Any]

ACCOUNT = "peer"
_ROLE = "aos-peer"
_PLURAL = {"Deployment": "deployments", "StatefulSet": "statefulsets"}


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
    return [account, *(_role(pair, name) for name in namespaces), *(_binding(home, name) for name in namespaces)]


def _role(pair: SNOPair, namespace: str) -> Manifest:
    here = [workload for workload in pair.spec.workloads if workload.namespace == namespace]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": _ROLE, "namespace": namespace},
        "rules": [
            _rule("apps", ["deployments", "statefulsets", "replicasets"], ["get", "list", "watch"]),
            _rule("", ["pods"], ["get", "list", "watch", "delete"]),
            *(_scale_rule(kind, here) for kind in _PLURAL if any(workload.kind == kind for workload in here)),
        ],
    }


def _scale_rule(kind: str, workloads: list[Workload]) -> Manifest:
    """The right to scale the managed workloads of one kind, by name: nothing else in the namespace."""
    names = sorted(workload.name for workload in workloads if workload.kind == kind)
    return {
        **_rule("apps", [f"{_PLURAL[kind]}/scale"], ["get", "update", "patch"]),
        "resourceNames": names,
    }


def _rule(group: str, resources: list[str], verbs: list[str]) -> Manifest:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _binding(home: str, namespace: str) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": _ROLE, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": _ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": home}],
    }
