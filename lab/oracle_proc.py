"""What the kernel says of processes and their cgroups, as the oracle needs it: a few small reads per look."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
DEAD = frozenset("ZXx")


@dataclass(frozen=True)
class Life:
    """A process: ``started`` (clock ticks since boot) tells it from a later one with the same pid."""

    pid: int
    started: int
    alive: bool


def life(proc: Path, pid: int) -> Life | None:
    """The process ``pid`` as that procfs shows it, None when there is none.

    A process whose first thread has ended shows as a zombie, but lives on in its other threads.
    """
    try:
        text = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        fields = text[text.rindex(")") + 2:].split()
        return Life(pid, int(fields[19]), fields[0] not in DEAD or int(fields[17]) > 1)
    except (FileNotFoundError, ProcessLookupError):
        return None
    except (ValueError, IndexError):
        return None  # the kernel writes the line whole: an empty one is a process that is just being reaped


def is_first_process(proc: Path, pid: int) -> bool:
    """Whether the process is number 1 of a PID namespace of its own."""
    try:
        for line in (proc / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return len(numbers) > 1 and numbers[-1] == "1"
    except (FileNotFoundError, ProcessLookupError):
        pass
    return False


class Cgroups:
    """Where this host mounts its cgroup hierarchies, version 1, 2 or both."""

    def __init__(self, proc: Path = PROC) -> None:
        self._mounts = dict(_cgroup_mounts((proc / "self/mountinfo").read_text(encoding="utf-8")))

    def of(self, proc: Path, pid: int) -> tuple[Path, ...]:
        """The directories of the cgroups a process is in; OSError when the process is gone or hidden."""
        text = (proc / str(pid) / "cgroup").read_text(encoding="utf-8")
        found = []
        for line in text.splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                if controller in self._mounts:
                    found.append(self._mounts[controller] / path.lstrip("/"))
                    break
        return tuple(found)


def _cgroup_mounts(mountinfo: str) -> list[tuple[str, Path]]:
    """(controller, mount point) pairs; the unified hierarchy's controller is "", as in /proc/PID/cgroup."""
    found = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point, (kind, _, options) = Path(left.split()[4]), right.split(" ", 2)
        if kind == "cgroup2":
            found.append(("", point))
        elif kind == "cgroup":
            found += [(option, point) for option in options.split(",") if option not in ("rw", "ro")]
    return found


def members(cgroup: Path) -> list[int]:
    """The processes in a cgroup, as this host numbers them; none when the cgroup is gone."""
    try:
        return [int(pid) for pid in (cgroup / "cgroup.procs").read_text(encoding="ascii").split()]
    except OSError:
        return []


def pid_in(path: Path) -> int | None:
    """The pid in a pid file, None while there is no whole one."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


def names(directory: Path) -> list[str] | None:
    """What a directory holds, None when it is not there."""
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return None
