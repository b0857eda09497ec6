"""The permit while others change it: no gap, no overtaken grant, no stuck lock. Real processes, killed anywhere."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from k8sdeployment.agent.codes import Voided
from k8sdeployment.agent.permit import GRANTED, STOPPED, STOPPING, Permit

from .kernel import CHECKOUT, line_of
from .permits import grant, permit_of

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def permit(tmp_path: Path) -> Permit:
    return permit_of(tmp_path)


# -- no gap --------------------------------------------------------------------------------------------------------

def _watch(directory: str, stop: str, found: str) -> None:
    """Looks at the path as fast as it can; writes down how often it saw nothing there and how often each state.

    A busy machine may not let it look for long: `enough` appears beside `found` once it has seen a good deal of all.
    """
    permit, gaps, states, looks = permit_of(Path(directory)), 0, Counter[str](), 0
    while looks % 256 or not os.path.exists(stop):
        looks += 1
        try:
            os.lstat(permit.path)
            states[permit.state()] += 1
        except OSError:
            gaps += 1
        if looks >= 1024 and not looks % 256 and len(states) >= 3:
            Path(found + ".enough").touch()
    Path(found).write_text(json.dumps([gaps, states]))


def test_the_path_is_never_absent_between_grant_and_withdrawal(permit: Permit, tmp_path: Path) -> None:
    """In a gap the runtime would make a directory there and run the container without a permit."""
    permit.withdraw()
    watcher = FORK.Process(target=_watch, args=(str(tmp_path), str(tmp_path / "stop"), str(tmp_path / "found")))
    watcher.start()
    rounds, until = 0, time.monotonic() + 60
    while time.monotonic() < until and (rounds < 400 or not (tmp_path / "found.enough").exists()):
        rounds += 1
        grant(permit)
        permit.withdraw()
        permit.mark_stopped()
    (tmp_path / "stop").touch()
    watcher.join(20)
    gaps, states = json.loads((tmp_path / "found").read_text())
    assert sum(states.values()) > 1000
    assert gaps == 0
    assert set(states) == {GRANTED, STOPPING, STOPPED}


# -- a start that is under way -------------------------------------------------------------------------------------

ANNOUNCE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from k8sdeployment.agent.parameters import load
from k8sdeployment.agent.permit import Permit
permit = Permit(load({"OCF_RESKEY_deployment": "app", "OCF_RESKEY_permit_dir": sys.argv[2]}))
said, say = os.pipe()
if sys.argv[3] == "child" or os.fork() == 0:
    permit.announce()
    os.write(say, b"x")
    print(os.getpid(), flush=True)
    sys.stdin.read()
else:
    os.read(said, 1)
"""


def announcing(directory: Path, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", ANNOUNCE, str(CHECKOUT), str(directory), how],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_start_that_its_caller_waits_for_is_pending(permit: Permit, tmp_path: Path) -> None:
    with announcing(tmp_path, "child") as process:
        pid = int(line_of(process))
        assert permit.pending() == pid == process.pid
        process.kill()
        process.wait(20)
        assert permit.pending() == 0


def test_an_orphaned_start_is_nobodys(permit: Permit, tmp_path: Path) -> None:
    """Its caller died: no one will hear its result, so a probe may take its right to grant."""
    with announcing(tmp_path, "orphan") as process:
        orphan = int(line_of(process))
        process.wait(20)
        assert os.path.exists(f"/proc/{orphan}"), "the orphan still runs"
        assert permit.pending() == 0


def test_ones_own_start_and_rubbish_are_not_pending(permit: Permit) -> None:
    assert permit.pending() == 0
    permit.announce()
    assert permit.pending() == 0
    for text in ("", "x y z", "1", "1 2", "-1 -1 a", "99999999999 1 a"):
        Path(permit.beside, "start").write_text(text)
        assert permit.pending() == 0


# -- many at once, killed at any point -----------------------------------------------------------------------------

def _start_worker(directory: str, log: str) -> None:
    """Starts over and over; logs when an announcement stood and when it was turned into a permit."""
    while True:
        permit = permit_of(Path(directory))
        permit.announce()
        announced = time.monotonic()
        with suppress(Voided), permit.locked():
            began = time.monotonic()
            permit.grant()
            _log(log, ["grant", announced, began])


def _stop_worker(directory: str, log: str) -> None:
    permit = permit_of(Path(directory))
    while True:
        began = time.monotonic()
        permit.withdraw()
        _log(log, ["stop", began, time.monotonic()])
        permit.mark_stopped()


def _probe_worker(directory: str, log: str) -> None:
    permit = permit_of(Path(directory))
    while True:
        began = time.monotonic()
        permit.void()
        _log(log, ["void", began, time.monotonic()])


def _log(path: str, record: list[object]) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def _spawn(worker: Callable[[str, str], None], directory: Path) -> BaseProcess:
    process = FORK.Process(target=worker, args=(str(directory), str(directory / "log")), daemon=True)
    process.start()
    return process


def test_concurrent_starts_and_stops_that_are_killed_anywhere(permit: Permit, tmp_path: Path) -> None:
    """No death leaves a stuck lock or a foreign path, and nothing is granted on an announcement that was voided."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    permit.withdraw()
    kinds = [_start_worker, _start_worker, _stop_worker, _probe_worker]
    workers = [_spawn(kind, tmp_path) for kind in kinds]
    for _ in range(60):
        time.sleep(dice.uniform(0.0, 0.03))  # the point of the kill is what is random here
        victim = dice.randrange(len(workers))
        os.kill(workers[victim].pid or 0, signal.SIGKILL)
        workers[victim].join(20)
        assert permit.state() in (GRANTED, STOPPING, STOPPED)
        workers[victim] = _spawn(kinds[victim], tmp_path)
    for worker in workers:
        worker.kill()
        worker.join(20)
    permit.withdraw()
    assert permit.state() == STOPPING
    _judge_log(tmp_path / "log")


def _judge_log(path: Path) -> None:
    records = []
    for line in path.read_text().splitlines():
        with suppress(ValueError):  # the line that a kill cut short
            records.append(json.loads(line))
    grants = [record for record in records if record[0] == "grant"]
    voids = sorted(record[1:] for record in records if record[0] != "grant")
    assert len(grants) > 20 and len(voids) > 20, "the workers got in each other's way, nothing was tried"
    starts = [began for began, _ in voids]
    for _, announced, granted in grants:
        between = voids[bisect_right(starts, announced):bisect_right(starts, granted)]
        assert all(ended >= granted for _, ended in between), "granted although a stop or probe came in between"
