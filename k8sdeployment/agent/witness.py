"""Who holds a permit: the kernel's own answer, from /proc alone.

Every container of a gated workload bind-mounts its permit, so each of its processes has a mountinfo entry whose device
is the permit directory's and whose root is the permit's path ("//deleted" is appended once the file was renamed over).
What one look at mountinfo alone would miss, and how it is covered:
  - a process that did chroot shows only the mounts below its new root (seen: none at all): processes whose cgroup
    names a pod or container known to be the workload's count as well;
  - a thread group whose first thread has exited answers EINVAL while other threads run: its threads are asked;
  - a process forked during the scan: two scans in a row must find nobody before "nobody" is said.
Anything that cannot be read for another reason than the process being gone is no sight, never "nobody".
"""

from __future__ import annotations

import errno
import os

from .ground import Ground, Unproven, unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_GONE = (errno.ENOENT, errno.ESRCH)
_DELETED = "//deleted"


def _read(path: str) -> bytes:
    """A whole /proc file in few calls; b"" when the process is gone. EINVAL (no namespaces any more) is raised."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _GONE:
            return b""
        raise
    try:
        parts: list[bytes] = []
        while True:
            part = os.read(file, 65536)
            if not part:
                return b"".join(parts)
            parts.append(part)
    except OSError as error:
        if error.errno in _GONE:
            return b""
        raise
    finally:
        os.close(file)


class Witness:
    """Looks for the holders of one permit. `pods`: UIDs and container ids known to be the workload's (pods.marks)."""

    def __init__(self, ground: Ground, relative: str, pods: Iterable[str] = (), proc: str = "/proc") -> None:
        self._device = ground.device.encode()
        self._roots = (ground.within(relative), ground.within(relative) + _DELETED)
        self._proc = proc
        self.pods = set(pods)

    def holders(self) -> list[int]:
        """PIDs of the processes that hold the permit; Unproven when /proc cannot be read."""
        try:
            return self._scan() or self._scan()
        except OSError as error:
            raise Unproven(f"cannot look at the host's processes: {error}") from error

    def holds(self, pid: int) -> bool:
        """Whether one process holds the permit now (cheap; for waiting on known holders)."""
        try:
            return self._process(str(pid), self._marks())
        except OSError as error:
            raise Unproven(f"cannot look at process {pid}: {error}") from error

    def _scan(self) -> list[int]:
        marks = self._marks()
        return [int(pid) for pid in os.listdir(self._proc) if pid.isdigit() and self._process(pid, marks)]

    def _marks(self) -> list[bytes]:
        """How pods are named in cgroup paths: a UID with dashes, and with underscores by the systemd driver."""
        return [form.encode() for uid in self.pods if uid for form in (uid, uid.replace("-", "_"))]

    def _process(self, pid: str, marks: list[bytes]) -> bool:
        base = f"{self._proc}/{pid}"
        try:
            if self._holding(_read(base + "/mountinfo")):
                return True
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            looks = [look for look in map(self._thread, self._threads(base)) if look is not None]
            if any(looks) or not looks:
                return bool(looks)  # without a living thread it is a zombie
        return bool(marks) and self._in_pod(base, marks)

    def _threads(self, base: str) -> Iterator[str]:
        try:
            names = os.listdir(base + "/task")
        except OSError as error:
            if error.errno in _GONE:
                return
            raise
        for name in names:
            yield f"{base}/task/{name}/mountinfo"

    def _thread(self, path: str) -> bool | None:
        try:
            return self._holding(_read(path))
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None  # this thread has exited
            raise

    def _holding(self, mountinfo: bytes) -> bool:
        if self._device not in mountinfo:
            return False
        for line in mountinfo.split(b"\n"):
            fields = line.split(b" ", 5)
            if len(fields) > 4 and fields[2] == self._device and unescape(os.fsdecode(fields[3])) in self._roots:
                return True
        return False

    def _in_pod(self, base: str, marks: list[bytes]) -> bool:
        """A process whose cgroup names one of the workload's pods."""
        cgroup = _read(base + "/cgroup")
        return any(mark in cgroup for mark in marks) and not self._infrastructure(base)

    def _infrastructure(self, base: str) -> bool:
        """The pod's pause process and runtime monitors run nothing of the workload."""
        return _read(base + "/comm").strip() in (b"pause", b"pod", b"conmon", b"containerd-shim", b"runc", b"crun")


def parent(pid: int, proc: str = "/proc") -> int:
    """Parent of a process, 0 when it is gone."""
    stat = _read(f"{proc}/{pid}/stat")
    return int(stat.rpartition(b") ")[2].split()[1]) if stat else 0


def first_processes(pids: list[int]) -> list[int]:
    """Of some holders those whose parent holds nothing: each container's first process, what kubelet would signal."""
    held = set(pids)
    return [pid for pid in pids if parent(pid) not in held]
