"""Two real sites for the whole run, and the pair on them. `--lab NAME` uses a lab that is up and leaves it up.

Nothing runs beside tests that time the pair or watch it: the oracle would miss a sample, and rightly judge nothing.
Those that do neither say so (`pytestmark = pytest.mark.beside`); all others are marked `alone`.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import pairing, record, up
from lab.calm import calm, explain
from lab.oracle import WORKLOADS, Oracle
from lab.record import Event
from lab.sites import Lab
from lab.state import LabState
from lab.verdict import judge
from lab.verdict_model import Expectations, Outcome, Start, Verdict

from .pairs import restored, three
from .policies import policed
from .trial import trial

OWN = "test"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=2, help="random moments at which something of the pair is killed")
    parser.addoption("--kills-seed", type=int, default=None, help="the same moments again")
    parser.addoption("--held", type=float, default=30, help="seconds for which scenario 28 holds a peer back")
    parser.addoption("--lab", default=os.environ.get("AOS_TEST_LAB"), help="a lab that is up already; it is left up")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)
            if item.get_closest_marker("beside") is None:
                item.add_marker(pytest.mark.alone)


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Two sites, both Ready."""
    given = request.config.getoption("--lab")
    if given:
        yield Lab.attach(given)
        return
    if os.geteuid() != 0:
        pytest.skip("the lab needs root: run as root, or with sudo")
    if not (shutil.which("podman") or shutil.which("docker")):
        pytest.skip("the lab needs podman or docker: run make setup")
    state = LabState(OWN)
    up.down(state)
    try:
        up.up(state, lambda line: print(line, flush=True))
        yield Lab.attach(OWN)
    finally:
        up.down(state)


@pytest.fixture(scope="session")
def pair(lab: Lab) -> Lab:
    """The pair on the lab, its workload running."""
    if not pairing.where(lab):
        pairing.install(lab)
    return lab


@pytest.fixture
def calm_pair(pair: Lab) -> Lab:
    """The pair in its ordinary state: its own CR on both sites, both online, the workload served from site-a."""
    restored(pair)
    calm(pair)
    return pair


class Watch:
    """An oracle's watch over a scenario, and what it found."""

    def __init__(self, lab: Lab, path: Path, workloads: tuple[str, ...] = WORKLOADS) -> None:
        self.lab, self.path = lab, path
        self._oracle = Oracle(lab, path, workloads)

    def __enter__(self) -> Watch:
        self._oracle.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._oracle.stop()

    def expect(self, expected: Expectations) -> None:
        """Tell the record what it cannot know."""
        self.lab.event("expect", None, expected.as_json())

    def told(self, site: str) -> Start:
        """From now on the cluster may run the workload on this site."""
        return Start(site, time.monotonic())

    def verdict(self, bound: float = 30.0) -> Verdict:
        return judge(record.read(self.path), bound=bound)

    def events(self) -> list[Event]:
        return list(record.read(self.path).events)


@pytest.fixture
def watch(pair: Lab, tmp_path: Path) -> Callable[..., Watch]:
    """Makes a watch on the pair: `watch()`, or `watch("default/app", "default/web")`."""
    return lambda *workloads: Watch(pair, tmp_path / "record.jsonl", workloads or WORKLOADS)


def held(verdict: Verdict, *invariants: str) -> None:
    """Every named invariant was judged and held; the evidence is the failure's text."""
    wrong = [f"{finding.invariant} {finding.outcome.value}: {finding.evidence}" for finding in verdict.findings
             if finding.invariant in invariants and finding.outcome is not Outcome.HELD]
    assert not wrong, "\n".join(wrong)


__all__ = ["Watch", "explain", "held", "policed", "three", "trial"]
