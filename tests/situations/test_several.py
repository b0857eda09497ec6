"""Several workloads in one resource: `deployment="db web"`."""

from __future__ import annotations

import pytest

from .proxy import Exchange
from .shop import Shop

BOTH = "db web"


@pytest.fixture
def both(shop: Shop) -> Shop:
    shop.add("db")
    shop.add("web")
    return shop


def running(shop: Shop) -> list[str]:
    return sorted({name.split("-")[0] for name in shop.node.alive()})


@pytest.mark.situation("several: start and stop")
def test_in_order_and_in_reverse(both: Shop) -> None:
    """web is scaled up only when db is available, and db down only when nothing of web runs."""
    beside: list[tuple[str, list[str]]] = []

    def noted(exchange: Exchange) -> None:
        if exchange.asked.method == "PATCH":
            beside.append((exchange.asked.path.split("/")[-2], running(both)))
        exchange.forward()

    both.proxy.fault = noted
    assert both.start(deployment=BOTH).code == 0
    assert beside == [("db", []), ("web", ["db"])]
    beside.clear()
    assert both.stop(deployment=BOTH).code == 0
    assert beside == [("web", ["db", "web"]), ("db", ["db"])]
    assert running(both) == []


@pytest.mark.situation("several: all run")
def test_one_list_for_a_monitor(both: Shop) -> None:
    assert both.start(deployment=BOTH).code == 0
    both.proxy.asked.clear()
    assert both.monitor(deployment=BOTH).code == 0
    assert [one.path for one in both.proxy.asked] == [f"{both.apps}/deployments"]
    assert both.probe(deployment=BOTH).code == 0


@pytest.mark.situation("several: none runs")
def test_none_runs(both: Shop) -> None:
    assert both.start(deployment=BOTH).code == 0
    assert both.stop(deployment=BOTH).code == 0
    both.proxy.asked.clear()
    assert both.monitor(deployment=BOTH).code == 7
    assert both.probe(deployment=BOTH).code == 7
    assert both.proxy.asked == []


@pytest.mark.situation("several: some run, some do not")
def test_mixed(both: Shop) -> None:
    assert both.start(deployment=BOTH).code == 0
    assert both.stop(deployment="web").code == 0
    assert both.monitor(deployment=BOTH).code == 1
    assert both.probe(deployment=BOTH).code == 1
    assert both.stop(deployment=BOTH).code == 0
    assert running(both) == []


@pytest.mark.situation("several: one of them does not exist")
def test_one_is_missing(shop: Shop) -> None:
    """Everything is looked at before anything is changed."""
    shop.add("db")
    assert shop.start(deployment=BOTH).code == 5
    assert shop.proxy.writes() == []
