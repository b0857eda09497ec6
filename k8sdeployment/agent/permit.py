"""The permit file: its states and the only ways to change them.

A gated pod cannot start while the path is not a regular file: kubelet refuses (hostPath type File) and, where the path
is a dangling symlink, so does the runtime when it restarts a container (mkdir fails with EEXIST; seen on containerd).
Hence every withdrawal is a rename of a dangling symlink over the path: never an unlink, never a gap.

One writer: a flock per workload guards the short local steps. A start first announces itself; a stop, and a probe that
is about to answer "not running", void the announcement, and a grant without a valid announcement is refused. So a
start that was overtaken (orphaned by a Pacemaker restart, forced by hand) can never grant afterwards.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from .codes import AgentError, Voided
from .parameters import Settings
from .witness import parent, stray

ABSENT = "absent"
GRANTED = "granted"
# Targets that nobody can ever make: below what is no directory. Beside the permits a Deployment of that name could, and
# so could kubelet, which creates through a dangling link what a stray pod of type FileOrCreate asks for (seen on 1.34).
STOPPING = "/dev/null/STOPPING"
STOPPED = "/dev/null/STOPPED"
# Withdrawn, but pods may run that do not mount the permit: the witness does not see them, only the API's list can tell.
# It stands in the path itself for it must outlive a stop that fails or is killed, whatever befalls the memory.
UNSEEN = "/dev/null/UNSEEN"
WITHDRAWN = (STOPPING, UNSEEN, STOPPED)
FOREIGN = "foreign"


def word(state: str) -> str:
    """A state as messages and documents name it."""
    return state.rpartition("/")[2]


class Permit:
    """One workload's permit and, beside it, the lock and the announcement of a start."""

    def __init__(self, settings: Settings) -> None:
        self.relative = f"permits/{settings.namespace}/{settings.kind.lower()}/{settings.deployment}"
        self.path = f"{settings.permit_dir}/{self.relative}"
        self.beside = f"{settings.permit_dir}/agent/{settings.namespace}/{settings.kind.lower()}/{settings.deployment}"
        self._token = ""

    def state(self) -> str:
        """What stands at the path. OSError when it cannot be told."""
        try:
            mode = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return ABSENT
        except NotADirectoryError:
            return FOREIGN
        if stat.S_ISREG(mode):
            return GRANTED
        return self._link() if stat.S_ISLNK(mode) else FOREIGN

    def _link(self) -> str:
        try:
            target = os.readlink(self.path)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                return self.state()  # another process changed it in between
            raise
        return target if target in WITHDRAWN else FOREIGN

    # -- lock and announcement ------------------------------------------------------------------------------------

    def locked(self) -> _Lock:
        """Context manager: the exclusive right to change this workload's files. Held for local steps only."""
        os.makedirs(self.beside, mode=0o755, exist_ok=True)
        return _Lock(self.beside + "/lock")

    def announce(self) -> None:
        """Say that a start is under way; it voids an earlier one's announcement."""
        self._token = f"{os.getpid()} {os.getppid()} {os.urandom(8).hex()}"
        with self.locked():
            self._put(self.beside + "/start", self._token)

    def announced(self) -> bool:
        """Whether this start's announcement still stands. Call it with the lock held."""
        return bool(self._token) and self._text("/start") == self._token

    def void(self) -> None:
        """Take the right to grant from any start that is under way."""
        with self.locked():
            self._remove("/start")

    def pending(self) -> int:
        """PID of a start that is under way, still the child of who began it, and not this process; else 0.

        An orphan's start (its parent is another by now) is nobody's: it may be voided without a word.
        """
        words = self._text("/start").split()
        if len(words) != 3 or not (words[0].isdigit() and words[1].isdigit()):
            return 0
        pid = int(words[0])
        alive = pid != os.getpid() and parent(pid) == int(words[1]) != 1
        return pid if alive else 0

    def concluded(self) -> None:
        """This start is over: its announcement goes, unless it is another's by now."""
        with self.locked():
            if self.announced():
                self._remove("/start")

    # -- the path -------------------------------------------------------------------------------------------------

    def grant(self) -> None:
        """Put the permit in place by rename. Call with the lock held, after `announced`; Voided when it is not."""
        if not self.announced():
            raise Voided("this start was overtaken by a stop or a probe: it grants nothing")
        temporary = self._temporary()
        self._dig()
        self._put(temporary, self._token + "\n")
        self._over(temporary)

    def forget(self) -> None:
        """Take a tombstone away: the workload has no gate any more and is judged by the API from now on."""
        with self.locked():
            if self.state() in WITHDRAWN:
                os.unlink(self.path)

    def mine(self) -> bool:
        """Whether the permit in place is the one that this start granted. Never waits for what a FIFO may give."""
        try:
            if not stat.S_ISREG(os.lstat(self.path).st_mode):
                return False
            with open(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), encoding="utf-8") as file:
                return file.read().strip() == self._token
        except (OSError, ValueError):
            return False

    def leads_elsewhere(self) -> bool:
        """Whether the path is a link to something that exists: kubelet lets pods pass, and they mount another file."""
        return os.path.islink(self.path) and os.path.exists(self.path)

    def withdraw(self, unseen: bool = False) -> None:
        """Rename a dangling symlink over the path and void any start: from here on nothing new can begin.

        `unseen`: pods may run that do not mount the permit. Once that is marked only `mark_stopped` takes it back.
        """
        with self.locked():
            self._remove("/start")
            unseen = unseen or self.leads_elsewhere() or self.state() == UNSEEN
            self._tombstone(UNSEEN if unseen else STOPPING)

    def settle(self) -> bool:
        """Mark a path that was never granted since the boot as stopped. Returns whether it was unmarked."""
        with self.locked():
            unmarked = self.state() == ABSENT and not self._text("/start")
            if unmarked:
                self._tombstone(STOPPED)
            return unmarked

    def mark_stopped(self) -> None:
        """Proven: nobody holds the withdrawn permit, and where some may be unseen, the API lists no pod."""
        with self.locked():
            if self.state() in (STOPPING, UNSEEN):
                self._tombstone(STOPPED)

    def _tombstone(self, mark: str) -> None:
        temporary = self._temporary()
        try:
            os.symlink(mark, temporary)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            if self.state() in WITHDRAWN and mark != UNSEEN:
                return  # the one that stands says the same to kubelet and the runtime
            temporary = self._spare(mark)
        self._over(temporary)

    def _spare(self, mark: str) -> str:
        return f"{self.beside}/spare-{word(mark)}"

    def _dig(self) -> None:
        """Tombstones laid ready before the grant: a withdrawal must not fail because the file system is full."""
        for mark in (STOPPING, UNSEEN):
            if not os.path.islink(self._spare(mark)):
                os.symlink(mark, self._spare(mark))

    def _temporary(self) -> str:
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        path = f"{os.path.dirname(self.path)}/.{os.path.basename(self.path)}.{os.getpid()}"
        if os.path.lexists(path):
            os.unlink(path)
        return path

    def _over(self, temporary: str) -> None:
        """rename(2) over the path. A directory there (a runtime made it at a missing mount source) is moved aside
        first; should the runtime make it again in that instant, it is moved again."""
        for attempt in range(20):
            try:
                return os.rename(temporary, self.path)
            except OSError as error:
                if error.errno not in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
                    raise
                aside = f"{os.path.dirname(self.path)}/{stray(os.path.basename(self.path), attempt)}"
                if not os.path.lexists(aside):
                    os.rename(self.path, aside)
                    _discard(aside)
        raise AgentError(f"a directory comes back at {self.path} again and again: something else writes there")

    def _text(self, name: str) -> str:
        try:
            with open(self.beside + name, encoding="utf-8") as file:
                return file.read()
        except (OSError, ValueError):
            return ""

    def _remove(self, name: str) -> None:
        try:
            os.unlink(self.beside + name)
        except FileNotFoundError:
            pass

    @staticmethod
    def _put(path: str, text: str) -> None:
        """A whole file or none: written beside and renamed, so that a full tmpfs leaves no half permit."""
        temporary = f"{path}.{os.getpid()}.new"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(temporary, path)


def _discard(path: str) -> None:
    """Remove what was moved aside; what cannot be removed harms nobody there."""
    for base, directories, files in os.walk(path, topdown=False):
        for name in files:
            os.unlink(os.path.join(base, name))
        for name in directories:
            os.rmdir(os.path.join(base, name))
    try:
        os.rmdir(path)
    except OSError:
        pass


class _Lock:
    """flock on a file; freed by the kernel when the process dies."""

    __slots__ = ("_path", "_file")

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1

    def __enter__(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
