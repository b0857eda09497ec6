"""Where the agent touches the system: these calls of the standard library are led into the modelled world.

Nothing of the agent's own is replaced. Files below the permit directory stay real files; time, processes, /proc and
the network are the model's. Every call that changes something or speaks to somebody is a *step*, at which the process
may be killed or put aside.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
import signal
import socket
import ssl
import stat
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from k8sdeployment.agent.access import ACCOUNT

from .sockets import Socket
from .world import World

_REAL: dict[str, Any] = {}
_EFFECTS = ("rename", "replace", "symlink", "unlink", "remove", "mkdir", "rmdir", "link")
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC


class _Context:
    """Trust is not what is tried here (tests/agent/test_access.py does that, with real certificates)."""

    minimum_version = None

    def __init__(self, *_: object) -> None:
        pass

    def load_verify_locations(self, **_: object) -> None:
        pass

    def load_cert_chain(self, *_: object) -> None:
        pass

    def wrap_socket(self, raw: Socket, **_: object) -> Socket:
        return raw.encrypted()


class Seams:
    """One agent process's way into the world. `on_step` is called before each step with its name."""

    def __init__(self, world: World, pid: int, limit: float, on_step: Callable[[str], None],
                 on_blocked: Callable[[], None], on_overdue: Callable[[], None]) -> None:
        self.world, self.pid = world, pid
        self._limit = limit  # when Pacemaker would kill it
        self._on_step, self._on_blocked, self._on_overdue = on_step, on_blocked, on_overdue
        self._handler: Callable[..., object] | None = None
        self._alarm = float("inf")
        self._naps = 0
        self._descriptors: dict[int, int] = {}

    # -- time -----------------------------------------------------------------------------------------------------

    def spend(self, seconds: float) -> None:
        """Time passes in this process: the world goes on, an alarm may ring."""
        timeline = self.world.timeline
        if timeline.now + seconds >= self._alarm:
            timeline.advance(max(0.0, self._alarm - timeline.now))
            self._ring()
        timeline.advance(seconds)
        if timeline.now > self._limit:
            self._on_overdue()

    def _ring(self) -> None:
        self._alarm = float("inf")
        if self._handler:
            self._handler(signal.SIGALRM, None)

    def spend_until(self, question: str, about: tuple[object, ...], seconds: float) -> bool:
        """Time passes until the API server says yes to a question, that long at most."""
        timeline = self.world.timeline
        seconds = min(seconds, max(0.0, self._alarm - timeline.now))
        found = timeline.advance_until(lambda: getattr(self.world.api, question)(*about), seconds)
        self.spend(0.0)
        return found

    def step(self, name: str) -> None:
        self.spend(self.world.dice.uniform(0.00002, 0.0003))
        self._on_step(name)

    def _sleep(self, seconds: float) -> None:
        """A nap may take longer than asked for; the longer an action waits, the coarser it gets: that saves time."""
        self._naps += 1
        self.spend(max(seconds, min(0.15, self._naps * 0.005)))

    def _monotonic(self) -> float:
        self.spend(0.00001)
        return self.world.timeline.monotonic()

    def _clock(self, which: int) -> float:
        return self.world.timeline.wall() if which == time.CLOCK_REALTIME else self._monotonic()

    def _set_timer(self, which: int, seconds: float, interval: float = 0.0) -> None:
        self._alarm = self.world.timeline.now + seconds if seconds else float("inf")

    def _set_handler(self, number: int, handler: Any) -> None:
        if number == signal.SIGALRM:
            self._handler = handler if callable(handler) else None

    # -- files ----------------------------------------------------------------------------------------------------

    def _effect(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def effect(*paths: Any, **more: Any) -> Any:
            self.step(f"{name} {' '.join(os.path.basename(str(path)) for path in paths)}")
            if name in ("symlink", "mkdir", "link"):
                self._make(paths[-1] if name != "mkdir" else paths[0])
            found = real(*paths, **more)
            if name in ("rename", "replace"):
                self.world.host.renamed(str(paths[0]), str(paths[1]))
            elif name in ("unlink", "remove", "rmdir"):
                self.world.host.removed(str(paths[0]))
            return found
        return effect

    def _make(self, path: Any) -> None:
        """OSError where no file can be made any more."""
        if self.world.full and not os.path.lexists(path):
            raise OSError(errno.ENOSPC, "No space left on device", path)

    def _open_number(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if _in_proc(path):
            data = self.world.host.read(str(path)).encode()
            file = os.memfd_create("proc")
            os.write(file, data)
            os.lseek(file, 0, os.SEEK_SET)
            return file
        if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            self.step(f"open {os.path.basename(str(path))}")
            self._make(path)
        if not flags & os.O_NONBLOCK:
            self._block(path)
        return int(_REAL["os.open"](path, flags, mode, **more))

    def _open(self, path: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        if _in_proc(path):
            return io.StringIO(self.world.host.read(str(path)))
        if path == f"{ACCOUNT}/token":
            return io.StringIO("SECRET")
        if set(mode) & set("wax+"):
            self.step(f"write {os.path.basename(str(path))}")
            self._make(path)
        self._block(path)
        return _REAL["open"](path, mode, *more, **named)

    def _block(self, path: Any) -> None:
        """Opening a FIFO that nobody writes to waits for ever (fifo(7)): until an alarm rings or Pacemaker kills."""
        if isinstance(path, str) and os.path.exists(path) and stat.S_ISFIFO(_REAL["os.stat"](path).st_mode):
            self.spend(1e9)

    def _list(self, path: Any = ".") -> list[str]:
        if not _in_proc(path):
            return list(_REAL["os.listdir"](path))
        self.spend(0.0005)
        if str(path).rstrip("/") == "/proc":
            return self.world.host.listing()
        self.world.host.read(str(path).rpartition("/")[0] + "/stat")
        return [str(path).split("/")[2]]  # the one thread of /proc/<pid>/task

    def _stat(self, path: Any, *more: Any, **named: Any) -> Any:
        if path == "/proc/self/ns/pid":
            return SimpleNamespace(st_ino=_INITIAL_PID_NAMESPACE)
        return _REAL["os.stat"](path, *more, **named)

    def _lock(self, file: Any, operation: int) -> None:
        self.step("lock")
        while True:
            try:
                _REAL["flock"](file, operation | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if operation & fcntl.LOCK_NB:
                    raise
                self._on_blocked()

    # -- processes ------------------------------------------------------------------------------------------------

    def _descriptor(self, pid: int, flags: int = 0) -> int:
        if pid not in self.world.host.processes:
            raise ProcessLookupError(3, "No such process")
        file = int(_REAL["os.open"]("/dev/null", os.O_RDONLY))
        self._descriptors[file] = pid
        return file

    def _send_signal(self, file: int, number: int, *_: object) -> None:
        self._kill(self._descriptors[file], number)

    def _kill(self, pid: int, number: int) -> None:
        self.step(f"signal {number}")
        if number or pid not in self.world.host.processes:
            self.world.note(f"the agent sends signal {number} to {pid}")
            self.world.host.signal(pid, number)

    def _parent(self) -> int:
        return self.world.host.processes[self.pid].parent

    def install(self) -> None:
        """For the rest of this (forked) process."""
        _REAL.update({"open": builtins.open, "os.open": os.open, "os.listdir": os.listdir, "os.stat": os.stat,
                      "flock": fcntl.flock})
        Socket.seams = self
        new: list[tuple[Any, str, Any]] = [
            (time, "monotonic", self._monotonic), (time, "sleep", self._sleep), (time, "clock_gettime", self._clock),
            (time, "time", lambda: self.world.timeline.wall()), (signal, "setitimer", self._set_timer),
            (signal, "signal", self._set_handler), (signal, "pidfd_send_signal", self._send_signal),
            (os, "pidfd_open", self._descriptor), (os, "kill", self._kill), (os, "getpid", lambda: self.pid),
            (os, "getppid", self._parent), (os, "urandom", lambda size: self.world.dice.randbytes(size)),
            (os, "listdir", self._list), (os, "stat", self._stat), (os, "open", self._open_number),
            (builtins, "open", self._open), (fcntl, "flock", self._lock), (socket, "socket", Socket),
            (ssl, "SSLContext", _Context), *((os, name, self._effect(name)) for name in _EFFECTS)]
        for owner, name, value in new:
            setattr(owner, name, value)


def _in_proc(path: Any) -> bool:
    return isinstance(path, str) and (path == "/proc" or path.startswith("/proc/")) and "/sys/" not in path
