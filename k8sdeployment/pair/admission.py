"""What an API server refuses about gated pods before any kubelet sees it: ValidatingAdmissionPolicies, Kubernetes 1.30.

They keep people and programs from mistakes; the promise does not rest on them. Objects prove nothing to the agent, with
these policies or without (docs/permit.md, rules 2 and 10).

A gated pod is known by a hostPath volume at or below the permits, however the path is spelled. Pods alone are looked
at: whatever template they come from (ReplicaSets from before a change included), a pod is what runs, and what makes
pods tries again when it is refused. Nothing that is checked can be changed in a pod later, but for its list of
ephemeral containers.
"""

import re


from k8sdeployment.pair import paths
from k8sdeployment.pair.rbac import Manifest

GATE, DELETION, EVICTION, HOST_PATH = "aos-gate", "aos-forced-deletion", "aos-forced-eviction", "aos-host-path"
# Labels of a namespace. An eviction does not show the pod, so that only the namespace can tell.
GATED_LABEL, GATED = "snopair.dev/gated", "true"
HOST_PATH_LABEL, PERMITS_ONLY = "snopair.dev/host-path", "permits-only"
SCC = "aos-permit"
SCC_ANNOTATION = "openshift.io/scc"

_API = "admissionregistration.k8s.io/v1"
_CREATED = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "Namespaced",
            "operations": ["CREATE"]}
_DEBUGGED = {**_CREATED, "resources": ["pods/ephemeralcontainers"], "operations": ["UPDATE"]}
_DELETED = {**_CREATED, "operations": ["DELETE"]}
# The API knows the subresource by its parent's group, whatever version of the Eviction a client sends.
_EVICTED = {**_CREATED, "resources": ["pods/eviction"]}


def policies(permit_dir: str = paths.PERMITS) -> list[Manifest]:
    """Every policy with its binding. ValueError for a permit directory that is no plain absolute path."""
    if not re.fullmatch(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+", permit_dir):
        raise ValueError(f"permit_dir={permit_dir!r} must be an absolute path of plain names, such as {paths.PERMITS}")
    return [
        *_policy(GATE, [_CREATED, _DEBUGGED], _gated("object", permit_dir), _gate_variables(permit_dir),
                 _gate_validations()),
        *_policy(DELETION, [_DELETED], _gated("oldObject", permit_dir), _deletion_variables(), [_deletion()]),
        *_policy(EVICTION, [_EVICTED], "", {}, [_eviction()], {GATED_LABEL: GATED}),
        *_policy(HOST_PATH, [_CREATED], "", {"narrow": _narrow(), "strangers": _strangers(permit_dir)}, [_host_path()]),
    ]


def namespace_labels(permits_only: bool = True) -> dict[str, str]:
    """Labels of a namespace that holds gated pods.

    Pod Security's level must be `privileged`, for `baseline` and `restricted` forbid every hostPath; `permits_only`
    takes back what that opens for volumes: no other hostPath but permits.
    """
    levels = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "audit", "warn")}
    narrow = {HOST_PATH_LABEL: PERMITS_ONLY} if permits_only else {}
    return {**levels, GATED_LABEL: GATED, **narrow}


def _policy(name: str, rules: list[Manifest], condition: str, variables: dict[str, str],
            validations: list[Manifest], namespaces: dict[str, str] | None = None) -> list[Manifest]:
    """A policy and its binding; it fails closed: an expression that cannot be evaluated refuses."""
    spec: Manifest = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules}}
    if condition:
        spec["matchConditions"] = [{"name": "concerned", "expression": condition}]
    if variables:
        spec["variables"] = [{"name": key, "expression": value} for key, value in variables.items()]
    spec["validations"] = validations
    binding: Manifest = {"policyName": name, "validationActions": ["Deny"]}
    if namespaces:
        binding["matchResources"] = {"namespaceSelector": {"matchLabels": namespaces}}
    return [_manifest("ValidatingAdmissionPolicy", name, spec),
            _manifest("ValidatingAdmissionPolicyBinding", name, binding)]


