"""The monitor at level 10: is it available, and as somebody wants it?"""

from __future__ import annotations

import pytest

from .node import WAITING
from .shop import Shop

UNREADY = {"conditions": [{"type": "Ready", "status": "False"}]}
AGAIN = {"spec": {"template": {"metadata": {"annotations": {"changed": "yes"}}}}}


@pytest.mark.situation("level 10: a rollout with surge")
def test_a_rollout_with_surge(shop: Shop) -> None:
    """More pods than asked for, the old one still serves."""
    shop.add(strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    assert shop.start().code == 0
    shop.node.status = WAITING
    shop.patch(AGAIN)
    shop.until(lambda: shop.get()["status"].get("replicas") == 2, "the surge")
    assert shop.deep().code == 0


@pytest.mark.situation("level 10: some replicas are available, not all")
def test_some_replicas(shop: Shop) -> None:
    shop.add(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})
    assert shop.start(replica_max=2).code == 0
    shop.node.status = WAITING
    shop.patch(AGAIN)
    shop.available(1)
    shop.until(lambda: len(shop.pods()) == 2, "the new pod")
    assert shop.deep(replica_max=2).code == 190


@pytest.mark.situation("level 10: the last change is not carried out yet")
def test_a_stale_generation(shop: Shop) -> None:
    shop.begun()
    shop.plane.freeze("kube-controller-manager")
    try:
        shop.patch(AGAIN)
        assert shop.deep().code == 190
    finally:
        shop.plane.thaw("kube-controller-manager")


@pytest.mark.situation("level 10: paused")
def test_paused(shop: Shop) -> None:
    shop.begun()
    shop.patch({"spec": {"paused": True}})
    shop.until(lambda: shop.get()["status"]["observedGeneration"] == shop.get()["metadata"]["generation"], "the pause")
    assert shop.deep().code == 190
    assert shop.monitor().code == 0


@pytest.mark.situation("level 10: none is available")
def test_none_is_available(shop: Shop) -> None:
    shop.begun()
    for pod in shop.pods():
        shop.node.say(pod["metadata"]["name"], {**UNREADY, "containerStatuses": WAITING["containerStatuses"]})
    shop.available(0)
    assert shop.deep().code == 190
    shop.remember("unavailable", 100)
    assert shop.deep().code == 1
    assert shop.monitor().code == 0, "the frequent one does not look so closely"


@pytest.mark.situation("level 10: the template lost its gate")
def test_the_template_lost_its_gate(shop: Shop) -> None:
    """Told as soon as the controller has seen the change, and nothing but "degraded" before and while it rolls out."""
    shop.begun()
    lose_the_gate(shop)
    shop.until(lambda: "well gated" in shop.deep().reason, "the agent to tell of the gate")
    assert set(shop.seen) == {("monitor", 190)}


@pytest.mark.situation("the template lost its gate, and its pods run without a permit")
def test_a_pod_without_a_gate_is_never_not_running(shop: Shop) -> None:
    """Nobody holds the permit any more, but the workload runs."""
    shop.begun()
    lose_the_gate(shop)
    shop.until(lambda: not shop.node.alive(), "the rollout")
    shop.available(1)
    shop.monitor()
    shop.remember("unheld", 100)
    assert shop.monitor().code != 7
    assert shop.deep().code != 7


@pytest.mark.situation("stop: the template lost its gate")
def test_a_stop_without_a_gate_believes_the_list(shop: Shop) -> None:
    """The witness knows nothing of the new pods."""
    shop.begun()
    lose_the_gate(shop)
    shop.until(lambda: not shop.node.alive(), "the rollout")
    assert shop.deep().code == 190
    server = shop.proxy.url
    shop.api_away()
    assert shop.stop(3).code == 1
    shop.ask_at(server)
    assert shop.stop().code == 0
    assert shop.pods() == []


def lose_the_gate(shop: Shop) -> None:
    shop.patch({"spec": {"template": {"spec": {"volumes": None, "containers": [{"name": "app", "image": "app"}]}}}})
