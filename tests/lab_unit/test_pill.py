"""The emulated watchdog, fed through a real FIFO; what is done at a site's boots and ends; loop devices."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

import pytest

from lab import loops, pill, waiting
from lab.oracle_facts import SELF_FENCE
from lab.oracle_proc import Life
from lab.pill_process import REBOOTED, Chip
from lab.record import Power
from lab.watchdog import Watchdog

LIMIT = 5.0
SIGKILLED = 137


class Bench:
    """A watchdog on a bench: a clock of its own, and what it did."""

    def __init__(self, fifo: Path) -> None:
        os.mkfifo(fifo)
        self.fifo, self.now = fifo, 100.0
        self.cuts: list[float] = []
        self.said: list[str] = []
        self.dog = Watchdog(fifo, lambda: self.cuts.append(self.now), self.said.append, LIMIT, lambda: self.now)

    def armed(self) -> bool:
        return self.dog.armed

    @contextmanager
    def user(self, *written: bytes) -> Iterator[int]:
        """Somebody who has it open, and wrote this."""
        descriptor = os.open(self.fifo, os.O_WRONLY)
        try:
            for one in written:
                os.write(descriptor, one)
            yield descriptor
        finally:
            os.close(descriptor)

    def after(self, seconds: float, looks: int = 10) -> None:
        """That time goes by, with so many looks."""
        for _ in range(looks):
            self.now += seconds / looks
            self.dog.look()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "watchdog")


def test_nobody_is_cut_before_the_first_byte(bench: Bench) -> None:
    bench.after(3 * LIMIT)
    with bench.user():
        bench.after(3 * LIMIT)
    bench.after(3 * LIMIT)
    assert not bench.armed() and bench.cuts == [] and bench.said == []


def test_the_first_byte_arms_it_and_silence_cuts_once(bench: Bench) -> None:
    with bench.user(b"\0"):
        bench.dog.look()
        assert bench.armed() and bench.said == ["armed"]
        bench.after(LIMIT)
        assert bench.cuts == []
        bench.after(4 * LIMIT, 40)
    assert len(bench.cuts) == 1 and 100 + LIMIT < bench.cuts[0] < 101 + LIMIT and not bench.armed()
    assert bench.said[1].startswith("silent for 5.")


def test_who_is_fed_does_not_cut(bench: Bench) -> None:
    with bench.user() as user:
        for _ in range(20):
            os.write(user, b"\0")
            bench.after(LIMIT * 0.9)
    assert bench.armed() and bench.cuts == []


def test_a_look_that_comes_late_takes_what_was_written_before_it_judges(bench: Bench) -> None:
    with bench.user(b"\0") as user:
        bench.dog.look()
        os.write(user, b"\0" * 9)
        bench.after(10 * LIMIT, 1)
        assert bench.cuts == []


def test_a_farewell_before_the_close_disarms_it(bench: Bench) -> None:
    with bench.user(b"\0", b"V"):
        bench.dog.look()
        assert bench.armed(), "it is open yet"
    bench.after(3 * LIMIT)
    assert bench.said == ["armed", "disarmed"] and bench.cuts == []


@pytest.mark.parametrize("written", [b"\0", b"V\0"], ids=["none", "taken back"])
def test_a_close_without_a_farewell_leaves_it_armed(bench: Bench, written: bytes) -> None:
    with bench.user(written):
        bench.dog.look()
    bench.after(3 * LIMIT)
    assert len(bench.cuts) == 1 and "disarmed" not in bench.said


def test_a_farewell_with_the_fifo_held_open_is_none(bench: Bench) -> None:
    with bench.user(b"V"):
        bench.after(3 * LIMIT)
    assert len(bench.cuts) == 1


def test_the_next_user_arms_it_again(bench: Bench) -> None:
    with bench.user(b"\0", b"V"):
        bench.dog.look()
    bench.after(LIMIT)
    with bench.user(b"\0"):
        bench.after(3 * LIMIT)
    assert bench.said[:3] == ["armed", "disarmed", "armed"] and len(bench.cuts) == 1


def test_a_cut_that_fails_is_tried_again(bench: Bench, tmp_path: Path) -> None:
    tries = iter([OSError("the engine is away")])

    def cut() -> None:
        bench.cuts.append(bench.now)
        for error in tries:
            raise error

    bench.dog = Watchdog(bench.fifo, cut, bench.said.append, LIMIT, lambda: bench.now)
    with bench.user(b"\0"):
        with pytest.raises(OSError, match="away"):
            bench.after(2 * LIMIT)
        bench.after(2 * LIMIT)
    assert len(bench.cuts) == 2


def test_by_the_real_clock(tmp_path: Path) -> None:
    """Written by another process, which is killed."""
    fifo, cuts = tmp_path / "watchdog", list[float]()
    os.mkfifo(fifo)
    dog = Watchdog(fifo, lambda: cuts.append(time.monotonic()), lambda text: None, limit=0.3)

    def look() -> bool:
        dog.look()
        return True

    feeder = subprocess.Popen(["sh", "-c", 'while printf x; do sleep 0.05; done > "$0"', str(fifo)])
    try:
        waiting.until(lambda: look() and dog.armed, "the first byte", 30)
    finally:
        killed = time.monotonic()
        feeder.kill()
        feeder.wait()
    waiting.until(lambda: look() and cuts, "the cut", 30)
    assert cuts[0] > killed + 0.1


# -- boots and ends --------------------------------------------------------------------------------------------------

class Machine:
    """A site; `code` is the engine's word for its end."""

    name = "site-a"
    boot: Optional[Life] = None
    code: Optional[int] = None

    def exit_code(self) -> Optional[int]:
        return self.code

    def look(self) -> tuple[Power, Optional[Life]]:
        return (Power.ON if self.boot else Power.OFF), self.boot