def _manifest(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": _API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _pattern(permit_dir: str) -> str:
    """A regular expression for paths at or below the permits, also with //, /./ or by way of the link /var/run."""
    slash = r"/(\.?/)*"
    aliases = f"({slash}var)?" if permit_dir.startswith("/run/") else ""
    parts = [re.escape(part) for part in f"{permit_dir}/permits".split("/")[1:]]
    return f"^{aliases}{''.join(slash + part for part in parts)}(/.*)?$"


def _at_permits(permit_dir: str) -> str:
    """CEL: whether the volume `v` is at a permit."""
    return f"v.?hostPath.?path.orValue('').matches(r'{_pattern(permit_dir)}')"


def _gated(pod: str, permit_dir: str) -> str:
    return f"{pod}.spec.?volumes.orValue([]).exists(v, {_at_permits(permit_dir)})"


# -- a whole gate or none ------------------------------------------------------------------------------------------

_LISTS = ("containers", "initContainers", "ephemeralContainers")
_MOUNTS = "c.?volumeMounts.orValue([])"
_OF_PERMIT = "m.name == variables.permit.name"


def _gate_variables(permit_dir: str) -> dict[str, str]:
    return {
        "permits": f"object.spec.?volumes.orValue([]).filter(v, {_at_permits(permit_dir)})",
        "permit": "variables.permits[0]",
        "owners": "object.metadata.?ownerReferences.orValue([]).filter(o, o.?controller.orValue(false) && "
                  "o.apiVersion.startsWith('apps/'))",
        # A Deployment's ReplicaSet is called like it, with the hash that its pods carry as a label.
        "hash": "'-' + object.metadata.?labels[?'pod-template-hash'].orValue('')",
        "workloads": "variables.owners.filter(o, o.kind == 'StatefulSet' || (o.kind == 'ReplicaSet' && "
                     "variables.hash != '-' && o.name.endsWith(variables.hash))).map(o, o.kind == 'StatefulSet' ? "
                     "'statefulset/' + o.name : "
                     "'deployment/' + o.name.substring(0, o.name.size() - variables.hash.size()))",
        "own": f"variables.workloads.map(w, '{permit_dir}/permits/' + request.namespace + '/' + w)",
        "unmounted": _names(f"!{_MOUNTS}.exists(m, {_OF_PERMIT})"),
        "writable": _names(f"{_MOUNTS}.exists(m, {_OF_PERMIT} && !m.?readOnly.orValue(false))"),
        "partial": _names(f"{_MOUNTS}.exists(m, {_OF_PERMIT} && (m.?subPath.orValue('') != '' || "
                          "m.?subPathExpr.orValue('') != ''))"),
    }


def _names(condition: str) -> str:
    """CEL: the names of all containers for which the condition on `c` holds, joined by commas."""
    lists = (f"object.spec.?{field}.orValue([]).filter(c, {condition}).map(c, c.name)" for field in _LISTS)
    return f"({' + '.join(lists)}).join(', ')"


def _gate_validations() -> list[Manifest]:
    named = "'The pod names the permit ' + variables.permit.hostPath.path + "
    return [
        _refusal("size(variables.permits) == 1",
                 "'The pod has ' + string(size(variables.permits)) + ' hostPath volumes at permits; one is its own.'"),
        # A pod that lost its labels, and so its owner, may still be debugged.
        _refusal("request.operation != 'CREATE' || size(variables.workloads) > 0",
                 named + "', but belongs to no Deployment and no StatefulSet: a permit is for the pods of one.'"),
        _refusal("request.operation != 'CREATE' || size(variables.workloads) == 0 || "
                 "variables.own.exists(path, path == variables.permit.hostPath.path)",
                 named + "', but its own is ' + variables.own.join(', ') + ', spelled exactly so.'"),
        _refusal("variables.permit.hostPath.?type.orValue('') == 'File'",
                 "'The hostPath of volume ' + variables.permit.name + ' must be of type File: with another type "
                 "kubelet does not wait for the permit, or writes it itself.'"),
        _refusal("variables.unmounted == ''",
                 "'Volume ' + variables.permit.name + ' must be mounted by every container, init and debug containers "
                 "too; it is not by: ' + variables.unmounted + '. What does not mount the permit is not held back.'"),
        _refusal("variables.writable == ''",
                 "'Volume ' + variables.permit.name + ' must be mounted with readOnly: true; it is not by: ' + "
                 "variables.writable + '.'"),
        _refusal("variables.partial == ''",
                 "'Volume ' + variables.permit.name + ' must be mounted without subPath and subPathExpr; it is not by: "
                 "' + variables.partial + '.'"),
        _refusal("object.spec.?terminationGracePeriodSeconds.orValue(30) > 0",
                 "'The pod\\'s terminationGracePeriodSeconds must not be 0: a deleted pod would vanish from the API "
                 "while its containers run.'"),
        _refusal("object.spec.?hostUsers.orValue(true) != false",
                 "'The pod\\'s hostUsers must not be false: a gated pod runs in the user namespace of its host.'"),
    ]


def _refusal(expression: str, message: str, reason: str = "Invalid") -> Manifest:
    """Unless the expression holds, the request is refused with the CEL text `message`."""
    return {"expression": expression, "messageExpression": message, "reason": reason}


# -- forced removals -----------------------------------------------------------------------------------------------

def _deletion_variables() -> dict[str, str]:
    """The API server writes 0 into the options of whoever deletes a pod that no kubelet has, or has ended."""
    statuses = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    running = " || ".join(f"oldObject.?status.?{field}.orValue([]).exists(c, c.?state.?running.hasValue())"
                          for field in statuses)
    return {
        "grace": "request.?options.?gracePeriodSeconds.orValue("
                 "oldObject.spec.?terminationGracePeriodSeconds.orValue(30))",
        "node": "oldObject.spec.?nodeName.orValue('')",
        "running": running,
        # The pod garbage collector says Failed of pods whose node it lost; their containers' states stay as they were.
        "ended": "oldObject.?status.?phase.orValue('') in ['Succeeded', 'Failed'] && !variables.running",
    }


def _deletion() -> Manifest:
    return _refusal(
        "variables.grace > 0 || variables.node == '' || variables.ended || "
        "request.userInfo.username == 'system:node:' + variables.node",
        "'Pod ' + oldObject.metadata.name + ' is gated and may still run: with gracePeriodSeconds 0 (--force) only its "
        "node ' + variables.node + ' may delete it. Delete it without --force, or stop the workload.'",
        "Forbidden")


def _eviction() -> Manifest:
    return _refusal(
        "object.?deleteOptions.?gracePeriodSeconds.orValue(1) > 0",
        "'In a namespace with gated pods nothing is evicted with gracePeriodSeconds 0: the pod would be gone from the "
        "API while its containers run. Leave gracePeriodSeconds out.'",
        "Forbidden")


# -- no other hostPath ---------------------------------------------------------------------------------------------

def _narrow() -> str:
    """A variable, for the namespace of a match condition is empty (seen: `no such key: metadata`, 1.34)."""
    return (f"namespaceObject.metadata.?labels[?'{HOST_PATH_LABEL}'].orValue('') == '{PERMITS_ONLY}' || "
            f"object.metadata.?annotations[?'{SCC_ANNOTATION}'].orValue('') == '{SCC}'")


def _strangers(permit_dir: str) -> str:
    return (f"object.spec.?volumes.orValue([]).filter(v, has(v.hostPath) && !({_at_permits(permit_dir)}))"
            ".map(v, v.name + ' (' + v.hostPath.path + ')').join(', ')")


def _host_path() -> Manifest:
    return _refusal(
        "!variables.narrow || variables.strangers == ''",
        "'The only hostPath volume allowed here is the permit of the pod\\'s own workload; these are others: ' + "
        "variables.strangers + '.'",
        "Forbidden")
