"""What a conductor knows of the other site's watchdog or sbd, and when it knows nothing any more."""

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
DISK = Facts("0.1.0", pill="u-1")


class Bench:
    """A site whose other one says `armed` when it would end itself. `kind`: the directory of what is known."""

    def __init__(self, directory: Path, armed: Facts, kind: str) -> None:
        self.now, self.directory, self.armed, self.kind = 1000.0, directory, armed, kind
        self.mine: Facts | None = armed
        self.begin()

    def begin(self) -> None:
        self.of = Guarded(self.directory / "guarded", self.directory / "heard", self.maintained, lambda: self.now)

    @property
    def maintained(self) -> Path:
        return self.directory / "maintained"

    def look(self, seen: Node | None, told: Facts | None, lock: Lock | None = None, after: float = 5.0,
             maintenance: bool = False) -> str:
        """What the file holds then, "" without one."""
        self.now += after
        self.of.look("site-b", seen, told, self.mine, lock, maintenance)
        found = [file for kind in ("guarded", "heard") for file in [self.directory / kind / "site-b"] if file.exists()]
        assert [file.parent.name for file in found] in ([], [self.kind])
        return found[0].read_text().strip() if found else ""


@pytest.fixture(params=["guarded", "heard"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    armed = Facts("0.1.0", pill=guard.ARMED) if request.param == "guarded" else DISK
    return Bench(tmp_path, armed, request.param)


def test_the_last_word_of_a_site_that_vanished_stands(bench: Bench) -> None:
    assert bench.look(HERE, bench.armed) == "1005"
    assert bench.look(LOST, None) == "1010" and bench.look(None, None) == "1015"


@pytest.mark.parametrize("told", [None, Facts("0.1.0")])
def test_a_site_that_is_there_and_does_not_say_it_is_not_guarded(bench: Bench, told: Facts | None) -> None:
    """After a boot, say: its sbd of now may not have seen quorum yet."""
    assert bench.look(HERE, bench.armed) and not bench.look(HERE, told) and not bench.look(LOST, None)


def test_a_watchdog_alone_is_no_disk_and_a_disk_no_watchdog(tmp_path: Path) -> None:
    bench = Bench(tmp_path, DISK, "heard")
    assert bench.look(HERE, DISK)
    bench.kind = "guarded"
    assert bench.look(HERE, Facts("0.1.0", pill=guard.ARMED)) and bench.look(LOST, None)


@pytest.mark.parametrize("mine", [None, Facts("0.1.0"), Facts("0.1.0", pill="u-2")])
def test_a_pill_written_on_another_disk_is_not_heard(tmp_path: Path, mine: Facts | None) -> None:
    """While a claim is changed one peer reads the new disk and the other one the old one."""
    bench = Bench(tmp_path, DISK, "heard")
    assert bench.look(HERE, DISK)
    bench.mine = mine
    assert not bench.look(HERE, DISK) and not bench.look(LOST, None)


def test_a_site_that_renews_its_peer_is_not_guarded_whatever_it_said(bench: Bench) -> None:
    lock = Lock(False, "site-b", "uid", False)
    assert bench.look(HERE, bench.armed) and not bench.look(HERE, bench.armed, lock)
    assert not bench.look(LOST, None, lock)
    assert not bench.look(LOST, None), "maintenance was ended by hand"
    assert bench.look(HERE, bench.armed)


def test_a_renewal_of_this_site_changes_nothing(bench: Bench) -> None:
    assert bench.look(HERE, bench.armed, Lock(False, "site-a", "uid", False))


def test_whoever_did_not_look_knows_nothing_of_a_site_that_vanished(bench: Bench) -> None:
    assert bench.look(HERE, bench.armed)
    assert not bench.look(LOST, None, after=guard.STALE + 1)
    assert bench.look(HERE, bench.armed)
    bench.begin()
    assert not bench.look(LOST, None), "a new conductor has heard nothing yet"


def test_in_maintenance_nobody_counts_on_a_watchdog_and_this_site_may_let_go_of_its_own(bench: Bench) -> None:
    assert bench.look(HERE, bench.armed) and not bench.maintained.exists()
    assert not bench.look(HERE, bench.armed, maintenance=True) and bench.maintained.read_text().strip() == "1010"
    assert not bench.look(LOST, None) and not bench.maintained.exists(), "it may have gone in maintenance"
    assert bench.look(HERE, bench.armed)
