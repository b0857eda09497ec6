"""What stands beside the sites' machines in a lab with poison pill: `python -m lab.pill_process LAB READY LIMIT`.

Each site's watchdog, which outlives the site's boots; and, at a site's end, its kubelet's loop device over the shared
disk given back. It makes the file READY, beside the disk, once it has looked at every site, and runs until it is ended.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Optional, Protocol

from docker.errors import DockerException

from lab import loops, oracle
from lab.errors import LabError
from lab.oracle_facts import SELF_FENCE
from lab.oracle_power import PowerEye
from lab.oracle_proc import Life
from lab.record import Power
from lab.sites import Lab
from lab.watchdog import Watchdog

LOOK_SECONDS = 0.1
FIFO = "watchdog"
# What an engine calls the end of a container whose first process was ended by reboot(2) within it: SIGHUP, by the
# kernel's hand. The lab and the BMCs use SIGKILL.
REBOOTED = 129

Note = Callable[[str, str], None]


class Machine(Protocol):
    """What is needed of a site."""

    @property
    def name(self) -> str: ...

    def exit_code(self) -> Optional[int]: ...


class Eye(Protocol):
    """Sees whether a site has power, and since which boot."""

    def look(self) -> tuple[Power, Optional[Life]]: ...


class Chip:
    """What stands beside one site's machine: its watchdog, and who tidies up at each boot and end of the site."""

    def __init__(self, site: Machine, eye: Eye, dog: Watchdog, disk: Optional[int], note: Note,
                 devices: Callable[[int], Path] = lambda pid: Path(f"/proc/{pid}/root/dev")) -> None:
        self.name = site.name
        self._site, self._eye, self._dog, self._disk, self._note = site, eye, dog, disk, note
        self._devices = devices
        self._boot: Optional[Life] = None
        self._place: Optional[int] = None
        self._unexplained = False

    def look(self) -> None:
        """To be called several times within the watchdog's limit."""
        _, boot = self._eye.look()
        if boot != self._boot:
            before, self._boot = self._boot, boot
            if before is not None:
                self._ended(boot is None)
            if boot is not None:
                self._begun(boot.pid)
        if self._unexplained:
            self._explain()
        self._dog.look()

    def _ended(self, still: bool) -> None:
        """The watchdog lost its power with the site; else it would cut that of the next boot."""
        self._dog.reset()
        self._unexplained = still
        if self._place is not None and self._disk is not None:
            loops.detach(loops.over_device(self._disk, self._place))

    def _begun(self, pid: int) -> None:
        self._unexplained, self._place = False, None
        if self._disk is None:
            return
        devices = self._devices(pid)
        loops.furnish(devices)
        self._place = devices.stat().st_dev

    def _explain(self) -> None:
        """Note an end that the site brought about itself; all others are noted by whoever gave the order."""
        code = self._site.exit_code()
        if code is None:
            return  # the engine has not seen it yet
        self._unexplained = False
        if code == REBOOTED:
            self._note(SELF_FENCE, "by reboot(2)")


def chips(lab: Lab, disk: Optional[int], limit: float) -> list[Chip]:
    """One for each site; `disk`: the shared one's number, None without one."""
    found = []
    for site in lab.sites.values():
        note: Note = partial(_note, lab, site.name)
        dog = Watchdog(site.disk / FIFO, partial(site.power, "off"), partial(note, "watchdog"), limit)
        found.append(Chip(site, PowerEye(site.pid), dog, disk, note))
    return found


def _note(lab: Lab, site: str, what: str, detail: str) -> None:
    lab.event(what, site, detail)


def main(arguments: list[str]) -> None:
    """Looks for ever."""
    name, ready = arguments[0], Path(arguments[1])
    lab = Lab.attach(name)
    disks = [Path(disk).stat().st_rdev for disk in loops.over_files(ready.parent)]
    tended = chips(lab, disks[0] if disks else None, float(arguments[2]))
    oracle.take_precedence()  # a watchdog depends on nobody's processor
    while True:
        for one in tended:
            _look(one)
        ready.touch()
        time.sleep(LOOK_SECONDS)


def _look(one: Chip) -> None:
    """An engine that does not answer now may do so at the next look."""
    try:
        one.look()
    except (LabError, DockerException, OSError) as error:
        print(f"{time.monotonic():.1f} {one.name}: {error}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
