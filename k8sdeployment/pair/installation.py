"""What an administrator installs on each site before there is a pair: the operator, and the rights it has.

RBAC lets nobody give rights that he does not have. So the operator has what `rbac` gives to the peer, in every
namespace, for which ones will hold workloads is not known when it is installed. It has no verb `escalate` and nothing
by wildcard.
"""

from typing import Any

from k8sdeployment.pair import paths
from k8sdeployment.pair.model import Metadata, Peer, SNOPair
from k8sdeployment.pair.rbac import Manifest, labels, rule

ACCOUNT = OPERATOR = "snopair-operator"
REFERENCES = "snopair-references"
HOME = Metadata().namespace
LABELS = {"app.kubernetes.io/name": "aos-sno-pair", "app.kubernetes.io/component": "operator"}
# Any user but root; the operator owns no file.
_USER = 64221
_RBAC = "rbac.authorization.k8s.io"


def manifests() -> list[Manifest]:
    """Everything of the operator, in the order in which it can be applied."""
    levels = ("enforce", "audit", "warn")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": HOME, "labels": {f"pod-security.kubernetes.io/{level}": "privileged" for level in levels}}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": HOME}}
    return [namespace, account, *_rights(), _deployment()]


def looking(pair: SNOPair) -> list[Manifest]:
    """What lets the operator see whether what a workload refers to exists, in each namespace that holds one."""
    home = pair.metadata.namespace
    return [{
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": REFERENCES, "namespace": namespace, "labels": labels(home)},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": REFERENCES},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": home}],
    } for namespace in sorted({workload.namespace for workload in pair.spec.workloads})]


def _rights() -> list[Manifest]:
    ref = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": OPERATOR}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": HOME}
    meta = {"name": OPERATOR, "namespace": HOME}
    api = f"{_RBAC}/v1"
    return [
        {"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": OPERATOR}, "rules": _everywhere()},
        {"apiVersion": api, "kind": "ClusterRoleBinding", "metadata": {"name": OPERATOR}, "roleRef": ref,
         "subjects": [subject]},
        {"apiVersion": api, "kind": "Role", "metadata": meta, "rules": _at_home()},
        {"apiVersion": api, "kind": "RoleBinding", "metadata": meta, "roleRef": {**ref, "kind": "Role"},
         "subjects": [subject]},
        {"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": REFERENCES}, "rules": _references()},
    ]


def _everywhere() -> list[Manifest]:
    """`patch` and `update` of workloads is for the gate; nodes and namespaces are asked what would keep a pod away."""
    return [
        # What it gives to the peer.
        rule("apps", ["deployments", "statefulsets", "replicasets"], ["get", "list", "watch"]),
        rule("apps", ["deployments/scale", "statefulsets/scale"], ["get", "update", "patch"]),
        rule("", ["pods"], ["get", "list", "watch", "delete"]),
        # What it does itself.
        rule("apps", ["deployments", "statefulsets"], ["update"]),
        rule(_RBAC, ["roles", "rolebindings"], ["get", "list", "create", "patch", "delete"]),
        {**rule(_RBAC, ["clusterroles"], ["bind"]), "resourceNames": [REFERENCES]},
        rule("", ["nodes", "namespaces"], ["get"]),
        {**rule("", ["namespaces"], ["patch"]), "resourceNames": [HOME]},
    ]


def _at_home() -> list[Manifest]:
    """Within the pair's namespace. `get` of Secrets and claims: whether what the peer mounts is there."""
    return [
        rule("snopair.dev", ["snopairs"], ["get", "list", "watch", "patch"]),
        rule("snopair.dev", ["snopairs/status"], ["get", "patch"]),
        rule("", ["configmaps", "serviceaccounts"], ["get", "create", "patch", "delete"]),
        rule("apps", ["statefulsets"], ["get", "create", "patch", "delete"]),
        rule("", ["pods"], ["create", "patch"]),
        rule("", ["secrets", "persistentvolumeclaims"], ["get"]),
        rule("", ["events"], ["create"]),
    ]


def _references() -> list[Manifest]:
    """Whether what a pod template refers to exists. Kubernetes knows no right to see that an object is there without
    reading it, so whoever may ask that of a Secret may read it. Hence this is a role of its own that the operator may
    bind but does not have, and it binds it to itself only in the namespaces that hold workloads of the pair."""
    return [rule("", ["secrets", "configmaps", "persistentvolumeclaims", "serviceaccounts"], ["get"])]


def _deployment() -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": OPERATOR, "namespace": HOME, "labels": LABELS},
        "spec": {
            "replicas": 1,
            # On one node there may be no room for a second; without an operator for a moment nothing is lost.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": _pod()},
        },
    }


def _pod() -> dict[str, Any]:
    """On the host's network, for the pods' network of a single node may need long after a boot."""
    return {
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": ACCOUNT,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {"runAsNonRoot": True, "runAsUser": _USER, "runAsGroup": _USER,
                            "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container()],
    }


def _container() -> dict[str, Any]:
    """The peer's own image: one to mirror, one version on a site."""
    peer = Peer()
    return {
        "name": "operator",
        "image": peer.image,
        "imagePullPolicy": "IfNotPresent",
        "command": [paths.PYTHON, "-m", "k8sdeployment.operator"],
        "env": [
            {"name": "PYTHONPATH", "value": paths.AGENT_LIBRARY},
            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
            # kopf asks who runs it (getpass.getuser), and this user stands in no passwd.
            {"name": "LOGNAME", "value": OPERATOR},
            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            # Of its own node, as the peer does it: the service's address is served by a proxy that may not be up yet.
            {"name": "KUBERNETES_SERVICE_HOST", "value": peer.api.host},
            {"name": "KUBERNETES_SERVICE_PORT", "value": str(peer.api.port)},
        ],
        "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]}},
    }
