"""Virtual time: what is due when. Nothing here waits; time passes when somebody says so.

Linux's clocks as the agent may read them: monotonic and boot time start anew at each boot and nobody can set them; the
wall clock jumps (clock_gettime(2)).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any


class Timeline:
    """Events in the order in which they are due. All times in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._booted = 0.0
        self._jumped = 1.7e9
        self._due: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0

    def after(self, delay: float, then: Callable[..., object], *arguments: Any) -> None:
        self._count += 1
        heapq.heappush(self._due, (self.now + delay, self._count, then, arguments))

    def advance(self, seconds: float) -> None:
        """Let time pass, with everything that is due on the way."""
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            self._one()
        self.now = max(self.now, until)

    def advance_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until a condition holds, that long at most. Says whether it holds."""
        until = self.now + seconds
        while not condition():
            if not self._due or self._due[0][0] > until:
                self.now = max(self.now, until)
                return False
            self._one()
        return True

    def _one(self) -> None:
        due, _, then, arguments = heapq.heappop(self._due)
        self.now = max(self.now, due)
        then(*arguments)

    def forget(self, *owners: object) -> None:
        """Drop what these had in mind: they died with the host."""
        self._due = [entry for entry in self._due
                     if not any(getattr(entry[2], "__self__", None) is owner for owner in owners)]
        heapq.heapify(self._due)

    def boot(self) -> None:
        self._booted = self.now

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self._jumped += seconds

    def monotonic(self) -> float:
        return self.now - self._booted

    def wall(self) -> float:
        return self.now + self._jumped
