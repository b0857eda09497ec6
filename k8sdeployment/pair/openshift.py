"""What OpenShift wants besides: SecurityContextConstraints. Never applied to an OpenShift by a test.

The one for gated pods is `restricted-v2` as OpenShift 4.11 and later ship it, with hostPath volumes on top. SCCs know
no paths; the policy `aos-host-path` narrows it to permits, by the annotation that OpenShift's admission writes on every
pod.
"""

from typing import Any

from k8sdeployment.pair import installation, rbac
from k8sdeployment.pair.admission import SCC
from k8sdeployment.pair.rbac import Manifest

ROLE = "aos-permit-scc"
PEER_SCC, OPERATOR_SCC = "aos-peer", "aos-operator"
# All that the peer's containers add; a test holds it against them.
PEER_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "IPC_LOCK", "KILL", "SETGID", "SETUID", "SYS_BOOT", "SYS_NICE")
_RESTRICTED_VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
                       "secret")
_WHAT = "restricted-v2 with hostPath volumes, which the policy aos-host-path narrows to permits of aos-sno-pair."


def manifests() -> list[Manifest]:
    """The SCC, and a ClusterRole that lets those use it to whom it is bound."""
    return [_constraints(), _role()]


def _constraints() -> Manifest:
    return {**_basic(SCC, _WHAT), "allowHostDirVolumePlugin": True, "allowedCapabilities": ["NET_BIND_SERVICE"],
            "volumes": sorted((*_RESTRICTED_VOLUMES, "hostPath"))}


def _basic(name: str, what: str) -> Manifest:
    """Constraints that allow nothing."""
    denied = ("allowHostDirVolumePlugin", "allowHostIPC", "allowHostNetwork", "allowHostPID", "allowHostPorts",
              "allowPrivilegeEscalation", "allowPrivilegedContainer")
    strategies = {"fsGroup": "MustRunAs", "runAsUser": "MustRunAsRange", "seLinuxContext": "MustRunAs",
                  "supplementalGroups": "RunAsAny"}
    spec: dict[str, Any] = {
        **dict.fromkeys(denied, False),
        # No null here and below: `oc apply` leaves nulls out, and these fields are required.
        "allowedCapabilities": [],
        "defaultAddCapabilities": [],
        # As without one: a pod that restricted-v2 admits gets that, for it is the more restrictive.
        "priority": 0,
        "readOnlyRootFilesystem": False,
        "requiredDropCapabilities": ["ALL"],
        "seccompProfiles": ["runtime/default"],
        **{field: {"type": strategy} for field, strategy in strategies.items()},
        "users": [],
        "groups": [],
        "volumes": [],
    }
    return {"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints",
            "metadata": {"name": name, "annotations": {"kubernetes.io/description": what}}, **spec}


def _role() -> Manifest:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": ROLE},
            "rules": [_using(SCC)]}


def _using(name: str) -> Manifest:
    return {"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"],
            "resourceNames": [name], "verbs": ["use"]}


def of_the_pair() -> list[Manifest]:
    """SCCs for the peer and for the operator, each with who may use it: no other account of the namespace."""
    peer = _basic(PEER_SCC, "The peer pod of aos-sno-pair: the host's network, processes and directories, root, and "
                            "the capabilities that its containers name. Nothing privileged.")
    peer |= {**dict.fromkeys(("allowHostDirVolumePlugin", "allowHostNetwork", "allowHostPID", "allowHostPorts"), True),
             "allowedCapabilities": list(PEER_CAPABILITIES), "runAsUser": {"type": "RunAsAny"},
             # By its source CRI-O confines no pod with hostPID; a range of labels would keep it from /run/aos.
             "seLinuxContext": {"type": "RunAsAny"}, "fsGroup": {"type": "RunAsAny"},
             "volumes": ["configMap", "emptyDir", "hostPath", "persistentVolumeClaim", "projected", "secret"]}
    operator = _basic(OPERATOR_SCC, "The operator of aos-sno-pair: the host's network, and a user of its own that is "
                                    "not root. Nothing else.")
    operator |= {"allowHostNetwork": True, "runAsUser": {"type": "MustRunAsNonRoot"},
                 "volumes": ["configMap", "emptyDir", "projected", "secret"]}
    return [peer, operator, *_use(PEER_SCC, rbac.ACCOUNT), *_use(OPERATOR_SCC, installation.ACCOUNT)]


def _use(name: str, account: str) -> list[Manifest]:
    """A Role with its binding in the pair's namespace."""
    meta = {"name": name, "namespace": installation.HOME}
    api = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": meta, "rules": [_using(name)]},
        {"apiVersion": f"{api}/v1", "kind": "RoleBinding", "metadata": meta,
         "roleRef": {"apiGroup": api, "kind": "Role", "name": name},
         "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": installation.HOME}]},
    ]
