"""Is the permit directory the host's tmpfs, and do we see the host's processes? Without both nothing is proven.

A permit proves something only if kubelet looks at the very same file and a boot removes it. A directory that nobody
mounted, an emptyDir, a mount that was deleted or hidden under another on the host would all lie. So the directory's
mount must be a tmpfs, and process 1 of the host must see the same file system root at the same path.
Only /proc/<pid>/mountinfo is read: it needs no privilege (proc(5); it is not behind the ptrace check).
"""

from __future__ import annotations

import os

# The initial PID namespace's inode number (PROC_PID_INIT_INO, include/linux/proc_ns.h).
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC


class Ground:
    """Where the permits lie: the file system's device ("major:minor") and the directory's path within it."""

    __slots__ = ("device", "root")

    def __init__(self, device: str, root: str) -> None:
        self.device, self.root = device, root

    def within(self, relative: str) -> str:
        """The path of a file below the permit directory as mountinfo's root field shows it."""
        return (self.root.rstrip("/") + "/" + relative).replace("//", "/")


class Unproven(Exception):
    """Why the permit directory or the view of the host's processes proves nothing."""


def unescape(field: str) -> str:
    r"""A mountinfo field: space, tab, newline and backslash come as \ooo (proc(5))."""
    if "\\" not in field:
        return field
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


class _Mount:
    __slots__ = ("identity", "parent", "device", "root", "point", "fstype")

    def __init__(self, line: str) -> None:
        fields = line.split(" ")
        self.identity, self.parent, self.device = fields[:3]
        self.root, self.point = unescape(fields[3]), unescape(fields[4])
        self.fstype = fields[fields.index("-", 6) + 1]


def _mounts(pid: str) -> list[_Mount]:
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        return [_Mount(line) for line in lines]


def _below(path: str, point: str) -> bool:
    return point == "/" or path == point or path.startswith(point + "/")


def _covering(mounts: list[_Mount], path: str) -> tuple[_Mount, str] | None:
    """The mount that a path leads to and the path within it, walked from mount to mount as the kernel does.

    The longest prefix alone would also find a mount that lies hidden under a later one.
    """
    known = {mount.identity for mount in mounts}
    here = next((mount for mount in mounts if mount.point == "/" and
                 (mount.parent == mount.identity or mount.parent not in known)), None)
    above = here
    while above is not None:
        here = above
        children = [mount for mount in mounts if mount.parent == here.identity != mount.identity]
        above = min((mount for mount in children if _below(path, mount.point)), key=_depth, default=None)
    if here is None:
        return None
    rest = path[len(here.point):] if here.point != "/" else path
    return here, (here.root.rstrip("/") + "/" + rest.lstrip("/")).rstrip("/") or "/"


def _depth(mount: _Mount) -> int:
    return len(mount.point)


def _identity(mounts: list[_Mount]) -> str:
    """Mount ids are unique on a host: the root mount's id names the mount namespace."""
    return next((mount.identity for mount in mounts if mount.point == "/"), "")


def stand(directory: str) -> Ground:
    """The proven ground, or Unproven with the reason."""
    try:
        if os.path.realpath(directory) != directory:
            raise Unproven(f"{directory} is reached through a symbolic link")
        if not os.path.isdir(directory):
            raise Unproven(f"{directory} does not exist")
        ours, first = _mounts("self"), _mounts("1")
    except (OSError, ValueError, IndexError) as error:
        raise Unproven(f"cannot read the mount tables: {error}") from error
    mine, theirs = _covering(ours, directory), _covering(first, directory)
    if mine is None or mine[0].fstype != "tmpfs":
        raise Unproven(f"{directory} is not on a tmpfs: a permit there would outlive a boot")
    if _identity(ours) == _identity(first) and os.stat("/proc/self/ns/pid").st_ino != _INITIAL_PID_NAMESPACE:
        raise Unproven("the host's processes are out of sight (the pod needs hostPID)")
    if theirs is None or (theirs[0].device, theirs[1]) != (mine[0].device, mine[1]):
        raise Unproven(f"{directory} is not the host's own: process 1 sees something else there")
    return Ground(mine[0].device, mine[1])
