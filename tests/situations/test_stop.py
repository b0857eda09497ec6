"""Stops: 0 on proof alone, and whatever it takes to get there."""

from __future__ import annotations

import json
import time

import pytest

from k8sdeployment.agent.permit import STOPPED, STOPPING

from ..agent.kernel import PYTHON
from . import faults
from .proxy import Exchange, Fault
from .shop import MERGE, SLACK, Shop

KEPT = {"metadata": {"finalizers": ["example.org/keep"]}}
SLOW = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit()))
signal.pause()
"""


@pytest.mark.situation("stop: of what runs")
def test_a_stop(shop: Shop) -> None:
    """The permit goes first; then exactly the listed pods, by UID and with their own grace."""
    shop.begun()
    shop.plane.freeze("kube-controller-manager")  # so that the agent deletes the pods itself
    states: list[str] = []

    def noted(exchange: Exchange) -> None:
        if exchange.asked.writes:
            states.append(shop.permit.state())
        exchange.forward()

    shop.proxy.fault = noted
    try:
        uid = shop.pods()[0]["metadata"]["uid"]
        assert shop.stop().code == 0
    finally:
        shop.plane.thaw("kube-controller-manager")
    assert [words.split("/")[0] for words in shop.proxy.writes()] == ["PATCH deployments", "DELETE pods"]
    assert set(states) == {STOPPING} and shop.permit.state() == STOPPED
    options = json.loads([one.body for one in shop.proxy.asked if one.method == "DELETE"][0])
    assert options["preconditions"] == {"uid": uid} and "gracePeriodSeconds" not in options
    assert shop.node.alive() == []


@pytest.mark.situation("stop: of what is stopped")
def test_already_stopped(shop: Shop) -> None:
    shop.begun()
    assert shop.stop().code == 0
    before = shop.proxy.connections
    assert shop.stop().code == 0
    assert shop.proxy.connections == before, "no API is needed for that"


@pytest.mark.situation("stop: a half state")
@pytest.mark.parametrize("half", ["granted, never scaled up", "scaled down, permit left", "cut short"])
def test_from_a_half_state(shop: Shop, half: str) -> None:
    shop.begun()
    if half != "cut short":
        shop.scale(0)
        shop.until(lambda: not shop.pods(), "the pods' end")
    if half == "granted, never scaled up":
        shop.write("DELETE", f"{shop.apps}/deployments/app", {})
        shop.add()
    if half == "cut short":
        shop.permit.withdraw()
    assert shop.stop().code == 0
    assert shop.permit.state() == STOPPED and shop.node.alive() == []


@pytest.mark.situation("stop: the workload does not exist, and no pod of it")
def test_nothing_there(shop: Shop) -> None:
    assert shop.stop(deployment="bare").code == 0
    assert shop.stop().code == 0


@pytest.mark.situation("stop: the workload was deleted, its pods live on")
def test_orphaned_pods(shop: Shop) -> None:
    shop.begun()
    shop.write("DELETE", f"{shop.apps}/deployments/app", {"propagationPolicy": "Orphan"})
    shop.until(lambda: shop.plane.ask("GET", f"{shop.apps}/deployments/app")[0] == 404, "the deletion")
    assert shop.node.alive()
    assert shop.stop().code == 0
    assert shop.node.alive() == []


@pytest.mark.situation("stop: the API is away, gated")
def test_without_the_api(shop: Shop) -> None:
    shop.begun().api_away()
    assert shop.stop(6).code == 0
    assert shop.node.alive() == [] and shop.permit.state() == STOPPED


@pytest.mark.situation("stop: the API is away, gated, local_stop off")
def test_without_the_api_and_without_leave(shop: Shop) -> None:
    shop.begun().api_away()
    assert shop.stop(2, local_stop="false").code == 1
    assert shop.permit.state() == STOPPING


@pytest.mark.alone
@pytest.mark.situation("stop: the API is away, unguarded")
def test_unguarded_without_the_api(shop: Shop) -> None:
    shop.begun("bare").api_away()
    began = time.monotonic()
    assert shop.stop(3, deployment="bare").code == 1
    assert 1.8 < time.monotonic() - began < 3.0 + SLACK


@pytest.mark.situation("stop: kubelet does nothing")
def test_kubelet_does_nothing(shop: Shop) -> None:
    """The API server took everything; the pod's process lives on."""
    shop.begun()
    shop.node.deaf = True
    assert shop.stop(9).code == 0
    assert shop.node.alive() == []


