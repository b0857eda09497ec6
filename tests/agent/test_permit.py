"""The permit path: its states, who may change it, and that there is never a gap. Real files, processes and kills."""

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
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from k8sdeployment.agent.codes import Voided
from k8sdeployment.agent.parameters import is_subdomain, load
from k8sdeployment.agent.permit import ABSENT, FOREIGN, GRANTED, STOPPED, STOPPING, Permit

from .kernel import CHECKOUT, line_of, needs_root, run, tmpfs

FORK = multiprocessing.get_context("fork")


def permit_of(directory: Path, name: str = "app", namespace: str = "default", kind: str = "Deployment") -> Permit:
    return Permit(load({"OCF_RESKEY_deployment": name, "OCF_RESKEY_namespace": namespace, "OCF_RESKEY_kind": kind,
                        "OCF_RESKEY_permit_dir": str(directory)}))


def grant(permit: Permit) -> None:
    permit.announce()
    with permit.locked():
        permit.grant()


@pytest.fixture
def permit(tmp_path: Path) -> Permit:
    return permit_of(tmp_path)


def at(permit: Permit) -> Path:
    path = Path(permit.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


# -- states --------------------------------------------------------------------------------------------------------

def _resolving_tombstone(path: Path) -> None:
    path.symlink_to(STOPPED)
    (path.parent / STOPPED).touch()


def _directory_with_content(path: Path) -> None:
    (path / "a/b").mkdir(parents=True)
    (path / "a/c").touch()
    (path / "link").symlink_to("/nowhere")


MAKERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, ABSENT),
    "regular file": (lambda path: path.touch(), GRANTED),
    "tombstone stopping": (lambda path: path.symlink_to(STOPPING), STOPPING),
    "tombstone stopped": (lambda path: path.symlink_to(STOPPED), STOPPED),
    "link to a file": (lambda path: path.symlink_to("/etc/passwd"), FOREIGN),
    "dangling link that is none of ours": (lambda path: path.symlink_to("gone"), FOREIGN),
    "link to itself": (lambda path: path.symlink_to(path.name), FOREIGN),
    "empty directory": (lambda path: path.mkdir(), FOREIGN),
    "directory with content": (_directory_with_content, FOREIGN),
    "fifo": (os.mkfifo, FOREIGN),
    "tombstone that resolves": (_resolving_tombstone, FOREIGN),
}


@pytest.mark.parametrize("what", MAKERS)
def test_state(permit: Permit, what: str) -> None:
    make, expected = MAKERS[what]
    make(at(permit))
    assert permit.state() == expected


def test_a_file_in_place_of_the_directory_is_foreign(permit: Permit) -> None:
    Path(permit.path).parent.parent.mkdir(parents=True)
    Path(permit.path).parent.touch()
    assert permit.state() == FOREIGN


def test_the_path_is_the_one_that_the_gate_names(tmp_path: Path) -> None:
    """Namespace, kind and name are all in the path: a Deployment and a StatefulSet may share a name."""
    assert permit_of(tmp_path, "db", "shop", "StatefulSet").path == f"{tmp_path}/permits/shop/statefulset/db"
    grant(permit_of(tmp_path, "db", kind="StatefulSet"))
    assert permit_of(tmp_path, "db").state() == ABSENT


@pytest.mark.parametrize("name", ["stopped", "stopping"])
def test_tombstones_dangle_beside_a_workload_of_that_name(tmp_path: Path, name: str) -> None:
    """kubelet follows links: a tombstone that resolves would let the pod run."""
    grant(permit_of(tmp_path, name))
    other = permit_of(tmp_path)
    for mark in (STOPPING, STOPPED):
        other.withdraw(mark)
        assert other.state() == mark
        assert not os.path.exists(other.path)


def test_no_workload_can_have_a_tombstones_name() -> None:
    assert not is_subdomain(STOPPING) and not is_subdomain(STOPPED)


# -- announcement, grant, withdrawal -------------------------------------------------------------------------------

def test_grant_needs_an_announcement(permit: Permit) -> None:
    with permit.locked(), pytest.raises(Voided):
        permit.grant()
    assert permit.state() == ABSENT


def test_grant_puts_a_regular_file_and_nothing_else_there(permit: Permit) -> None:
    grant(permit)
    assert permit.state() == GRANTED and permit.mine()
    assert os.listdir(Path(permit.path).parent) == ["app"]


@pytest.mark.parametrize("overtake", [Permit.withdraw, Permit.void, Permit.announce], ids=lambda act: act.__name__)
def test_an_overtaken_start_grants_nothing(permit: Permit, tmp_path: Path, overtake: Callable[[Permit], None]) -> None:
    """A stop, a probe's promise, or another start takes the right away, even if the start lives on as an orphan."""
    permit.announce()
    overtake(permit_of(tmp_path))
    before = permit.state()
    with permit.locked(), pytest.raises(Voided):
        permit.grant()
    assert permit.state() == before != GRANTED


def test_withdraw_marks_at_once_and_stopped_only_after_stopping(permit: Permit) -> None:
    permit.mark_stopped()
    assert permit.state() == ABSENT
    grant(permit)
    permit.mark_stopped()
    assert permit.state() == GRANTED
    permit.withdraw()
    assert permit.state() == STOPPING
    assert not permit.mine()
    permit.mark_stopped()
    assert permit.state() == STOPPED


