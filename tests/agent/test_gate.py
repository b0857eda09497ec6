"""The gate: a pod template is well gated, not at all, or half; and half is an error that names everything missing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from k8sdeployment.agent import gate

DIRECTORY = "/run/aos"
PATH = "/run/aos/permits/default/deployment/app"
Spec = dict[str, Any]


def pod_spec() -> Spec:
    mount = {"name": "permit", "mountPath": "/permit", "readOnly": True}
    return {"volumes": [{"name": "data", "emptyDir": {}},
                        {"name": "permit", "hostPath": {"path": PATH, "type": "File"}}],
            "initContainers": [{"name": "init", "volumeMounts": [dict(mount)]}],
            "containers": [{"name": "one", "volumeMounts": [{"name": "data", "mountPath": "/d"}, dict(mount)]},
                           {"name": "two", "volumeMounts": [dict(mount)]}]}


def workload(spec: Spec) -> Spec:
    return {"kind": "Deployment", "metadata": {"name": "app", "uid": "d"}, "spec": {"template": {"spec": spec}}}


def pod(spec: Spec, phase: str = "Running") -> Spec:
    return {"metadata": {"name": "app-1", "uid": "p"}, "spec": spec, "status": {"phase": phase}}


def replica_set(spec: Spec, replicas: int) -> Spec:
    return {"metadata": {"name": "app-old", "uid": "r"}, "spec": {"replicas": replicas, "template": {"spec": spec}}}


def ungated() -> Spec:
    spec = pod_spec()
    spec["volumes"].pop()
    for container in spec["initContainers"] + spec["containers"]:
        container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != "permit"]
    return spec


def state(item: Spec, sets: list[Spec] | None = None, members: list[Spec] | None = None) -> tuple[str, list[str]]:
    return gate.inspect(item, sets or [], members or [], PATH, DIRECTORY)


def test_a_whole_gate() -> None:
    assert state(workload(pod_spec()), [replica_set(pod_spec(), 1)], [pod(pod_spec())]) == (gate.WHOLE, [])


def test_no_gate() -> None:
    assert state(workload(ungated()), [replica_set(ungated(), 1)], [pod(ungated())])[0] == gate.NONE


def test_a_trailing_slash_is_the_same_path() -> None:
    spec = pod_spec()
    spec["volumes"][1]["hostPath"]["path"] += "/"
    assert state(workload(spec)) == (gate.WHOLE, [])


def change(*steps: object, to: object = None) -> Callable[[Spec], None]:
    """Sets (or with no `to` removes) what lies at the end of some keys."""
    def apply(spec: Spec) -> None:
        item: Any = spec
        for step in steps[:-1]:
            item = item[step]
        if to is None:
            del item[steps[-1]]
        else:
            item[steps[-1]] = to
    return apply


HALF: dict[str, tuple[Callable[[Spec], None], str]] = {
    "type missing": (change("volumes", 1, "hostPath", "type"), "type must be File"),
    "type FileOrCreate": (change("volumes", 1, "hostPath", "type", to="FileOrCreate"), "type must be File"),
    "type empty": (change("volumes", 1, "hostPath", "type", to=""), "type must be File"),
    "another workload's permit": (change("volumes", 1, "hostPath", "path", to=PATH + "2"), "no hostPath volume for"),
    "the directory": (change("volumes", 1, "hostPath", "path", to=DIRECTORY + "/permits"), "no hostPath volume for"),
    "not mounted": (change("containers", 1, "volumeMounts"), "container two does not mount permit"),
    "another volume mounted": (change("containers", 1, "volumeMounts", 0, "name", to="x"), "two does not mount"),
    "init does not mount": (change("initContainers", 0, "volumeMounts", to=[]), "container init does not mount"),
    "writable": (change("containers", 0, "volumeMounts", 1, "readOnly"), "container one must mount permit readOnly"),
    "readOnly false": (change("containers", 0, "volumeMounts", 1, "readOnly", to=False), "must mount permit readOnly"),
    "subPath": (change("containers", 1, "volumeMounts", 0, "subPath", to="x"), "without subPath"),
    "subPathExpr": (change("containers", 1, "volumeMounts", 0, "subPathExpr", to="$(X)"), "without subPath"),
    "no grace": (change("terminationGracePeriodSeconds", to=0), "terminationGracePeriodSeconds must not be 0"),
    "user namespace": (change("hostUsers", to=False), "hostUsers must not be false"),
    "a debug container": (change("ephemeralContainers", to=[{"name": "debug"}]), "debug does not mount"),
    "two volumes": (change("volumes", 0, to={"name": "again", "hostPath": {"path": PATH, "type": "File"}}),
                    "more than one volume"),
}


@pytest.mark.parametrize("fault", HALF)
@pytest.mark.parametrize("where", ["template", "replica set", "pod"])
def test_half_a_gate_is_named_wherever_it_is(fault: str, where: str) -> None:
    broken, words = pod_spec(), HALF[fault][1]
    HALF[fault][0](broken)
    whole = pod_spec()
    found, faults = {"template": lambda: state(workload(broken)),
                     "replica set": lambda: state(workload(whole), [replica_set(broken, 1)]),
                     "pod": lambda: state(workload(whole), [], [pod(broken)])}[where]()
    assert found == gate.HALF
    assert any(words in text for text in faults), faults


def test_every_fault_is_named() -> None:
    spec = pod_spec()
    for fault in ("type missing", "not mounted", "init does not mount", "no grace", "user namespace"):
        HALF[fault][0](spec)
    assert len(state(workload(spec))[1]) == 5


@pytest.mark.parametrize("where", ["replica set", "pod"])
def test_something_ungated_beside_a_gated_template_is_half(where: str) -> None:
    """An old ReplicaSet that still has replicas, or a pod of the time before the gate, would run unseen."""
    sets, members = ([replica_set(ungated(), 1)], []) if where == "replica set" else ([], [pod(ungated())])
    assert state(workload(pod_spec()), sets, members)[0] == gate.HALF


def test_an_old_replica_set_without_replicas_and_a_finished_pod_do_not_matter() -> None:
    members = [pod(ungated(), "Succeeded"), pod(ungated(), "Failed")]
    assert state(workload(pod_spec()), [replica_set(ungated(), 0)], members) == (gate.WHOLE, [])


def test_a_gated_pod_of_a_template_that_lost_its_gate() -> None:
    found, faults = state(workload(ungated()), [], [pod(pod_spec())])
    assert found == gate.HALF and "app-1" in faults[0]


@pytest.mark.parametrize("value", [None, [], {}])
def test_empty_parts_are_no_gate(value: object) -> None:
    assert state({"spec": {"template": {"spec": {"volumes": value, "containers": value}}}})[0] == gate.NONE
    assert state({})[0] == gate.NONE
    assert state({"spec": None})[0] == gate.NONE


def test_nothing_given_is_changed() -> None:
    spec = pod_spec()
    before = copy.deepcopy(spec)
    state(workload(spec), [replica_set(spec, 1)], [pod(spec)])
    assert spec == before


@pytest.mark.parametrize("before,after", [("/run/", "//run/"), ("/run/", "/var/run/"), ("/run/", "/run/./"),
                                          ("/aos/", "//aos/")])
def test_another_spelling_of_the_permits_path_is_a_gate_by_halves(before: str, after: str) -> None:
    """Not "no gate": under guard=auto such a workload would be started unguarded."""
    spec = pod_spec()
    volume = spec["volumes"][1]
    volume["hostPath"]["path"] = volume["hostPath"]["path"].replace(before, after, 1)
    assert state(workload(spec))[0] == gate.HALF
