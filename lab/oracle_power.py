"""Whether a site has power, and since which boot: by its first process, cheaply enough to ask ten times a second.

The container engine is asked only where nothing better is known, on a thread of its own, because it may answer late
(it holds a lock while it starts or kills). Once a site has been seen its cgroup is known, and a new first process
shows there at once.
"""
from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.oracle_proc import PROC, Cgroups, Life, is_first_process, life, members
from lab.record import Power

FRESH = 0.5
ASK_EVERY = 0.2
ASK_SELDOM = 0.5
CONTAINER_ID = re.compile(r"[0-9a-f]{64}")  # every engine names a container's cgroup so


@dataclass(frozen=True)
class Asked:
    """What the engine said of the site's first process, and when (monotonic) it was asked."""

    mono: float
    pid: int | None


class PowerEye:
    """Sees whether one site has power. ``ask`` is the engine's (slow) answer: the first process, None without power."""

    def __init__(self, ask: Callable[[], int | None], proc: Path = PROC, cgroups: Cgroups | None = None) -> None:
        self._ask = ask
        self._proc = proc
        self._cgroups = cgroups or Cgroups(proc)
        self._homes: tuple[Path, ...] = ()
        self._boot: Life | None = None
        self._asked = self._answer()
        self._wanted = threading.Event()
        threading.Thread(target=self._keep_asking, daemon=True).start()

    def look(self) -> tuple[Power, Life | None]:
        """ON with the first process, OFF, or UNSURE (with the process that may still be dying)."""
        if self._boot is not None:
            now = life(self._proc, self._boot.pid)
            if now is not None and now.started == self._boot.started and now.alive:
                return Power.ON, self._boot
            self._boot = None
        return self._look_for_boot()

    def _look_for_boot(self) -> tuple[Power, Life | None]:
        found = self._in_cgroup() or self._told()
        if found is not None:
            self._settle_on(found)
            return Power.ON, found
        self._wanted.set()
        told = self._asked
        fresh = told is not None and told.pid is None and time.monotonic() - told.mono < FRESH
        return (Power.OFF if self._homes or fresh else Power.UNSURE), None

    def _in_cgroup(self) -> Life | None:
        for home in self._homes[:1]:
            for pid in members(home):
                seen = life(self._proc, pid)
                if seen is not None and seen.alive and is_first_process(self._proc, pid):
                    return seen
        return None

    def _told(self) -> Life | None:
        told = self._asked
        seen = life(self._proc, told.pid) if told is not None and told.pid is not None else None
        return seen if seen is not None and seen.alive else None

    def _settle_on(self, found: Life) -> None:
        self._boot = found
        self._asked = None
        self._wanted.clear()
        try:
            homes = self._cgroups.of(self._proc, found.pid)
            self._homes = tuple(home for home in homes if CONTAINER_ID.search(str(home)))
        except OSError:
            self._homes = ()  # it died at once; the engine will be asked again

    def _keep_asking(self) -> None:
        while True:
            self._wanted.wait()
            self._asked = self._answer()
            time.sleep(ASK_SELDOM if self._homes else ASK_EVERY)

    def _answer(self) -> Asked | None:
        asked = time.monotonic()
        try:
            return Asked(asked, self._ask())
        except Exception:  # whatever the engine's trouble is, it says nothing about the site
            return None
