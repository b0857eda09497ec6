"""Which removals of gated pods the policies of deploy/admission refuse, asked of a real API server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8sdeployment.pair import admission
from lab import waiting

from .policies import FORCE, GATED, NARROW, NODE, PLAIN, Api, Object, apply, path_of, pod

pytestmark = pytest.mark.beside


def stand(policed: Api, name: str, status: Object | None = None, **spec: Any) -> str:
    """A gated pod that is there, with this status; its name."""
    policed.stand(pod(**spec), name)
    if status is not None:
        policed.plane.kubectl("patch", "pod", name, "-n", PLAIN, "--subresource=status", "-p",
                              json.dumps({"status": status}))
    return name


def ran(state: Object, phase: str) -> Object:
    one = {"name": "one", "image": "app", "imageID": "x", "ready": False, "restartCount": 0, "state": state}
    return {"phase": phase, "containerStatuses": [one]}


RUNNING: Object = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
ENDED: Object = {"terminated": {"exitCode": 0}}
CONTROLLERS = "system:serviceaccount:kube-system"
COLLECTOR = f"{CONTROLLERS}:pod-garbage-collector"


@pytest.fixture(scope="module")
def running(policed: Api) -> str:
    return stand(policed, "running", ran(RUNNING, "Running"))


@pytest.mark.parametrize("who", ["", COLLECTOR, f"{CONTROLLERS}:namespace-controller"],
                         ids=["administrator", "pod garbage collector", "namespace controller"])
def test_a_forced_deletion_is_refused(policed: Api, running: str, who: str) -> None:
    """By whoever may delete pods."""
    assert "may still run: with gracePeriodSeconds 0 (--force) only its node site-a" in \
        policed.delete(running, *FORCE, by=who)


def test_a_forced_deletion_of_a_pod_that_is_terminating_is_refused(policed: Api) -> None:
    """What people do when a pod hangs in Terminating; only kubelet knows when it has ended."""
    name = stand(policed, "hanging", ran(RUNNING, "Running"))
    policed.plane.kubectl("delete", "pod", name, "-n", PLAIN, "--wait=false")
    assert "may still run" in policed.delete(name, *FORCE)
    assert policed.delete(name, *FORCE, by=f"system:node:{NODE}") == ""


def test_a_forced_deletion_of_many_is_refused(policed: Api, running: str) -> None:
    """A deletion of a collection is asked about for each of its pods."""
    path = f"/api/v1/namespaces/{PLAIN}/pods?fieldSelector=metadata.name={running}"
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"], "gracePeriodSeconds": 0}
    status, answer = policed.plane.ask("DELETE", path, options)
    assert status == 403 and "may still run" in answer["message"]
    assert policed.plane.ask("DELETE", path, {**options, "gracePeriodSeconds": 5})[0] == 200


def test_the_node_itself_finishes_its_deletions(policed: Api, running: str) -> None:
    """kubelet's last word on a pod is a deletion with grace 0. Kubernetes itself keeps another node from it."""
    assert policed.delete(running, *FORCE, by=f"system:node:{NODE}") == ""
    said = policed.delete(running, *FORCE, by="system:node:site-b")
    assert "can only delete pods with spec.nodeName set to itself" in said


@pytest.mark.parametrize("options", [(), ("--grace-period=5",), ("--now",)], ids=["default", "shorter", "now"])
def test_an_orderly_deletion_is_admitted(policed: Api, running: str, options: tuple[str, ...]) -> None:
    """The agent's own is one with the pod's default."""
    assert policed.delete(running, *options) == ""


def test_a_pod_that_is_on_no_node_may_go_at_once(policed: Api) -> None:
    """The API server itself turns an orderly deletion of it into one with grace 0."""
    name = stand(policed, "unscheduled", nodeName=None)
    assert policed.delete(name) == "" and policed.delete(name, *FORCE) == ""


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_may_go_at_once(policed: Api, phase: str) -> None:
    name = stand(policed, f"ended-{phase.lower()}", ran(ENDED, phase))
    assert policed.delete(name) == "" and policed.delete(name, by=COLLECTOR) == ""


def test_failed_by_the_collectors_word_alone_has_not_ended(policed: Api) -> None:
    """It says Failed of pods whose node it lost, then deletes them; kubelet's last word was: running."""
    name = stand(policed, "lost", ran(RUNNING, "Failed"))
    assert "may still run" in policed.delete(name, *FORCE, by=COLLECTOR)
    assert policed.delete(name, *FORCE, by=f"system:node:{NODE}") == ""


def test_a_pod_from_before_the_policy_with_a_grace_of_0(policed: Api) -> None:
    """Its default is a forced deletion; with a grace in the request it may go."""
    policed.plane.kubectl("delete", "validatingadmissionpolicybinding", admission.GATE)
    bad = pod(terminationGracePeriodSeconds=0)
    waiting.until(lambda: policed.create(bad)[0] == 201, "the policy's end", 20)
    policed.stand(bad, "old")
    apply(policed)
    assert "may still run" in policed.delete("old")
    assert policed.delete("old", "--grace-period=1") == ""


def test_the_deletion_of_a_namespace_is_not_held_up(policed: Api) -> None:
    """Its controller deletes the pods with their own grace; then kubelet ends them."""
    made = pod(path_of("app", namespace="doomed"), namespace="doomed")
    policed.namespace("doomed", {})
    policed.stand(made, "last")
    policed.plane.kubectl("delete", "namespace", "doomed", "--wait=false")
    path = "/api/v1/namespaces/doomed/pods/last"
    waiting.until(lambda: policed.plane.ask("GET", path)[1]["metadata"].get("deletionTimestamp"), "the deletion", 30)
    kubelet = (f"--as=system:node:{NODE}", "--as-group=system:nodes")
    policed.plane.kubectl(*kubelet, "delete", "pod", "last", "-n", "doomed", *FORCE, "--wait=false")
    assert policed.plane.ask("GET", path)[0] == 404


def evict(policed: Api, namespace: str, **options: int) -> tuple[int, str]:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "x", "namespace": namespace},
            "deleteOptions": {"dryRun": ["All"], **options}}
    status, answer = policed.plane.ask("POST", f"/api/v1/namespaces/{namespace}/pods/x/eviction?dryRun=All", body)
    return status, str(answer.get("message", ""))


def test_a_forced_eviction_is_refused_where_the_namespace_says_so(policed: Api) -> None:
    """An eviction deletes without asking the policies for deletions, and does not show the pod."""
    for namespace in (GATED, NARROW, PLAIN):
        policed.stand(pod(path_of("app", namespace=namespace), namespace=namespace), "x")
        assert evict(policed, namespace)[0] == 201
        assert evict(policed, namespace, gracePeriodSeconds=1)[0] == 201
    for namespace in (GATED, NARROW):
        status, message = evict(policed, namespace, gracePeriodSeconds=0)
        assert status == 403 and "nothing is evicted with gracePeriodSeconds 0" in message
    assert evict(policed, PLAIN, gracePeriodSeconds=0)[0] == 201, "without the label nobody can tell"
