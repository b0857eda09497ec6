"""What a conductor knows of the other site's watchdog, and when it knows nothing any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8sdeployment.conductor.guarded import Guarded
from k8sdeployment.pair import guard
from k8sdeployment.pair.facts import Facts
from k8sdeployment.pair.roll import Lock
from k8sdeployment.pair.status import Node
from tests.pair.test_summary import node

HERE, LOST = node("site-b"), node("site-b", online=False, clean=False)
ARMED = Facts("0.1.0", pill=guard.ARMED)


class Bench:
    def __init__(self, directory: Path) -> None:
        self.now, self.directory = 1000.0, directory / "guarded"
        self.begin()

    def begin(self) -> None:
        self.of = Guarded(self.directory, self.maintained, lambda: self.now)

    @property
    def maintained(self) -> Path:
        return self.directory.with_name("maintained")

    def look(self, seen: Node | None, told: Facts | None, lock: Lock | None = None, after: float = 5.0,
             maintenance: bool = False) -> str:
        """What the file holds then, "" without one."""
        self.now += after
        self.of.look("site-b", seen, told, lock, maintenance)
        file = self.directory / "site-b"
        return file.read_text().strip() if file.exists() else ""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_last_word_of_a_site_that_vanished_stands(bench: Bench) -> None:
    assert bench.look(HERE, ARMED) == "1005"
    assert bench.look(LOST, None) == "1010" and bench.look(None, None) == "1015"


@pytest.mark.parametrize("told", [None, Facts("0.1.0"), Facts("0.1.0", pill="u-1")])
def test_a_site_that_is_there_and_does_not_say_it_is_not_guarded(bench: Bench, told: Facts | None) -> None:
    """After a boot, say: its sbd of now may not have seen quorum yet."""
    assert bench.look(HERE, ARMED) and not bench.look(HERE, told) and not bench.look(LOST, None)


def test_a_site_that_renews_its_peer_is_not_guarded_whatever_it_said(bench: Bench) -> None:
    lock = Lock(False, "site-b", "uid", False)
    assert bench.look(HERE, ARMED) and not bench.look(HERE, ARMED, lock) and not bench.look(LOST, None, lock)
    assert not bench.look(LOST, None), "maintenance was ended by hand"
    assert bench.look(HERE, ARMED)


def test_a_renewal_of_this_site_changes_nothing(bench: Bench) -> None:
    assert bench.look(HERE, ARMED, Lock(False, "site-a", "uid", False))


def test_whoever_did_not_look_knows_nothing_of_a_site_that_vanished(bench: Bench) -> None:
    assert bench.look(HERE, ARMED)
    assert not bench.look(LOST, None, after=guard.STALE + 1)
    assert bench.look(HERE, ARMED)
    bench.begin()
    assert not bench.look(LOST, None), "a new conductor has heard nothing yet"


def test_in_maintenance_nobody_counts_on_a_watchdog_and_this_site_may_let_go_of_its_own(bench: Bench) -> None:
    assert bench.look(HERE, ARMED) and not bench.maintained.exists()
    assert not bench.look(HERE, ARMED, maintenance=True) and bench.maintained.read_text().strip() == "1010"
    assert not bench.look(LOST, None) and not bench.maintained.exists(), "it may have gone in maintenance"
    assert bench.look(HERE, ARMED)
