"""The host's processes, asked through /proc: who belongs to a lab although no engine knows of it any more."""

import os
import signal
import time
from pathlib import Path

from lab.errors import LabError

END_SECONDS = 15.0


def running(program: str) -> bool:
    """Whether any process of that program name lives."""
    return any(_read(pid, "comm").strip() == program.encode() for pid in _pids())


def with_argument(word: str) -> list[int]:
    """The pids whose command line holds exactly this word."""
    return [pid for pid in _pids() if word.encode() in _read(pid, "cmdline").split(b"\0")]


def with_mount_of(directory: Path) -> list[int]:
    """The pids that have something under the host's directory mounted at a place of their own."""
    device, root = source_of(str(directory), _read(os.getpid(), "mountinfo").decode(errors="replace"))
    return [pid for pid in _pids() if any(
        row[2] == device and (row[3] + "/").startswith(root + "/") and not (row[4] + "/").startswith(f"{directory}/")
        for row in mounts(_read(pid, "mountinfo").decode(errors="replace")))]


def mounts_under(directory: Path) -> list[str]:
    """Where something is mounted below the directory, the innermost first."""
    places = (row[4] for row in mounts(_read(os.getpid(), "mountinfo").decode(errors="replace")))
    return sorted((place for place in places if place.startswith(f"{directory}/")), reverse=True)


def mounts(mountinfo: str) -> list[list[str]]:
    """The fields of each mount: 2 is the device, 3 what of the file system is mounted, 4 where."""
    rows = (line.split(" ") for line in mountinfo.splitlines())
    return [row for row in rows if len(row) > 5]


def source_of(path: str, mountinfo: str) -> tuple[str, str]:
    """The device a path lies on, and the path as that file system itself calls it."""
    over = [row for row in mounts(mountinfo) if (path + "/").startswith(row[4].rstrip("/") + "/")]
    mount = max(over, key=lambda row: len(row[4]))
    inside = path[len(mount[4].rstrip("/")):]
    return mount[2], mount[3].rstrip("/") + inside


def end(pids: list[int], number: signal.Signals) -> None:
    """Signal all, and wait until they are gone; LabError when one stays."""
    for pid in pids:
        _signal(pid, number)
    deadline = time.monotonic() + END_SECONDS
    while left := [pid for pid in pids if alive(pid)]:
        if time.monotonic() > deadline:
            raise LabError(f"these processes of the lab do not end: {', '.join(map(str, left))}")
        time.sleep(0.02)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != os.getpid()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    return _state(pid) not in ("", "Z")


def _state(pid: int) -> str:
    """The letter of the process's state, "" when it is gone."""
    return _read(pid, "stat").decode(errors="replace").rpartition(")")[2].strip()[:1]
