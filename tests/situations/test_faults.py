"""What comes back is no usable answer: the proxy in front of the real API server goes wrong in every known way."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ..agent import tls
from ..agent.cluster import Result
from . import faults
from .proxy import Fault, Proxy, none
from .shop import Shop

SECONDS = 3.0  # Pacemaker's timeout in these tests


def row(name: str, fault: Fault = none, before: Callable[[socket.socket], bool] = lambda raw: True) -> object:
    """One fault with the situation that it is; `before` goes wrong before TLS begins."""
    return pytest.param(fault, before, marks=pytest.mark.situation(name), id=name.replace(" ", "-").replace(",", ""))


def reset_at_once(raw: socket.socket) -> bool:
    tls.reset(raw)
    return False


def timed(action: Callable[[], Result]) -> Result:
    """Whatever is wrong, Pacemaker need not kill the agent."""
    began = time.monotonic()
    result = action()
    assert time.monotonic() - began < SECONDS
    return result


@pytest.mark.parametrize("fault,before", [
    row("the connection is reset at once", before=reset_at_once),
    row("the connection is taken, TLS never begins", before=lambda raw: False),
    row("a request is taken, no answer comes", faults.silent),
    row("the connection is closed without an answer", faults.closed),
    row("the connection is reset in place of an answer", faults.reset),
    row("the answer's head drips", faults.dripping("head")),
    row("the answer's body drips", faults.dripping("body")),
    row("the answer is cut short", faults.cut),
    row("the answer's last chunk is missing", faults.cut_chunked),
    row("the answer is no whole JSON", faults.malformed),
    row("the answer is of another kind", faults.wrong_kind),
    row("a proxy's page with 200", faults.page()),
    row("a proxy's page with 502", faults.page("502 Bad Gateway")),
    row("a proxy's page with 404", faults.page("404 Not Found")),
    row("a redirect", faults.redirect),
    row("401 to everything", faults.status("401 Unauthorized")),
    row("429 with a Retry-After beyond the time", faults.too_many(3600)),
    row("500 to everything", faults.status("500 Internal Server Error")),
    row("503 to everything", faults.status("503 Service Unavailable")),
])
def test_no_usable_answer(shop: Shop, proxy: Proxy, fault: Fault, before: Callable[[socket.socket], bool]) -> None:
    """A probe cannot tell, a monitor believes the kernel, a start tries again until its time is up."""
    shop.begun()
    shop.add("bare")
    proxy.fault, proxy.before = fault, before
    with ThreadPoolExecutor(3) as pool:
        probe = pool.submit(timed, lambda: shop.probe(SECONDS, deployment="bare"))
        monitor = pool.submit(timed, lambda: shop.monitor(SECONDS))
        start = pool.submit(timed, lambda: shop.start(SECONDS, deployment="bare", guard="off"))
        assert (probe.result().code, monitor.result().code, start.result().code) == (1, 190, 1)
    assert proxy.writes() == []


@pytest.mark.situation("a list that is not whole")
def test_a_list_that_is_not_whole(shop: Shop) -> None:
    """An empty page of a list that has more is no proof of anything."""
    shop.add("bare")
    shop.proxy.fault = faults.unfinished_list
    assert shop.probe(2, deployment="bare").code == 1
    assert shop.stop(2, deployment="bare").code == 1


@pytest.mark.situation("a Retry-After within the time")
def test_retry_after_is_honoured(shop: Shop) -> None:
    shop.add("bare")
    shop.proxy.fault = faults.first(1, faults.too_many(1))
    began = time.monotonic()
    assert shop.probe(deployment="bare").code == 7
    assert time.monotonic() - began > 1.0
    shop.proxy.fault = faults.first(1, faults.too_many(1))
    assert shop.start(deployment="bare").code == 0


@pytest.mark.situation("a Retry-After beyond the time, at once")
def test_a_retry_after_beyond_the_time_ends_the_attempts(shop: Shop) -> None:
    shop.add("bare")
    shop.proxy.fault = faults.too_many(3600)
    began = time.monotonic()
    assert shop.probe(deployment="bare").code == 1
    assert time.monotonic() - began < 5.0, "of 14 s"


@pytest.mark.situation("a burst of 5xx")
def test_a_burst_of_5xx(shop: Shop) -> None:
    shop.add()
    shop.proxy.fault = faults.first(3, faults.status("503 Service Unavailable"))
    assert shop.start().code == 0
    shop.proxy.fault = faults.first(2, faults.status("500 Internal Server Error"))
    assert shop.stop().code == 0
    assert shop.node.alive() == []


@pytest.mark.situation("a slow network")
def test_slow_accept(shop: Shop) -> None:
    shop.add()
    shop.proxy.before = lambda raw: not shop.proxy.wait(0.2)
    assert shop.start().code == 0
    assert shop.deep().code == 0
    assert shop.stop().code == 0
