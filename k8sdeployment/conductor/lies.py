"""Remembers which fence devices were caught lying, until they are changed or do what they say.

Invariant: **a device that lied is not taken for proven by an answer of its own.** Kept on disk, for Pacemaker's log is
cut in time and a boot must not clear a device's name. In memory lies a file for each, by which fence_gone knows it.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from k8sdeployment.conductor.alerts import tail
from k8sdeployment.conductor.store import read, write
from k8sdeployment.pair.lies import caught

Known = dict[str, dict[str, str]]


class Lies:
    """`log`: Pacemaker's; `file`: where they are kept; `liars`: where fence_gone finds an empty file for each."""

    def __init__(self, log: Path, file: Path, liars: Path) -> None:
        self._log, self._file, self._liars = log, file, liars
        self._mark: tuple[int, int] = (0, 0)
        self._known = _kept(file)

    def look(self, words: Mapping[str, str]) -> set[str]:
        """The devices that lied and are the same since. `words`: what each device is told, by its name."""
        digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in words.items()}
        mark = _mark(self._log)
        if mark != self._mark:
            self._follow(digests)
            self._mark = mark
        found = {name for name, digest in digests.items() if self._known.get(name, {}).get("words") == digest}
        with suppress(OSError):  # memory is full: the next look tries again
            _show(found, self._liars)
        return found

    def _follow(self, digests: Mapping[str, str]) -> None:
        """A lie that is known already is left as it is: the device may have been changed since."""
        found = dict(self._known)
        for name, line in caught(tail(self._log)).items():
            if not line:
                found.pop(name, None)
            elif name in digests and found.get(name, {}).get("line") != line:
                found[name] = {"line": line, "words": digests[name]}
        if found != self._known:
            self._known = found
            with suppress(OSError):  # a full disk: it is known until this process ends
                write(self._file, json.dumps(found))


def _show(liars: set[str], directory: Path) -> None:
    """The directory holds a file for each of these and no other."""
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    shown = set(os.listdir(directory))
    for name in shown - liars:
        (directory / name).unlink()
    for name in liars - shown:
        (directory / name).touch()


def _mark(file: Path) -> tuple[int, int]:
    try:
        found = os.stat(file)
        return found.st_ino, found.st_size
    except OSError:
        return 0, 0


def _kept(file: Path) -> Known:
    found = read(file)
    if not isinstance(found, dict):
        return {}
    return {str(name): {str(word): str(value) for word, value in one.items()}
            for name, one in found.items() if isinstance(one, dict)}
