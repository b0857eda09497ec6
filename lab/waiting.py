"""Wait for a condition with a deadline; on expiry the error says what was awaited and why it may not have come."""

import time
from collections.abc import Callable
from typing import Optional, TypeVar

from lab.errors import LabError

Found = TypeVar("Found")
LOOK_SECONDS = 0.1


def until(condition: Callable[[], Optional[Found]], what: str, seconds: float,
          why_not: Callable[[], str] = lambda: "") -> Found:
    """The first true answer of the condition; LabError after `seconds`, with `why_not` appended."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise LabError(" ".join([f"{what} did not happen within {seconds:g} s.", why_not()]).strip())
        time.sleep(LOOK_SECONDS)
