"""Hands on what sbd feeds, for as long as somebody else agrees: a watchdog that two must feed.

sbd writes into a FIFO as it would into /dev/watchdog (Documentation/watchdog/watchdog-api.rst of the kernel: any byte
feeds, a "V" right before the close disarms). Nobody has to be stopped for the watchdog to fire: whichever of the two
does nothing, or is late, brings it about.
"""

import ctypes
import fcntl
import os
import stat
import struct
from contextlib import suppress
from typing import Optional

# linux/watchdog.h: _IOWR('W', 6, int), the time-out in seconds; the driver answers with the one that it took.
SETTIMEOUT = 0xC0045706
FED, FAREWELL = b"\0", b"V"
_CHUNK = 1 << 16
# sys/mman.h: MCL_CURRENT | MCL_FUTURE
_LOCKED = 3


class Feeder:
    """Between one sbd and one watchdog. What stands for a watchdog, a FIFO, knows no time-out that could be set."""

    def __init__(self, watchdog: str, fifo: str, limit: int) -> None:
        self._watchdog, self._limit = watchdog, limit
        with suppress(FileNotFoundError):
            os.unlink(fifo)
        os.mkfifo(fifo, 0o600)
        self._from = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._to: Optional[int] = None
        self._last = b""
        self.disarmed = False

    @property
    def armed(self) -> bool:
        """Whether the watchdog runs by now."""
        return self._to is not None

    def look(self, good: bool) -> None:
        """Take what sbd wrote, and hand it on if all is good. OSError when there is no watchdog, or none that does it
        in time."""
        written, held = self._read()
        if not good:
            return
        if written not in (b"", FAREWELL):
            if self._to is None:
                self._to = self._open()
            os.write(self._to, FED)
        elif self._to is not None and self._last == FAREWELL and not held:
            os.write(self._to, FAREWELL)
            os.close(self._to)
            self._to, self.disarmed = None, True

    def _open(self) -> int:
        to = os.open(self._watchdog, os.O_WRONLY | os.O_CLOEXEC)
        if stat.S_ISFIFO(os.fstat(to).st_mode):
            return to
        taken: int = struct.unpack("i", fcntl.ioctl(to, SETTIMEOUT, struct.pack("i", self._limit)))[0]
        if not 0 < taken <= self._limit:
            os.write(to, FAREWELL)
            os.close(to)
            raise OSError(f"the watchdog {self._watchdog} takes {taken} s where {self._limit} s are asked for")
        return to

    def _read(self) -> tuple[bytes, bool]:
        """The last byte that was written since, and whether anybody has the FIFO open."""
        new = b""
        while True:
            try:
                found = os.read(self._from, _CHUNK)
            except BlockingIOError:
                return new, True
            if not found:
                return new, False
            new = self._last = found[-1:]


def take_precedence() -> None:
    """Be on time on a busy site, as sbd is, where the site allows it: one that is late is reset for nothing."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    ctypes.CDLL(None).mlockall(_LOCKED)
