"""What the agent remembers of a workload within one boot. Losing it costs comfort, never safety.

Times are CLOCK_BOOTTIME seconds: no wall clock is involved, and a value of an earlier boot that lies in the future is
ignored. The file lies on a tmpfs (beside the permit, else in HA_RSCTMP).
"""

from __future__ import annotations

import os
import time


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Memory:
    """A few named values in one small file; unreadable or unwritable means: nothing is remembered."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._values = self._load()

    def _load(self) -> dict[str, str]:
        try:
            with open(self._path, encoding="utf-8") as file:
                return dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
        except (OSError, ValueError):
            return {}

    def keep(self, **values: object) -> None:
        """Set values (None forgets one) and write the file if something changed."""
        new = {**self._values, **{name: str(value) for name, value in values.items() if value is not None}}
        for name, value in values.items():
            if value is None:
                new.pop(name, None)
        if new != self._values:
            self._values = new
            self._write()

    def _write(self) -> None:
        temporary = f"{self._path}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with open(temporary, "w", encoding="utf-8") as file:
                file.writelines(f"{name}={value}\n" for name, value in self._values.items())
            os.rename(temporary, self._path)
        except OSError:
            pass

    def names(self, key: str) -> list[str]:
        """A list of words."""
        return self._values.get(key, "").split()

    def number(self, key: str, default: int) -> int:
        text = self._values.get(key, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else default

    def age(self, key: str) -> float | None:
        """Seconds since a remembered moment; None when there is none of this boot."""
        try:
            age = boottime() - float(self._values[key])
        except (KeyError, ValueError):
            return None
        return age if age >= 0 else None

    def mark(self, key: str, since_first: bool = False) -> None:
        """Remember now; with `since_first` only when no moment is remembered yet."""
        if not since_first or self.age(key) is None:
            self.keep(**{key: boottime()})  # exact: rounded up it would lie in the future
