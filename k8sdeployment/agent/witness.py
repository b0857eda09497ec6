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
    from collections.abc import Iterable, Iterator, Mapping

_GONE = (errno.ENOENT, errno.ESRCH)
_DELETED = "//deleted"
_STRAY = ".stray"


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


class Sight:
    """One pass over the host's processes for several permits.

    `permits`: each permit's path below the permit directory, with the pod UIDs and container ids known to be the
    workload's (pods.marks).
    """

    def __init__(self, ground: Ground, permits: Mapping[str, Iterable[str]], proc: str = "/proc") -> None:
        self._device = ground.device.encode()
        self._permits = {ground.within(relative): relative for relative in permits}
        self._proc = proc
        self.pods = {relative: set(marks) for relative, marks in permits.items()}

    def holders(self) -> dict[str, list[int]]:
        """PIDs of the processes that hold each permit; Unproven when /proc cannot be read."""
        try:
            found = self._scan()
            if all(found.values()):
                return found
            again = self._scan()
        except OSError as error:
            raise Unproven(f"cannot look at the host's processes: {error}") from error
        return {relative: pids or again[relative] for relative, pids in found.items()}

    def holds(self, pid: int) -> set[str]:
        """The permits that one process holds now (cheap; for waiting on known holders)."""
        try:
            return self._process(str(pid), self._marks())
        except OSError as error:
            raise Unproven(f"cannot look at process {pid}: {error}") from error

    def _scan(self) -> dict[str, list[int]]:
        marks = self._marks()
        found: dict[str, list[int]] = {relative: [] for relative in self.pods}
        for pid in filter(str.isdigit, os.listdir(self._proc)):
            for relative in self._process(pid, marks):
                found[relative].append(int(pid))
        return found

    def _marks(self) -> list[tuple[bytes, str]]:
        """How pods are named in cgroup paths: a UID with dashes, and with underscores by the systemd driver."""
        return [(form.encode(), relative) for relative, marks in self.pods.items()
                for mark in marks if mark for form in {mark, mark.replace("-", "_")}]

    def _process(self, pid: str, marks: list[tuple[bytes, str]]) -> set[str]:
        base = f"{self._proc}/{pid}"
        try:
            held = self._permits_in(_read(base + "/mountinfo"))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            looks = [look for look in map(self._thread, self._threads(base)) if look is not None]
            if not looks:
                return set()  # without a living thread it is a zombie
            held = set().union(*looks)
        return held | self._by_cgroup(base, marks) if marks else held

    def _threads(self, base: str) -> Iterator[str]:
        try:
            names = os.listdir(base + "/task")
        except OSError as error:
            if error.errno in _GONE:
                return
            raise
        for name in names:
            yield f"{base}/task/{name}/mountinfo"

    def _thread(self, path: str) -> set[str] | None:
        try:
            return self._permits_in(_read(path))
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None  # this thread has exited
            raise

    def _permits_in(self, mountinfo: bytes) -> set[str]:
        held: set[str] = set()
        if self._device not in mountinfo:
            return held
        for line in mountinfo.split(b"\n"):
            fields = line.split(b" ", 5)
            if len(fields) > 4 and fields[2] == self._device:
                relative = self._permits.get(_origin(unescape(os.fsdecode(fields[3]))))
                if relative is not None:
                    held.add(relative)
        return held

    def _by_cgroup(self, base: str, marks: list[tuple[bytes, str]]) -> set[str]:
        """The workloads in one of whose pods a process is, by its cgroup. Infrastructure runs nothing of them."""
        cgroup = _read(base + "/cgroup")
        held = {relative for mark, relative in marks if mark in cgroup}
        return set() if held and self._infrastructure(base) else held

    def _infrastructure(self, base: str) -> bool:
        """The pod's pause process and runtime monitors."""
        return _read(base + "/comm").strip() in (b"pause", b"pod", b"conmon", b"containerd-shim", b"runc", b"crun")


class Witness:
    """Looks for the holders of one permit; `pods` may be added to."""

    def __init__(self, ground: Ground, relative: str, pods: Iterable[str] = (), proc: str = "/proc") -> None:
        self._sight, self._relative = Sight(ground, {relative: pods}, proc), relative

    @property
    def pods(self) -> set[str]:
        """UIDs and container ids known to be the workload's."""
        return self._sight.pods[self._relative]

    def holders(self) -> list[int]:
        """PIDs of the processes that hold the permit; Unproven when /proc cannot be read."""
        return self._sight.holders()[self._relative]

    def holds(self, pid: int) -> bool:
        """Whether one process holds the permit now."""
        return bool(self._sight.holds(pid))


def stray(name: str, number: int) -> str:
    """What a directory is called that stood in a permit's place and was moved aside: its holders must stay known."""
    return f".{name}{_STRAY}{number}"


def _origin(root: str) -> str:
    """The path within the file system at which something was mounted, though it was renamed or deleted since.

    A container that runs on a stray directory (a runtime made it at a missing mount source) shows its new name.
    """
    if root.endswith(_DELETED):
        root = root[:-len(_DELETED)]
    head, _, name = root.rpartition("/")
    if name.startswith(".") and _STRAY in name:
        return f"{head}/{name[1:].rpartition(_STRAY)[0]}"
    return root


def parent(pid: int, proc: str = "/proc") -> int:
    """Parent of a process, 0 when it is gone."""
    stat = _read(f"{proc}/{pid}/stat")
    return int(stat.rpartition(b") ")[2].split()[1]) if stat else 0


def first_processes(pids: list[int]) -> list[int]:
    """Of some holders those whose parent holds nothing: each container's first process, what kubelet would signal."""
    held = set(pids)
    return [pid for pid in pids if parent(pid) not in held]