class Beside:
    """A chip beside a machine, and what it noted."""

    def __init__(self, bench: Bench, devices: Path) -> None:
        self.machine, self.noted = Machine(), list[tuple[str, str]]()
        for number in range(loops.NODES):
            (devices / f"loop{number}").touch()
        self.chip = Chip(self.machine, self.machine, bench.dog, os.makedev(loops.MAJOR, 255),
                         lambda what, detail: self.noted.append((what, detail)), lambda pid: devices)

    def on(self, pid: int = 1) -> None:
        self.machine.boot, self.machine.code = Life(pid, pid, True), None
        self.chip.look()

    def off(self, code: Optional[int]) -> None:
        self.machine.boot, self.machine.code = None, code
        self.chip.look()


@pytest.fixture
def beside(bench: Bench, tmp_path: Path) -> Beside:
    devices = tmp_path / "dev"
    devices.mkdir()
    return Beside(bench, devices)


@pytest.mark.parametrize("code, noted", [(REBOOTED, [(SELF_FENCE, "by reboot(2)")]), (SIGKILLED, [])])
def test_an_end_is_noted_once_if_the_site_brought_it_about(
        beside: Beside, code: int, noted: list[tuple[str, str]]) -> None:
    beside.on()
    beside.off(None)
    assert beside.noted == [], "the engine has not seen it yet"
    for _ in range(3):
        beside.off(code)
    assert beside.noted == noted
    beside.on(2)
    assert beside.noted == noted


def test_a_site_that_was_off_from_the_beginning_did_nothing(beside: Beside) -> None:
    beside.off(REBOOTED)
    assert beside.noted == []


@pytest.mark.parametrize("seen_off", [True, False])
def test_the_watchdog_of_a_dead_boot_does_not_cut_the_next_one(bench: Bench, beside: Beside, seen_off: bool) -> None:
    beside.on()
    with bench.user(b"\0"):
        beside.chip.look()
        assert bench.armed()
    if seen_off:
        beside.off(SIGKILLED)
    beside.on(2)
    for _ in range(20):
        bench.now += LIMIT
        beside.chip.look()
    assert bench.cuts == []


@pytest.mark.skipif(os.geteuid() != 0, reason="device nodes need root; run the tests as root")
def test_a_site_is_given_the_loop_devices_that_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "loop0").touch()
    loops.furnish(tmp_path)
    assert not (tmp_path / "loop0").is_block_device(), "what is there stays"
    assert (tmp_path / "loop9").stat().st_rdev == os.makedev(7, 9) and (tmp_path / "loop9").is_block_device()


# -- loop devices ----------------------------------------------------------------------------------------------------

@pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root; run the tests as root")
def test_what_stands_on_a_labs_file_is_detached_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    disk = pill._disk(tmp_path / "one" / "disk")
    try:
        assert pill._disk(tmp_path / "one" / "disk") == disk, "what is there already stays"
        loops.release(tmp_path / "on")
        loops.release(tmp_path / "other")
        assert loops.over_files(tmp_path / "one") == [disk]
        assert Path(disk).is_block_device() and loops.over_device(os.stat(disk).st_rdev) == []
        (tmp_path / "one" / "disk").unlink()
    finally:
        loops.release(tmp_path / "one")
    assert loops.over_files(tmp_path / "one") == []


def test_a_device_over_the_disk_is_told_by_the_disk_s_number_and_its_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the kernel has it of two kubelets' devices over one disk, and of one over a file."""
    disk = os.makedev(loops.MAJOR, 3)
    states = {"loop4": (66, disk), "loop5": (67, disk), "loop6": (65024, 0)}
    monkeypatch.setattr(loops, "_bound", lambda block: iter([(name, "/\n") for name in states]))
    monkeypatch.setattr(loops, "_status", lambda device: states[device.rpartition("/")[2]])
    assert loops.over_device(disk) == ["/dev/loop4", "/dev/loop5"]
    assert loops.over_device(disk, place=67) == ["/dev/loop5"]
