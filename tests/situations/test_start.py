"""Starts: what they refuse, what they put up with, when they are done."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from k8sdeployment.agent.permit import GRANTED

from . import faults
from .node import READY, WAITING
from .shop import MERGE, SLACK, Shop


@pytest.mark.situation("start: of what is stopped")
def test_a_start(shop: Shop) -> None:
    shop.add()
    assert shop.start().code == 0
    assert shop.proxy.writes() == ["PATCH deployments/app/scale"]
    assert len(shop.node.alive()) == 1


@pytest.mark.situation("start: it runs already")
def test_what_runs_is_left_alone(shop: Shop) -> None:
    shop.begun()
    pods = [pod["metadata"]["uid"] for pod in shop.pods()]
    assert shop.start().code == 0
    assert shop.proxy.writes() == []
    assert [pod["metadata"]["uid"] for pod in shop.pods()] == pods


@pytest.mark.situation("start: the workload does not exist here")
def test_no_such_workload(shop: Shop) -> None:
    assert shop.start().code == 5
    assert shop.validate().code == 5


@pytest.mark.alone
@pytest.mark.situation("start: the API is away until its time is up")
def test_the_api_stays_away(shop: Shop) -> None:
    shop.add()
    shop.api_away()
    began = time.monotonic()
    assert shop.start(3).code == 1
    assert 2.0 < time.monotonic() - began < 3.0 + SLACK, "tries again until nine tenths of its time are gone"


@pytest.mark.situation("start: the API server comes back meanwhile")
def test_the_api_server_comes_back(shop: Shop) -> None:
    """The real one, killed and started."""
    shop.add()
    shop.plane.stop_api()
    running = shop.meanwhile(lambda: shop.start(60))
    shop.until(lambda: shop.proxy.connections > 2, "attempts")
    shop.plane.start_api()
    assert running.result(60).code == 0


@pytest.mark.situation("start: the write was applied, its answer was lost")
def test_a_lost_answer(shop: Shop) -> None:
    shop.add()
    shop.proxy.fault = faults.where(faults.of("PATCH"), faults.first(1, faults.reset_after))
    assert shop.start().code == 0
    assert len(shop.node.alive()) == 1


@pytest.mark.situation("start: the pods do not become ready")
def test_pods_that_do_not_become_ready(shop: Shop) -> None:
    shop.add()
    shop.node.status = WAITING
    assert shop.start(3).code == 1


@pytest.mark.situation("start: a quota forbids the pods")
def test_a_quota(shop: Shop) -> None:
    shop.write("POST", f"{shop.core}/resourcequotas", {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}})
    shop.until(lambda: shop.plane.ask("GET", f"{shop.core}/resourcequotas/none")[1].get("status", {}).get("hard"),
               "the quota")
    shop.add()
    assert shop.start(3).code == 1


@pytest.mark.situation("start: leftovers of an earlier boot")
def test_leftovers(shop: Shop) -> None:
    """The API still shows the old pod ready; kubelet refuses to run it."""
    old = leftover(shop)
    assert shop.start().code == 0
    assert old not in [pod["metadata"]["name"] for pod in shop.pods()]
    assert len(shop.node.alive()) == 1


@pytest.mark.situation("start: a leftover that does not go")
def test_a_leftover_that_does_not_go(shop: Shop) -> None:
    """A finalizer holds its object; it runs nothing, so it is waited for a while only."""
    old = leftover(shop)
    shop.write("PATCH", f"{shop.core}/pods/{old}", {"metadata": {"finalizers": ["example.org/keep"]}}, MERGE)
    assert shop.start(8).code == 0
    assert old in [pod["metadata"]["name"] for pod in shop.pods()]
    assert len(shop.node.alive()) == 1


def leftover(shop: Shop) -> str:
    shop.add(replicas=1)
    shop.until(shop.pods, "the pod")
    name = str(shop.pods()[0]["metadata"]["name"])
    shop.node.say(name, READY)
    shop.available(1)
    return name


@pytest.mark.situation("start: somebody runs without a permit")
def test_a_stranger(shop: Shop) -> None:
    shop.add()
    stray = shop.permit_dir / "stray"
    stray.touch()
    shop.node.hold(str(stray), "stray")
    Path(shop.permit.path).parent.mkdir(parents=True)
    stray.rename(shop.permit.path)  # the holder's mount follows
    shop.permit.withdraw()
    assert shop.start().code == 1
    assert shop.stop(6).code == 0
    assert shop.node.alive() == []


@pytest.mark.situation("start: a stop comes in between")
def test_a_stop_comes_in_between(shop: Shop) -> None:
    shop.add()
    shop.node.status = WAITING
    running = shop.meanwhile(lambda: shop.start(30))
    shop.until(lambda: shop.permit.state() == GRANTED, "the grant")
    assert shop.stop().code == 0
    assert running.result(30).code == 1
    assert shop.node.alive() == []


@pytest.mark.situation("start: another start is under way")
def test_two_starts_at_once(shop: Shop) -> None:
    """As with `crm_resource --force-start` beside the cluster's own."""
    shop.add()
    shop.node.status = WAITING
    one = shop.meanwhile(lambda: shop.start(30))
    shop.until(lambda: shop.permit.state() == GRANTED and shop.node.alive(), "the first one's pod")
    asked = len(shop.proxy.asked)
    other = shop.meanwhile(lambda: shop.start(30))
    shop.until(lambda: len(shop.proxy.asked) > asked + 3, "the second one's look")
    shop.node.say(shop.node.alive()[0], READY)
    assert one.result(30).code == 0 and other.result(30).code == 0
    assert len(shop.node.running) == 1


@pytest.mark.situation("start: of a StatefulSet")
def test_a_stateful_set(shop: Shop) -> None:
    shop.add("set", kind="StatefulSet", serviceName="set")
    for action, code in ((shop.start, 0), (shop.monitor, 0), (shop.deep, 0), (shop.probe, 0), (shop.stop, 0),
                         (shop.probe, 7)):
        assert action(deployment="set", kind="StatefulSet").code == code
    assert shop.node.alive() == []


@pytest.mark.situation("start: unguarded")
def test_unguarded(shop: Shop) -> None:
    shop.add("bare")
    assert shop.start(deployment="bare").code == 0
    assert shop.monitor(deployment="bare").code == 0
