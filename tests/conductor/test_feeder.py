"""A watchdog that two must feed; the watchdog itself is the lab's stand-in, a FIFO."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8sdeployment.conductor import pill
from k8sdeployment.conductor.feeder import FAREWELL, FED, Feeder
from k8sdeployment.pair import guard


class Bench:
    """Both ends: what sbd writes, and what the watchdog gets."""

    def __init__(self, directory: Path) -> None:
        os.mkfifo(directory / "watchdog")
        self._reads = os.open(directory / "watchdog", os.O_RDONLY | os.O_NONBLOCK)
        self.of = Feeder(str(directory / "watchdog"), str(directory / "feed"), 15)
        self.sbd = os.open(directory / "feed", os.O_WRONLY)

    def writes(self, what: bytes = FED) -> None:
        os.write(self.sbd, what)

    def ends(self) -> None:
        os.close(self.sbd)
        self.sbd = -1

    def got(self, good: bool = True) -> bytes | None:
        """What reaches the watchdog at one look; None: nobody has it open."""
        self.of.look(good)
        try:
            return os.read(self._reads, 100) or None
        except BlockingIOError:
            return b""

    @property
    def state(self) -> tuple[bool, bool]:
        return self.of.armed, self.of.disarmed


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    if made.sbd >= 0:
        made.ends()


def test_the_watchdog_runs_once_sbd_feeds_and_is_fed_while_both_do(bench: Bench) -> None:
    assert bench.got() is None and bench.state == (False, False)
    bench.writes()
    assert bench.got() == FED and bench.state == (True, False)
    assert bench.got() == b"", "sbd was silent"
    bench.writes()
    assert bench.got(good=False) == b"", "the other one does not agree"
    assert bench.got() == b"", "what was written meanwhile does not count later"
    bench.writes(FED * 3)
    assert bench.got() == FED


def test_it_is_disarmed_when_sbd_takes_its_leave_and_has_let_go(bench: Bench) -> None:
    bench.writes()
    assert bench.got() == FED
    bench.writes(FAREWELL)
    assert bench.got() == b"" and bench.state == (True, False)
    bench.ends()
    assert bench.got() == FAREWELL and bench.got() is None
    assert bench.state == (False, True)


def test_a_killed_sbd_leaves_it_armed(bench: Bench) -> None:
    bench.writes()
    assert bench.got() == FED
    bench.ends()
    assert bench.got() == b"" and bench.state == (True, False)


def test_it_is_not_disarmed_against_the_other_ones_will(bench: Bench) -> None:
    bench.writes()
    assert bench.got() == FED
    bench.writes(FAREWELL)
    bench.ends()
    assert bench.got(good=False) == b"" and bench.state == (True, False)


def test_a_watchdog_that_is_not_there_is_told(tmp_path: Path) -> None:
    of = Feeder(str(tmp_path / "none"), str(tmp_path / "feed"), 15)
    os.write(os.open(tmp_path / "feed", os.O_WRONLY), FED)
    with pytest.raises(FileNotFoundError):
        of.look(True)


def test_workloads_have_stopped_when_pacemaker_left_in_order_or_all_know_of_them(tmp_path: Path) -> None:
    left, maintained = tmp_path / "left", tmp_path / "maintained"
    assert not pill.in_order(left, maintained)
    maintained.write_text(f"{time.monotonic() - guard.STALE - 1:.0f}\n")
    assert not pill.in_order(left, maintained), "nobody has looked since"
    maintained.write_text(f"{time.monotonic():.0f}\n")
    assert pill.in_order(left, maintained)
    maintained.unlink()
    left.touch()
    assert pill.in_order(left, maintained)
