"""A site's watchdog, which the machine lacks: a FIFO in the site, read from outside, where no fault of the site is.

Whoever has it open for writing is the watchdog's user, as of /dev/watchdog: the first byte arms it, every byte feeds
it, and only a close right after a "V" disarms it. Armed and not fed for too long, it cuts the site's power.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

# Seconds that sbd asks of a watchdog by itself. A FIFO cannot be asked.
LIMIT = 5.0
FAREWELL = b"V"
CHUNK = 1 << 16


class Watchdog:
    """One site's watchdog. `cut` takes the site's power, `say` is told what becomes of the watchdog."""

    def __init__(self, fifo: Path, cut: Callable[[], None], say: Callable[[str], None], limit: float = LIMIT,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._fifo = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._cut, self._say, self._limit, self._clock = cut, say, limit, clock
        self.armed = False
        self._fed = 0.0
        self._last = b""

    def look(self) -> None:
        """Take what was written; cut the power when it is time. To be called several times within the limit.

        What was written counts from now on, so that a late look is patient and never hasty. A cut that fails is tried
        again at the next look.
        """
        written, held = self._read()
        now = self._clock()
        if written:
            self._feed(written, now)
        if self.armed and not held and self._last == FAREWELL:
            self.armed = False
            self._say("disarmed")
        if self.armed and now - self._fed > self._limit:
            self._say(f"silent for {now - self._fed:.1f} s")
            self._cut()
            self.armed = False

    def reset(self) -> None:
        """As at a loss of power: what was written and who wrote it counts no more."""
        self._read()
        self.armed, self._last = False, b""

    def _feed(self, written: bytes, now: float) -> None:
        if not self.armed:
            self._say("armed")
        self.armed, self._fed, self._last = True, now, written[-1:]

    def _read(self) -> tuple[bytes, bool]:
        """What was written since, as far as it counts, and whether anybody has the FIFO open."""
        kept = b""
        while True:
            try:
                found = os.read(self._fifo, CHUNK)
            except BlockingIOError:
                return kept, True
            if not found:
                return kept, False
            kept = found[-1:]
