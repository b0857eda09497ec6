"""Progress of a long command: one line per step, with the seconds it took."""

import threading
import time
from typing import Optional

from rich.console import Console


class Steps:
    """`say` begins a step and so ends the one before it; usable from several threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._began = self._step_began = time.monotonic()
        self._step: Optional[str] = None
        self._status = console.status("")

    @property
    def seconds(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._began

    def __enter__(self) -> "Steps":
        self._status.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._status.stop()
        self._close("failed" if reason[0] else "")

    def say(self, step: str) -> None:
        """Begin a step."""
        with self._lock:
            self._close("")
            self._step, self._step_began = step, time.monotonic()
            self._status.update(step)

    def _close(self, remark: str) -> None:
        if self._step is not None:
            self._console.print(f"{time.monotonic() - self._step_began:7.1f} s  {self._step} {remark}".rstrip())
        self._step = None
