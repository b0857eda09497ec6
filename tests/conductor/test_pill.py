"""The first process of the sbd container. sbd itself and a disk: tests/lab/test_pill.py."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from k8sdeployment.conductor import pill, shared_disk
from k8sdeployment.conductor.syslog import Words


DUMPED = """==Dumping header on disk {disk}
Header version     : 2.1
UUID               : 84ced3ab-a7a1-45d4-96aa-cc2547af4659
Number of slots    : 255
Sector size        : 512
Timeout (watchdog) : {fed}
Timeout (allocate) : 2
Timeout (loop)     : 1
Timeout (msgwait)  : {message}
==Header on disk {disk} is dumped
"""
NAME = "84ced3ab-a7a1-45d4-96aa-cc2547af4659"


class Sbd:
    """sbd, as far as its header goes, in the words of the real one: `dump` succeeds once there is one."""

    def __init__(self, there: bool = False, makes: bool = True, fed: int = 5, message: int = 10) -> None:
        self.there, self.makes, self.fed, self.message = there, makes, fed, message
        self.made: list[str] = []

    def __call__(self, argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert argv[:2] == ["sbd", "-d"]
        if argv[-1] == "create":
            assert argv[3:-1] == ["-1", "5", "-4", "10"]
            self.made.append(argv[2])
            self.there = self.makes
            return subprocess.CompletedProcess(argv, 0 if self.makes else 1, "", "no way\n")
        assert argv[-1] == "dump"
        text = DUMPED.format(disk=argv[2], fed=self.fed, message=self.message) if self.there else ""
        return subprocess.CompletedProcess(argv, 0 if self.there else 1, text, "")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    file = tmp_path / "disk"
    file.write_bytes(bytes(shared_disk.HEADER * 2))
    return file


def test_a_header_that_is_there_is_left_alone(disk: Path) -> None:
    sbd = Sbd(there=True)
    assert shared_disk.prepare(str(disk), True, sbd) == "" and not sbd.made


def test_a_header_is_made_on_a_blank_disk_by_whoever_may(disk: Path) -> None:
    sbd = Sbd()
    assert "the pair's first site may make" in shared_disk.prepare(str(disk), False, sbd) and not sbd.made
    assert shared_disk.prepare(str(disk), True, sbd) == "" and sbd.made == [str(disk)]
    assert shared_disk.prepare(str(disk), False, sbd) == ""


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("place", [0, 511, shared_disk.HEADER - 1])
def test_what_somebody_keeps_on_the_disk_is_never_written_over(disk: Path, place: int, first: bool) -> None:
    with disk.open("r+b") as file:
        file.seek(place)
        file.write(b"x")
    sbd = Sbd()
    assert "is left alone; wipe its first MiB if it is free" in shared_disk.prepare(str(disk), first, sbd)
    assert not sbd.made


def test_a_disk_that_is_not_there_or_takes_nothing_is_told(disk: Path) -> None:
    assert "cannot be read: No such file" in shared_disk.prepare(f"{disk}-2", True, Sbd())
    disk.write_bytes(b"")
    said = shared_disk.prepare(str(disk), True, Sbd())
    assert "is left alone" in said, "nothing was read, so nothing is known to be blank"
    disk.write_bytes(bytes(shared_disk.HEADER))
    said = shared_disk.prepare(str(disk), True, Sbd(makes=False))
    assert said == "sbd's header cannot be made on the shared disk: no way"


@pytest.mark.parametrize("fed, message", [(5, 9), (15, 30), (20, 60)])
def test_a_header_by_which_a_site_may_end_too_late_or_the_agent_gives_up_is_not_used(
        disk: Path, fed: int, message: int) -> None:
    said = shared_disk.prepare(str(disk), True, Sbd(there=True, fed=fed, message=message))
    assert "at least twice the watchdog's and below 30 s" in said and f"msgwait {message} s" in said


def test_a_site_says_on_which_disk_it_listens_while_it_does(tmp_path: Path) -> None:
    """By what the header says now: another one may have been made there."""
    mark, said = tmp_path / "armed", tmp_path / "said"
    ask = (sys.executable, "-S", "-c", f"print(open({str(said)!r}).read())")
    said.write_text(DUMPED.format(disk="d", fed=5, message=10))
    assert pill.armed(mark) == ""
    _shown(pill.Shown(mark, os.getpid(), ask), lambda: pill.armed(mark) == NAME)
    said.write_text("something else")
    _shown(pill.Shown(mark, os.getpid(), ask), lambda: pill.armed(mark) == "")
    said.write_text(DUMPED.format(disk="d", fed=5, message=10))
    ended = subprocess.Popen(["true"])
    ended.wait()
    shown = pill.Shown(mark, ended.pid, ask)
    _shown(shown, mark.exists)
    assert pill.armed(mark) == "", "whoever says it has gone"


def _shown(shown: pill.Shown, good: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not good():
        assert time.monotonic() < until
        shown.look()
        time.sleep(0.02)


@pytest.mark.parametrize("text", ["", "12", "x y", "1 2 3"])
def test_what_is_no_mark_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "mark").write_text(text)
    assert pill.armed(tmp_path / "mark") == ""


def test_a_watchdog_gets_its_timeout_and_what_stands_for_one_cannot(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "-T" in pill.command("site-a", str(tmp_path / "fifo"))
    plain = pill.command("site-a", "/dev/watchdog")
    assert "-T" not in plain and plain[-1] == "watch" and ["-n", "site-a"] == plain[5:7]


class Output:
    """A container's output, and its syslog."""

    def __init__(self, directory: Path) -> None:
        self.reading, self.writing = os.pipe()
        self.words = Words(str(directory / "log"), self.writing)
        self.sbd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sbd.connect(str(directory / "log"))

    def read(self) -> str:
        return os.read(self.reading, 1 << 20).decode()


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Output]:
    made = Output(tmp_path)
    yield made
    made.sbd.close()
    os.close(made.reading)
    os.close(made.writing)


def test_what_sbd_logs_is_told_without_syslogs_stamp(output: Output) -> None:
    output.sbd.send(b"<29>Nov 28 01:02:03 sbd[12]:   notice: servant_md: Monitoring slot 0\0")
    output.words.relay(5.0)
    assert output.read() == "sbd[12]:   notice: servant_md: Monitoring slot 0\n"


def test_an_output_that_nobody_reads_does_not_keep_sbd_waiting(output: Output) -> None:
    """containerd is away: what sbd logs is dropped, for an sbd that waits is a host that its watchdog resets."""
    output.sbd.setblocking(False)
    for number in range(3000):
        output.sbd.send(b"<29>" + b"x" * 500 + str(number).encode())
        output.words.relay(5.0)
    assert len(output.read()) < 3000 * 500
