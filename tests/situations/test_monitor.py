"""The frequent monitor of the active site: drift, deletion, an API that is away."""

from __future__ import annotations

import pytest

from .shop import MERGE, Shop


@pytest.mark.situation("as it should be")
def test_as_it_should_be(shop: Shop) -> None:
    shop.begun()
    assert shop.monitor().code == 0
    assert shop.deep().code == 0
    assert shop.probe().code == 0


@pytest.mark.situation("the workload was deleted")
def test_the_workload_was_deleted(shop: Shop) -> None:
    shop.begun()
    shop.write("DELETE", f"{shop.apps}/deployments/app", {})
    assert shop.monitor().code == 1


@pytest.mark.situation("somebody scaled it down, and it runs no more")
def test_scaled_down_and_gone(shop: Shop) -> None:
    shop.begun()
    shop.scale(0)
    shop.until(lambda: not shop.node.alive(), "the end of the pod")
    assert shop.monitor().code == 7


@pytest.mark.situation("somebody scaled it down, and it still runs")
def test_scaled_down_and_still_there(shop: Shop) -> None:
    shop.begun()
    shop.node.deaf = True
    shop.scale(0)
    assert shop.monitor().code == 1


@pytest.mark.situation("an autoscaler or a person set another count")
def test_an_autoscaler_sets_another_count(shop: Shop) -> None:
    shop.begun()
    path = f"{shop.apps}/deployments/app/scale?fieldManager=horizontal-pod-autoscaler"
    shop.write("PATCH", path, {"spec": {"replicas": 3}}, MERGE)
    assert shop.monitor().code == 190
    assert shop.monitor(drift="fail").code == 1


@pytest.mark.situation("a GitOps loop applied another count")
def test_a_gitops_loop_applies_another_count(shop: Shop) -> None:
    """Server-side apply with force, as Argo CD and Flux do."""
    shop.begun()
    shop.apply({"replicas": 2})
    assert shop.monitor().code == 190


@pytest.mark.situation("gated: it runs, the API server is away")
def test_the_api_server_is_away(shop: Shop) -> None:
    """The real one, killed."""
    shop.begun()
    shop.ask_at(shop.plane.url)
    shop.trust(shop.plane.authority)
    shop.plane.stop_api()
    try:
        assert shop.monitor().code == 190
        assert shop.deep().code == 190
    finally:
        shop.plane.start_api()
    shop.until(lambda: shop.monitor().code == 0, "all well again")


@pytest.mark.situation("gated: it runs, the API server hangs")
def test_the_api_server_hangs(shop: Shop) -> None:
    """It accepts connections, by the kernel's grace, and says nothing."""
    shop.begun()
    shop.ask_at(shop.plane.url)
    shop.trust(shop.plane.authority)
    shop.plane.freeze("kube-apiserver")
    try:
        assert shop.monitor(2).code == 190
        assert shop.probe(2).code == 0
    finally:
        shop.plane.thaw("kube-apiserver")


@pytest.mark.situation("gated: nobody holds the permit, the API is away")
def test_nobody_holds_it_and_the_api_is_away(shop: Shop) -> None:
    shop.begun()
    crash(shop)
    shop.api_away()
    assert shop.monitor().code == 190
    shop.remember("unheld", 100)
    assert shop.monitor().code == 1


@pytest.mark.situation("gated: nobody holds the permit, the API says available")
def test_a_status_that_lies(shop: Shop) -> None:
    """As after a crash that a dead kubelet does not report."""
    shop.begun()
    crash(shop)
    assert shop.status() == 1
    assert shop.monitor().code == 0, "for a while: a container may be restarting"
    shop.remember("unheld", 100)
    assert shop.monitor().code == 7


@pytest.mark.situation("unguarded: the API is away, not for long")
def test_unguarded_within_the_grace(shop: Shop) -> None:
    shop.begun("bare").api_away()
    assert shop.monitor(2, deployment="bare").code == 190


@pytest.mark.situation("unguarded: the API is away for longer than api_grace")
def test_unguarded_beyond_the_grace(shop: Shop) -> None:
    shop.begun("bare").api_away()
    shop.remember("confirmed", 400, "bare")
    assert shop.monitor(2, deployment="bare").code == 1


@pytest.mark.situation("unguarded: the API is away, never seen running since the boot")
def test_unguarded_never_confirmed(shop: Shop) -> None:
    shop.add("bare", replicas=1)
    shop.api_away()
    assert shop.monitor(2, deployment="bare").code == 1


def crash(shop: Shop) -> None:
    """The process ends and kubelet says nothing of it."""
    shop.node.deaf = True
    for name in shop.node.alive():
        shop.node.running[name].kill()
        shop.node.running[name].wait(20)
