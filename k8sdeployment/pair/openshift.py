"""What OpenShift wants besides: a SecurityContextConstraints for gated pods. Never applied to an OpenShift by a test.

It is `restricted-v2` as OpenShift 4.11 and later ship it, with hostPath volumes on top. SCCs know no paths; the policy
`aos-host-path` narrows this one to permits, by the annotation that OpenShift's admission writes on every pod.
"""

from typing import Any

from k8sdeployment.pair.admission import SCC
from k8sdeployment.pair.rbac import Manifest

ROLE = "aos-permit-scc"
_RESTRICTED_VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
                       "secret")
_WHAT = "restricted-v2 with hostPath volumes, which the policy aos-host-path narrows to permits of aos-sno-pair."


def manifests() -> list[Manifest]:
    """The SCC, and a ClusterRole that lets those use it to whom it is bound."""
    return [_constraints(), _role()]


def _constraints() -> Manifest:
    denied = ("allowHostIPC", "allowHostNetwork", "allowHostPID", "allowHostPorts", "allowPrivilegeEscalation",
              "allowPrivilegedContainer")
    strategies = {"fsGroup": "MustRunAs", "runAsUser": "MustRunAsRange", "seLinuxContext": "MustRunAs",
                  "supplementalGroups": "RunAsAny"}
    spec: dict[str, Any] = {
        "allowHostDirVolumePlugin": True,
        **dict.fromkeys(denied, False),
        "allowedCapabilities": ["NET_BIND_SERVICE"],
        # No null here and below: `oc apply` leaves nulls out, and these fields are required.
        "defaultAddCapabilities": [],
        # As without one: a pod that restricted-v2 admits gets that, for it is the more restrictive.
        "priority": 0,
        "readOnlyRootFilesystem": False,
        "requiredDropCapabilities": ["ALL"],
        "seccompProfiles": ["runtime/default"],
        **{field: {"type": strategy} for field, strategy in strategies.items()},
        "users": [],
        "groups": [],
        "volumes": sorted((*_RESTRICTED_VOLUMES, "hostPath")),
    }
    return {"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints",
            "metadata": {"name": SCC, "annotations": {"kubernetes.io/description": _WHAT}}, **spec}


def _role() -> Manifest:
    rule = {"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"],
            "resourceNames": [SCC], "verbs": ["use"]}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": ROLE},
            "rules": [rule]}
