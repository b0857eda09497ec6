"""Probes: what runs here after a boot, a restart of Pacemaker, or by somebody's hand."""

from __future__ import annotations

import time

import pytest

from .shop import Shop


@pytest.mark.situation("gated: it runs, the API is away")
def test_what_is_held_runs_whatever_the_api_says(shop: Shop) -> None:
    shop.begun().api_away()
    assert shop.probe().code == 0


@pytest.mark.situation("unguarded: scaled up")
def test_scaled_up(shop: Shop) -> None:
    shop.add("bare", replicas=1)
    assert shop.probe(deployment="bare").code == 0


@pytest.mark.situation("unguarded: scaled down, and no pod of it left")
def test_scaled_down(shop: Shop) -> None:
    shop.add("bare")
    assert shop.probe(deployment="bare").code == 7


@pytest.mark.situation("unguarded: scaled down, a pod still ends")
def test_a_pod_still_ends(shop: Shop) -> None:
    """`status.replicas` counts it no more, yet it runs."""
    shop.add("bare", replicas=1, pod={"terminationGracePeriodSeconds": 60})
    shop.available(1, "bare")
    shop.node.deaf = True
    shop.scale(0, "bare")
    shop.until(lambda: not (shop.get("bare")["status"].get("replicas")), "the count of zero")
    assert shop.probe(deployment="bare").code == 1


@pytest.mark.alone
@pytest.mark.situation("unguarded: the API is away")
def test_unguarded_without_the_api(shop: Shop) -> None:
    shop.add("bare")
    shop.api_away()
    began = time.monotonic()
    assert shop.probe(3, deployment="bare").code == 1
    assert 1.5 < time.monotonic() - began < 3.0, "tries again until 70 % of its time are gone"


@pytest.mark.situation("a working API knows no such workload")
def test_no_such_workload(shop: Shop) -> None:
    assert shop.probe(deployment="bare").code == 7


@pytest.mark.situation("the namespace is deleted")
def test_the_namespace_is_deleted(shop: Shop) -> None:
    """By an administrator's kubeconfig: the pair's own rights in a namespace go with it."""
    shop.begun()
    shop.write("DELETE", f"/api/v1/namespaces/{shop.namespace}", {})
    shop.until(lambda: shop.plane.ask("GET", f"/api/v1/namespaces/{shop.namespace}")[0] == 404, "the deletion")
    everything = shop.plane.kubeconfig
    assert shop.monitor(kubeconfig=everything).code == 1
    assert shop.stop(kubeconfig=everything).code == 0
    assert shop.probe(kubeconfig=everything).code == 7
    assert shop.start(kubeconfig=everything).code == 5
    assert shop.probe(deployment="bare", guard="off", kubeconfig=everything).code == 7


@pytest.mark.situation("the passive site")
def test_the_passive_site_asks_nobody(shop: Shop) -> None:
    shop.begun()
    assert shop.stop().code == 0
    before = shop.proxy.connections
    assert shop.monitor().code == 7
    assert shop.passive().code == 7
    assert shop.probe().code == 7
    assert shop.proxy.connections == before


@pytest.mark.situation("the passive site, started behind the cluster's back")
def test_started_behind_the_clusters_back(shop: Shop) -> None:
    """Gated pods cannot start there; those of an unguarded workload do."""
    shop.add("bare")
    assert shop.passive(deployment="bare").code == 7
    shop.scale(1, "bare")
    assert shop.passive(deployment="bare").code == 0


@pytest.mark.situation("the passive site, unguarded, the API away")
def test_the_passive_site_of_an_unguarded_workload(shop: Shop) -> None:
    """Any other word than "not running" would restart the healthy copy."""
    shop.add("bare")
    assert shop.passive(deployment="bare").code == 7
    shop.api_away()
    assert shop.passive(2, deployment="bare").code == 7


@pytest.mark.situation("the passive site, unguarded, the API away for longer than api_grace")
def test_the_passive_site_beyond_the_grace(shop: Shop) -> None:
    shop.add("bare")
    assert shop.passive(deployment="bare").code == 7
    shop.api_away()
    shop.remember("stopped", 400, "bare")
    assert shop.passive(2, deployment="bare").code == 1
