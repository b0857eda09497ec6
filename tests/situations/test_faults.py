"""What comes back is no usable answer: the proxy in front of the real API server goes wrong in every known way."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.plane import Plane

from ..agent import tls
from ..agent.cluster import Result
from ..agent.kernel import tmpfs
from ..agent.tls import Authority
from . import faults
from .proxy import Fault, none, proxied
from .shop import SLACK, Seen, Shop

# The agent's time is judged, and sites that are set up beside it were seen to take both processors for four seconds.
pytestmark = pytest.mark.alone
SECONDS = 3.0  # Pacemaker's timeout in these tests


def reset_at_once(raw: socket.socket) -> bool:
    tls.reset(raw)
    return False


def never(raw: socket.socket) -> bool:
    return False


# What goes wrong with a request, or (the first two) before TLS begins.
FAULTS: dict[str, tuple[Fault, Callable[[socket.socket], bool]]] = {
    "the connection is reset at once": (none, reset_at_once),
    "the connection is taken, TLS never begins": (none, never),
    **{name: (fault, lambda raw: True) for name, fault in {
        "a request is taken, no answer comes": faults.silent,
        "the connection is closed without an answer": faults.closed,
        "the connection is reset in place of an answer": faults.reset,
        "the answer's head drips": faults.dripping("head"),
        "the answer's body drips": faults.dripping("body"),
        "the answer is cut short": faults.cut,
        "the answer's last chunk is missing": faults.cut_chunked,
        "the answer is no whole JSON": faults.malformed,
        "the answer is of another kind": faults.wrong_kind,
        "a proxy's page with 200": faults.page(),
        "a proxy's page with 502": faults.page("502 Bad Gateway"),
        "a proxy's page with 404": faults.page("404 Not Found"),
        "a redirect": faults.redirect,
        "401 to everything": faults.status("401 Unauthorized"),
        "429 with a Retry-After beyond the time": faults.too_many(3600),
        "500 to everything": faults.status("500 Internal Server Error"),
        "503 to everything": faults.status("503 Service Unavailable"),
    }.items()},
}


@dataclass
class Trial:
    """What three actions answered through one faulty proxy, how long each took, and what was written meanwhile."""

    results: dict[str, Result]
    seconds: dict[str, float]
    writes: list[str]


@pytest.fixture(scope="module")
def steady(plane: Plane, front: Authority, tmp_path_factory: pytest.TempPathFactory,
           installed: Path) -> Iterator[Shop]:
    """A gated workload that runs, and an unguarded one that nobody started."""
    directory = tmp_path_factory.mktemp("steady")
    with tmpfs(directory / "aos") as permit_dir, proxied(plane, front) as proxy:
        made = Shop(plane, "steady", directory, permit_dir, installed, proxy, {})
        made.open()
        with made.node:
            made.begun().add("bare")
            yield made


@pytest.fixture(scope="module")
def trials(steady: Shop) -> Iterator[dict[str, Future[Trial]]]:
    """All faults are tried, three at a time: each costs its actions' whole time."""
    with ThreadPoolExecutor(3) as pool:
        yield {name: pool.submit(attempt, steady, name) for name in FAULTS}


def attempt(shop: Shop, name: str) -> Trial:
    kubeconfig = shop.directory / f"{abs(hash(name))}.conf"
    trial = Trial({}, {}, [])

    def timed(action: str, run: Callable[[], Result]) -> None:
        began = time.monotonic()
        trial.results[action] = run()
        trial.seconds[action] = time.monotonic() - began

    with proxied(shop.plane, shop.proxy.authority) as proxy:
        proxy.fault, proxy.before = FAULTS[name]
        kubeconfig.write_text(shop.kubeconfig.read_text().replace(shop.proxy.url, proxy.url))
        bare = {"deployment": "bare", "kubeconfig": str(kubeconfig)}
        with ThreadPoolExecutor(3) as pool:
            pool.submit(timed, "probe", lambda: shop.run("monitor", {}, SECONDS, **bare))
            pool.submit(timed, "monitor", lambda: shop.monitor(SECONDS, kubeconfig=kubeconfig))
            pool.submit(timed, "start", lambda: shop.run("start", {}, SECONDS, guard="off", **bare))
        trial.writes = proxy.writes()
    return trial


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.situation(name)) for name in FAULTS])
def test_no_usable_answer(trials: dict[str, Future[Trial]], seen: Seen, name: str) -> None:
    """A probe cannot tell, a monitor believes the kernel, a start tries again; Pacemaker need not kill any of them."""
    trial = trials[name].result(120)
    for action, result in trial.results.items():
        seen[action, result.code] = [result.reason]
    assert {action: result.code for action, result in trial.results.items()} == {"probe": 1, "monitor": 190, "start": 1}
    assert trial.seconds["probe"] < SECONDS and trial.seconds["monitor"] < SECONDS
    assert trial.seconds["start"] < SECONDS + SLACK
    assert trial.writes == []


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
    shop.proxy.fault = faults.first(1, faults.status("500 Internal Server Error"))
    assert shop.stop().code == 0
    assert shop.node.alive() == []


@pytest.mark.situation("a slow network")
def test_slow_accept(shop: Shop) -> None:
    shop.add()
    shop.proxy.before = lambda raw: not shop.proxy.wait(0.1)
    assert shop.start().code == 0
    assert shop.deep().code == 0
    assert shop.stop().code == 0
