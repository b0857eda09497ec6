"""The time an action has. Pacemaker kills the process group at the timeout, so the agent ends itself before.

Monotonic clock: a changed wall clock changes nothing.
"""

from __future__ import annotations

import time

from .codes import Late

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds when nobody says (a person runs the agent by hand): the metadata's own timeouts.
_BY_HAND = {"start": 180.0, "stop": 360.0, "monitor": 20.0, "probe": 20.0, "validate-all": 20.0}
# Shares of the timeout after which an action gives up (agent contract): the rest is for the interpreter to start,
# for a last look and for saying why.
_SHARE = {"start": 0.90, "stop": 0.95, "monitor": 0.70, "probe": 0.70, "validate-all": 0.70}


class Deadline:
    """A point in time with the steps towards it. All values in seconds."""

    __slots__ = ("began", "span", "_now")

    def __init__(self, span: float, now: object = None) -> None:
        self._now = now if callable(now) else time.monotonic
        self.began = self._now()
        self.span = span

    def elapsed(self) -> float:
        return float(self._now()) - self.began

    def left(self) -> float:
        return max(0.0, self.span - self.elapsed())

    def passed(self) -> bool:
        return self.left() <= 0

    def part(self, seconds: float) -> Deadline:
        """A nearer deadline: that many seconds from now, never later than this one."""
        return Deadline(min(seconds, self.left()), self._now)

    def demand(self, doing: str) -> float:
        """Time left; Late when there is none."""
        left = self.left()
        if left <= 0:
            raise Late(f"out of time after {self.elapsed():.0f}s while {doing}")
        return left

    def wait(self, seconds: float) -> None:
        """Sleep between two looks at a condition, never past the deadline."""
        time.sleep(min(seconds, self.left()))


def timeout(action: str, env: Mapping[str, str]) -> float:
    """The action's whole time in seconds: OCF_RESKEY_CRM_meta_timeout is in milliseconds."""
    text = env.get("OCF_RESKEY_CRM_meta_timeout", "")
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text) / 1000.0
    return _BY_HAND.get(action, 20.0)


def budget(action: str, env: Mapping[str, str]) -> Deadline:
    """The time this action may use."""
    whole = timeout(action, env)
    return Deadline(max(0.2, min(whole * _SHARE.get(action, 0.7), whole - 0.5)))
