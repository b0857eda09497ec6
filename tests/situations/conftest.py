"""A control plane for the whole run, a namespace for each test, and the map: a test shows what its row promises."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from lab.plane import Plane

from ..agent import conftest as agent
from ..agent.kernel import needs_host
from ..agent.tls import Authority
from . import rows
from .proxy import Proxy, proxied
from .shop import Seen, Shop

installed = agent.installed
permit_dir = agent.permit_dir
PASSED = pytest.StashKey[bool]()
_NUMBERS = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each needs Kubernetes' own binaries, which a fresh machine builds for minutes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)
            item.add_marker(needs_host)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The keys of the proxies."""
    return Authority(tmp_path_factory.mktemp("front"))


@pytest.fixture
def proxy(plane: Plane, front: Authority) -> Iterator[Proxy]:
    with proxied(plane, front) as running:
        yield running


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Iterator[Seen]:
    """What the agent answers in a test. It is held against the test's rows of docs/situations.md in the end."""
    answers: Seen = {}
    yield answers
    if not request.node.stash.get(PASSED, False):
        return  # its own failure says more
    for marker in request.node.iter_markers("situation"):
        lacking = rows.shortcomings(rows.load()[marker.args[0]], answers)
        assert not lacking, f"{marker.args[0]}: {'; '.join(lacking)}"


@pytest.fixture
def shop(plane: Plane, proxy: Proxy, tmp_path: Path, permit_dir: Path, installed: Path,
         seen: Seen) -> Iterator[Shop]:
    """A namespace without a workload yet, and a node beside it."""
    made = Shop(plane, f"shop-{next(_NUMBERS)}", tmp_path, permit_dir, installed, proxy, seen)
    made.open()
    with made.node:
        yield made
