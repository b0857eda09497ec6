"""When the watchdog is fed no more, by what Corosync says of the quorum."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from k8sdeployment.conductor import pill
from k8sdeployment.conductor.guard import Guard, overdue
from k8sdeployment.pair import guard

# As corosync-quorumtool 3.1.7 prints it.
SAID = """Quorum information
------------------
Date:             Fri Nov 27 08:00:00 2026
Quorum provider:  corosync_votequorum
Nodes:            {nodes}
Node ID:          1
Ring ID:          1.9
Quorate:          {quorate}

Votequorum information
----------------------
Expected votes:   3
Highest expected: 3
Total votes:      2
Quorum:           {quorum}
Flags:            {flags}
"""
YES = SAID.format(nodes=1, quorate="Yes", quorum="2  ", flags="Quorate Qdevice ")
NO = SAID.format(nodes=1, quorate="No", quorum="2 Activity blocked", flags="Qdevice ")
TWO_NODE = SAID.format(nodes=1, quorate="Yes", quorum="1  ", flags="2Node Quorate WaitForAll ")
SILENT = "import time; time.sleep(60)"


class Bench:
    """A guard whose clock goes as the test says; its sbd is this process."""

    def __init__(self, directory: Path) -> None:
        self.now, self.file, self.mark, self.had = 100.0, directory / "said", directory / "mark", directory / "had"
        program = f"exec(t) if (t := open({str(self.file)!r}).read()).startswith('import') else print(t)"
        self.ask = (sys.executable, "-S", "-c", program)
        self.says(YES)
        self.begin()

    def begin(self) -> None:
        self.of = Guard(self.mark, os.getpid(), self.had, self.ask, lambda: self.now)

    def says(self, text: str) -> None:
        self.file.write_text(text)

    @property
    def ends(self) -> bool:
        return bool(self.of.look())

    def answered(self) -> None:
        """One question, and its answer."""
        self.now += guard.LOOK
        self.of.look()
        end = time.monotonic() + 20
        while self.of._question is not None:
            assert time.monotonic() < end
            self.of.look()
            time.sleep(0.01)

    def overdue(self) -> str:
        return overdue(self.had, self.ask, lambda: self.now)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_site_says_that_it_is_guarded_once_it_has_quorum(bench: Bench) -> None:
    assert bench.mark.read_text() and pill.armed(bench.mark) == "", "Pacemaker may start, and nobody counts on it yet"
    bench.answered()
    assert pill.armed(bench.mark) == guard.ARMED and not bench.ends


def test_a_site_that_has_quorum_by_its_own_vote_does_not_say_so(bench: Bench) -> None:
    bench.says(TWO_NODE)
    bench.answered()
    assert pill.armed(bench.mark) == "" and not bench.ends


def test_without_quorum_the_site_ends_and_nothing_changes_that(bench: Bench) -> None:
    bench.answered()
    bench.says(NO)
    while bench.now < 100 + guard.REFUSED:
        bench.answered()
        assert not bench.ends, bench.now
    bench.answered()
    bench.answered()
    assert bench.ends and pill.armed(bench.mark) == ""
    bench.says(YES)
    bench.answered()
    assert bench.ends and pill.armed(bench.mark) == ""


def test_quorum_that_comes_back_in_time_is_no_loss(bench: Bench) -> None:
    for said in (YES, NO, NO, YES, NO, NO, YES):
        bench.says(said)
        bench.answered()
    assert not bench.ends


def test_a_corosync_that_says_nothing_has_a_little_longer(bench: Bench) -> None:
    bench.answered()
    bench.says(SILENT)
    bench.now += guard.LOOK
    assert not bench.ends
    bench.now = 101 + guard.UNKNOWN
    assert not bench.ends
    bench.now += 1
    assert bench.ends


def test_a_site_that_never_had_quorum_is_left_alone(bench: Bench) -> None:
    bench.says(NO)
    for _ in range(4):
        bench.answered()
        bench.now += guard.UNKNOWN
    assert not bench.ends and not bench.overdue()


def test_a_guard_that_is_started_anew_counts_on(bench: Bench) -> None:
    """It takes the running watchdog over, and the other site has its predecessor's word."""
    bench.answered()
    bench.says(NO)
    bench.now += guard.REFUSED - guard.LOOK
    bench.begin()
    bench.answered()
    assert not bench.ends
    bench.answered()
    assert bench.ends


@pytest.mark.parametrize("said", [NO, SILENT, "nonsense"])
def test_a_watchdog_that_is_to_end_the_site_is_not_fed_by_a_new_peer(bench: Bench, said: str) -> None:
    bench.answered()
    bench.says(said)
    bench.now = 101 + guard.REFUSED
    assert not bench.overdue()
    bench.now += 1
    assert "left to end it" in bench.overdue()
    bench.says(YES)
    assert not bench.overdue()


def test_what_an_earlier_peer_left_unreadable_counts_as_old(bench: Bench) -> None:
    bench.had.write_text("")
    bench.says(NO)
    assert bench.overdue()


def test_without_room_to_remember_it_a_site_does_not_say_that_it_is_guarded(bench: Bench) -> None:
    bench.had.parent.joinpath(".had").mkdir()
    bench.answered()
    assert pill.armed(bench.mark) == ""


def test_sbd_without_a_disk_gets_its_time_by_the_command_line(tmp_path: Path) -> None:
    words = pill.command("site-a", "/dev/watchdog", disk=False)
    assert words[:3] == ["sbd", "-1", "15"] and "-d" not in words and words[-1] == "watch"
