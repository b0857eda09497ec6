"""The lines that Pacemaker's alert agent wrote, and which device fenced."""

import os
import re
from pathlib import Path

from k8sdeployment.pair.fencing import GONE, devices_of
from k8sdeployment.pair.recovery import Alert, parse

# Bytes after which the file is put aside: some thousands of alerts. Recoveries are kept by themselves.
MOST = 1024 * 1024
# pacemaker-fenced, log_async_result(): "Operation 'reboot' [123] targeting site-b using fence-site-b-1 returned 0".
_FENCED = re.compile(r"targeting (\S+) using (\S+) returned 0\b")
_TAIL = 256 * 1024


class Alerts:
    """All alerts there are, read again when there are new ones."""

    def __init__(self, file: Path, log: Path) -> None:
        self._file, self._log = file, log
        self._old = file.with_name(file.name + ".1")
        self._mark: tuple[int, int] = (0, 0)
        self._found: list[Alert] = []
        self._devices: dict[float, str] = {}

    def changed(self) -> bool:
        """Whether something was told since `read`."""
        return self._mark != self._look()

    def read(self) -> list[Alert]:
        """Oldest first."""
        mark = self._look()
        if mark != self._mark:
            self._mark = mark
            lines = [line for file in (self._old, self._file) for line in _lines(file)]
            self._found = [alert for alert in map(parse, lines) if alert is not None]
            if mark[1] > MOST:
                # Each alert opens the file anew, so what is written from now on goes into a new one.
                os.replace(self._file, self._old)
        return self._found

    def devices(self) -> dict[float, str]:
        """What fenced, by the time of the alert: the device, or all of a level. As the log said when it came in."""
        fences = [alert for alert in self._found if alert.kind == "fencing" and alert.rc == "0"]
        new = [alert for alert in fences if alert.when not in self._devices]
        if new:
            said = _fenced_by(tail(self._log))
            self._devices |= {alert.when: said.get(alert.node, "") for alert in new}
        return self._devices

    def _look(self) -> tuple[int, int]:
        try:
            found = os.stat(self._file)
            return found.st_ino, found.st_size
        except OSError:
            return 0, 0


def _fenced_by(log: str) -> dict[str, str]:
    """What fenced each site last. What asks the links has fenced nothing: it stands behind the devices that have, and
    its name tells them; each of them is switched on again afterwards."""
    found: dict[str, list[str]] = {}
    for site, name in _FENCED.findall(log):
        if name.startswith(GONE):
            found[site] = devices_of(name)
        elif name not in found.get(site, []):
            found[site] = [name]
    return {site: " and ".join(names) for site, names in found.items()}


def _lines(file: Path) -> list[str]:
    try:
        # Not splitlines(), which takes Unicode's separators for ends, too.
        return file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []


def tail(file: Path) -> str:
    """The end of a log; "" where there is none."""
    try:
        with open(file, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL))
            return log.read().decode(errors="replace")
    except OSError:
        return ""