@pytest.mark.situation("stop: the pods take their time")
def test_a_long_pre_stop(shop: Shop) -> None:
    """As with a preStop hook: kubelet waits, and so does the stop."""
    shop.node.process = (PYTHON, "-c", SLOW)
    shop.add(pod={"terminationGracePeriodSeconds": 20})
    assert shop.start().code == 0
    began = time.monotonic()
    assert shop.stop().code == 0
    assert time.monotonic() - began > 1.0 and shop.node.alive() == []


@pytest.mark.situation("stop: a finalizer keeps the objects, gated")
def test_a_finalizer_gated(shop: Shop) -> None:
    """Objects that stay disprove nothing."""
    shop.begun()
    keep(shop, "app")
    assert shop.stop().code == 0
    assert shop.node.alive() == [] and len(shop.pods()) == 1


@pytest.mark.situation("stop: a finalizer keeps the objects, unguarded")
def test_a_finalizer_unguarded(shop: Shop) -> None:
    shop.begun("bare")
    name = keep(shop, "bare")
    assert shop.stop(4, deployment="bare").code == 1
    shop.write("PATCH", f"{shop.core}/pods/{name}", {"metadata": {"finalizers": None}}, MERGE)
    assert shop.stop(deployment="bare").code == 0


@pytest.mark.situation("stop: somebody scales up meanwhile, gated")
def test_scaled_up_meanwhile_gated(shop: Shop) -> None:
    """Harmless: what is created then cannot start. But somebody does not know of the pair."""
    shop.begun()
    shop.proxy.fault = faults.where(faults.of("PATCH"), scaling_up(shop, "app"))
    assert shop.stop().code == 0
    assert shop.node.alive() == [] and shop.get()["spec"]["replicas"] == 1


@pytest.mark.situation("stop: somebody scales up meanwhile, unguarded")
def test_scaled_up_meanwhile_unguarded(shop: Shop) -> None:
    shop.begun("bare")
    shop.proxy.fault = faults.where(faults.of("PATCH"), faults.first(2, scaling_up(shop, "bare")))
    assert shop.stop(deployment="bare").code == 0
    assert shop.get("bare")["spec"]["replicas"] == 0
    shop.proxy.fault = faults.where(faults.of("PATCH"), scaling_up(shop, "bare"))
    shop.scale(1, "bare")
    assert shop.stop(3, deployment="bare").code == 1


def scaling_up(shop: Shop, name: str) -> Fault:
    """Right after the agent's scale-down, as a GitOps loop does."""
    def fault(exchange: Exchange) -> None:
        answer = exchange.answer()
        shop.apply({"replicas": 1}, name)
        exchange.send(answer)
    return fault


@pytest.mark.situation("stop: foreign pods match the selector")
def test_foreign_pods(shop: Shop) -> None:
    shop.begun()
    spec = {"containers": [{"name": "x", "image": "x"}], "nodeName": "site-a", "serviceAccountName": "peer"}
    shop.write("POST", f"{shop.core}/pods", {"metadata": {"name": "foreign", "labels": {"app": "app"}}, "spec": spec})
    assert shop.stop().code == 0
    assert [pod["metadata"]["name"] for pod in shop.pods() if "deletionTimestamp" not in pod["metadata"]] == ["foreign"]


@pytest.mark.situation("stop: the write was applied, its answer was lost")
def test_a_lost_answer(shop: Shop) -> None:
    shop.begun()
    shop.proxy.fault = faults.where(lambda exchange: exchange.asked.writes, faults.first(2, faults.reset_after))
    assert shop.stop().code == 0
    assert shop.node.alive() == []


def keep(shop: Shop, name: str) -> str:
    """A finalizer on the pod; its name."""
    pod = str(shop.pods(name)[0]["metadata"]["name"])
    shop.write("PATCH", f"{shop.core}/pods/{pod}", KEPT, MERGE)
    return pod
