"""Which pods are the workload's, and what they say of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from k8sdeployment.agent import pods

Object = dict[str, Any]
PATH = "/run/aos/permits/default/deployment/app"


def owner(kind: str, name: str, uid: str, controller: bool = True) -> Object:
    return {"kind": kind, "name": name, "uid": uid, "controller": controller}


def item(name: str, uid: str, *owners: Object, **more: Any) -> Object:
    return {"metadata": {"name": name, "uid": uid, "ownerReferences": list(owners)}, **more}


SETS = [item("app-1", "rs1", owner("Deployment", "app", "dep")),
        item("app-2", "rs2", owner("Deployment", "app", "dep")),
        item("app2-1", "rs3", owner("Deployment", "app2", "dep2")),
        item("app-was", "rs4", owner("Deployment", "app", "old"))]
PODS = [item("ours", "p1", owner("ReplicaSet", "app-1", "rs1")),
        item("ours-too", "p2", owner("ReplicaSet", "app-2", "rs2")),
        item("foreign", "p3", owner("ReplicaSet", "app2-1", "rs3")),
        item("bare", "p4"),
        item("not-controlled", "p5", owner("ReplicaSet", "app-1", "rs1", controller=False)),
        item("user-of-the-permit", "p6", spec={"volumes": [{"hostPath": {"path": PATH + "/"}}]}),
        item("user-of-another", "p7", spec={"volumes": [{"hostPath": {"path": PATH + "2"}}, {"emptyDir": {}}]}),
        item("of-an-earlier-deployment", "p8", owner("ReplicaSet", "app-was", "rs4"))]


def names(found: list[Object]) -> list[str]:
    return [pods.name(pod) for pod in found]


def owned(kind: str, uid: str, everything: list[Object] = PODS, path: str = PATH) -> list[str]:
    sets = pods.owned_sets(kind, "app", uid, SETS)
    return names(pods.owned(kind, "app", uid, sets, everything, path))


def test_by_owner_chain_or_by_permit() -> None:
    """Labels do not matter; a pod that uses the permit is the workload's whoever made it."""
    assert owned("Deployment", "dep") == ["ours", "ours-too", "user-of-the-permit"]


def test_with_the_workload_gone_its_orphans_are_still_its_own() -> None:
    assert owned("Deployment", "") == ["ours", "ours-too", "user-of-the-permit", "of-an-earlier-deployment"]


def test_orphaned_replica_sets_are_known_by_name() -> None:
    sets = [item("app-77", "rs9"), item("application", "rs8")]
    assert names(pods.owned_sets("Deployment", "app", "", sets)) == ["app-77"]
    assert pods.owned_sets("Deployment", "app", "dep", sets) == []


def test_a_statefulsets_pods_are_owned_directly() -> None:
    everything = [item("app-0", "p", owner("StatefulSet", "app", "sts")),
                  item("b-0", "q", owner("StatefulSet", "b", "x")),
                  item("app-x", "r", owner("ReplicaSet", "app-1", "rs1"))]
    assert pods.owned_sets("StatefulSet", "app", "sts", SETS) == []
    assert owned("StatefulSet", "sts", everything) == ["app-0"]
    assert owned("StatefulSet", "", everything) == ["app-0"]


def test_without_a_permit_path_only_owners_count() -> None:
    assert owned("Deployment", "dep", PODS, "") == ["ours", "ours-too"]


@pytest.mark.parametrize("broken", [{}, {"metadata": None}, {"metadata": []}, {"spec": None, "status": None},
                                    {"metadata": {"ownerReferences": None}}, {"spec": {"volumes": None}},
                                    {"spec": {"volumes": [{"hostPath": None}]}}, {"status": {"conditions": None}}])
def test_what_lacks_everything_is_nobodys_and_breaks_nothing(broken: Object) -> None:
    assert pods.owned("Deployment", "app", "dep", SETS, [broken], PATH) == []
    assert not pods.ready(broken) and not pods.terminal(broken) and not pods.leaving(broken)
    assert pods.marks([broken]) == set() and pods.grace([broken]) == 30
    assert pods.controller(broken) == {} and pods.uid(broken) == pods.name({}) == ""


def test_phases() -> None:
    assert [pods.terminal({"status": {"phase": phase}}) for phase in
            ("Pending", "Running", "Unknown", "Succeeded", "Failed")] == [False, False, False, True, True]


def test_a_terminating_pod_still_counts_as_there() -> None:
    assert pods.leaving({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert not pods.terminal({"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Running"}})


def test_readiness_is_the_ready_condition_alone() -> None:
    assert pods.ready({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    assert not pods.ready({"status": {"conditions": [{"type": "Ready", "status": "False"},
                                                     {"type": "ContainersReady", "status": "True"}]}})


def test_the_longest_grace_counts() -> None:
    def graced(value: object) -> Object:
        return {"spec": {"terminationGracePeriodSeconds": value}}
    assert pods.grace([graced(5), graced(90)]) == 90
    assert pods.grace([graced(5), {}]) == 30
    assert pods.grace([graced(5)]) == 5
    assert pods.grace([]) == 30


def test_marks_of_a_pod_in_cgroup_paths() -> None:
    pod = item("a", "uid-1", status={"containerStatuses": [{"containerID": "containerd://c1"}, {"containerID": None}],
                                     "initContainerStatuses": [{"containerID": "cri-o://c2"}, {}]})
    assert pods.marks([pod, item("b", "uid-2")]) == {"uid-1", "c1", "c2", "uid-2"}


def waiting(reason: str, message: str = "", where: str = "containerStatuses") -> Object:
    return item("app-x", "u", status={where: [{"state": {"waiting": {"reason": reason, "message": message}}}]})


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CrashLoopBackOff", "CreateContainerError"])
def test_a_container_says_why_it_waits(reason: str) -> None:
    assert pods.trouble([waiting(reason, "so\n it is")]) == f"pod app-x: {reason} (so it is)"
    assert pods.trouble([waiting(reason, where="initContainerStatuses")]) == f"pod app-x: {reason}"


def test_a_pod_that_cannot_be_scheduled_says_so() -> None:
    pod = item("app-x", "u", status={"conditions": [{"type": "PodScheduled", "status": "False",
                                                     "reason": "Unschedulable", "message": "0/1 nodes"}]})
    assert pods.trouble([pod]) == "pod app-x: Unschedulable (0/1 nodes)"


def test_the_ordinary_is_no_trouble() -> None:
    ready = item("ok", "u", status={"conditions": [{"type": "Ready", "status": "True"}]})
    assert pods.trouble([]) == pods.trouble([ready]) == ""
    assert pods.trouble([ready, waiting("ContainerCreating")]) == "pod app-x is not ready"


def test_a_long_reason_is_cut_to_one_line() -> None:
    assert len(pods.trouble([waiting("ImagePullBackOff", "x" * 5000)])) < 250