def test_mine_is_only_the_permit_of_this_start(permit: Permit, tmp_path: Path) -> None:
    grant(permit)
    other = permit_of(tmp_path)
    assert not other.mine()
    grant(other)
    assert other.mine() and not permit.mine()


def test_concluded_leaves_a_later_announcement(permit: Permit, tmp_path: Path) -> None:
    permit.announce()
    later = permit_of(tmp_path)
    later.announce()
    permit.concluded()
    with later.locked():
        assert later.announced()
    later.concluded()
    with later.locked():
        assert not later.announced()


@pytest.mark.parametrize("before,after", [(ABSENT, STOPPED), (GRANTED, GRANTED), (STOPPING, STOPPING),
                                          (STOPPED, STOPPED), (FOREIGN, FOREIGN)])
def test_settle_marks_only_what_was_never_granted(permit: Permit, before: str, after: str) -> None:
    makers: dict[str, Callable[[], object]] = {
        ABSENT: lambda: None, GRANTED: lambda: at(permit).touch(), FOREIGN: lambda: at(permit).mkdir(),
        STOPPING: lambda: at(permit).symlink_to(STOPPING), STOPPED: lambda: at(permit).symlink_to(STOPPED)}
    makers[before]()
    permit.settle()
    assert permit.state() == after


def test_settle_does_not_overtake_a_start(permit: Permit) -> None:
    permit.announce()
    permit.settle()
    assert permit.state() == ABSENT
    with permit.locked():
        permit.grant()
    assert permit.state() == GRANTED


@pytest.mark.parametrize("what", MAKERS)
def test_forget_takes_away_tombstones_alone(permit: Permit, what: str) -> None:
    make, before = MAKERS[what]
    make(at(permit))
    permit.forget()
    assert permit.state() == (ABSENT if before in (STOPPING, STOPPED) else before)


# -- strays --------------------------------------------------------------------------------------------------------

STRAYS: dict[str, Callable[[Path], object]] = {
    "empty directory": lambda path: path.mkdir(),
    "directory with content": _directory_with_content,
    "fifo": os.mkfifo,
    "foreign link": lambda path: path.symlink_to("/etc/passwd"),
}


@pytest.mark.parametrize("change,expected", [(grant, GRANTED), (Permit.withdraw, STOPPING)], ids=["grant", "withdraw"])
@pytest.mark.parametrize("stray", STRAYS)
def test_a_stray_gives_way(permit: Permit, stray: str, change: Callable[[Permit], None], expected: str) -> None:
    """The runtime makes a directory at a missing mount source; no later mount and no rename must founder on it."""
    STRAYS[stray](at(permit))
    change(permit)
    assert permit.state() == expected
    assert os.listdir(Path(permit.path).parent) == ["app"]


def test_the_target_of_a_foreign_link_is_not_touched(permit: Permit, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("keep")
    at(permit).symlink_to(tmp_path / "target")
    permit.withdraw()
    grant(permit)
    assert (tmp_path / "target").read_text() == "keep"


# -- no gap --------------------------------------------------------------------------------------------------------

def _watch(directory: str, stop: str, found: str) -> None:
    """Looks at the path as fast as it can; writes down how often it looked, what was wrong, and the states seen."""
    permit, looks, gaps, states = permit_of(Path(directory)), 0, 0, set()
    while looks % 256 or not os.path.exists(stop):
        looks += 1
        try:
            os.lstat(permit.path)
            states.add(permit.state())
        except OSError:
            gaps += 1
    Path(found).write_text(json.dumps([looks, gaps, sorted(states)]))


def test_the_path_is_never_absent_between_grant_and_withdrawal(permit: Permit, tmp_path: Path) -> None:
    """In a gap the runtime would make a directory there and run the container without a permit."""
    permit.withdraw()
    watcher = FORK.Process(target=_watch, args=(str(tmp_path), str(tmp_path / "stop"), str(tmp_path / "found")))
    watcher.start()
    for _ in range(400):
        grant(permit)
        permit.withdraw()
        permit.mark_stopped()
    (tmp_path / "stop").touch()
    watcher.join(20)
    looks, gaps, states = json.loads((tmp_path / "found").read_text())
    assert looks > 1000
    assert gaps == 0
    assert set(states) == {GRANTED, STOPPING, STOPPED}


# -- file systems that fail ----------------------------------------------------------------------------------------

@needs_root
def test_a_full_tmpfs_yields_no_half_permit_but_lets_a_stop_withdraw(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "aos", "size=4k") as directory:
        permit = permit_of(directory)
        permit.announce()  # takes the one page that there is
        with permit.locked(), pytest.raises(OSError):
            permit.grant()
        assert permit.state() == ABSENT
        permit.withdraw()
        assert permit.state() == STOPPING


@needs_root
def test_a_read_only_directory_is_readable_and_says_so_when_written(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "aos") as directory:
        permit = permit_of(directory)
        permit.withdraw()
        run("mount", "-o", "remount,ro", directory)
        assert permit.state() == STOPPING
        with pytest.raises(OSError):
            permit.withdraw()
        with pytest.raises(OSError):
            permit.announce()


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
