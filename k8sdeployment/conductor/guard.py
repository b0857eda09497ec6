"""Whether this site has quorum, for the poison pill without a disk: without it the watchdog is fed no more.

sbd asks Pacemaker's configuration, in which a controller that hangs during a split leaves an old quorum behind. So
Corosync is asked here as well, and what sbd feeds is only handed on (conductor/feeder.py) while that answers: whichever
of the two hangs, or comes too late on a site that is overloaded, the site ends.

Invariant: **a site says that its watchdog guards it only after the watchdog was armed, and while two votes of three are
what quorum takes here; from its first word on, until it was disarmed in order, it ends without quorum.** That outlives
the peer: a new one would take the running watchdog over as if nobody counted on it.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Optional

from k8sdeployment.pair import guard, paths

# Its exit code tells about the quorum, too, and so does not tell whether it worked.
ASK = ("corosync-quorumtool", "-s")
HAD = Path(paths.HAD_QUORUM)
# What stands in the mark in place of a name: the watchdog is fed, and quorum was not seen yet.
NOT_YET = "-"
_SAYS = re.compile(r"^(Quorate|Quorum|Flags): *(.*?) *$", re.MULTILINE)


class Guard:
    """One watchdog's. `pid`: sbd's; `had`: when this site had quorum last, by the host's monotonic clock."""

    def __init__(self, mark: Path, pid: int, had: Path = HAD, ask: tuple[str, ...] = ASK,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._mark, self._pid, self._ask, self._clock = mark, pid, ask, clock
        self._had = had
        self._seen = last(had)
        self.ended = ""
        self._asked = float("-inf")
        self._question: Optional[subprocess.Popen[str]] = None
        self._shown = ""
        self._show(NOT_YET)

    def look(self) -> str:
        """Why this site must end now, and from then on for good; "" while it may go on. To be called several times a
        second. It waits for nobody."""
        now = self._clock()
        if self._question is None and now - self._asked >= guard.LOOK:
            self._question = _begin(self._ask)
            self._asked = now
        answer = None
        if self._question is not None and self._question.poll() is not None:
            answer = self._question.communicate()[0]
            self._question = None
        elif self._question is not None and now - self._asked > guard.ANSWER:
            self._question.kill()
        self._judge(read(answer or ""), now)
        return self.ended

    def _judge(self, said: dict[str, str], now: float) -> None:
        if self.ended:
            return
        if said.get("Quorate") == "Yes":
            # A site that was asked long ago had it then, not now.
            self._seen = self._asked
            self._show(guard.ARMED if _by_two(said) and self._remembered() else NOT_YET)
        if self._seen is None:
            return
        silent = now - self._seen
        if silent > guard.UNKNOWN or (said.get("Quorate") == "No" and silent > guard.REFUSED):
            self.ended = f"no quorum is known here for {silent:.0f} s: the watchdog ends this site"
            self._show(NOT_YET)

    def _remembered(self) -> bool:
        try:
            new = self._had.with_name(f".{self._had.name}")
            new.write_text(f"{self._asked:.1f}\n", encoding="ascii")
            new.replace(self._had)
        except OSError:
            return False
        return True

    def _show(self, name: str) -> None:
        if name != self._shown:
            with suppress(OSError):  # without room for it this site does not say that it is guarded
                self._mark.write_text(f"{self._pid} {name}\n", encoding="ascii")
                self._shown = name


def last(had: Path) -> Optional[float]:
    """When this site had quorum last. None: nobody counts on its end."""
    try:
        return float(had.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return float("-inf")


def overdue(had: Path = HAD, ask: tuple[str, ...] = ASK, clock: Callable[[], float] = time.monotonic) -> str:
    """Why a watchdog that may run on from an earlier peer must not be touched, which would feed it; "" when it may."""
    seen = last(had)
    if seen is None or clock() - seen <= guard.REFUSED or read(_ask(ask)).get("Quorate") == "Yes":
        return ""
    return ("an earlier peer of this site was guarded by its watchdog, and the site has no quorum now: the watchdog is "
            "left to end it")


def read(text: str) -> dict[str, str]:
    """What corosync-quorumtool says of the quorum; nothing for what is not its words."""
    return {line[1]: line[2] for line in _SAYS.finditer(text)}


def _by_two(said: dict[str, str]) -> bool:
    """Whether two votes are a quorum. By one, both sites of a split have it."""
    return said.get("Quorum", "").split()[:1] == ["2"] and "2Node" not in said.get("Flags", "").split()


def _ask(ask: tuple[str, ...]) -> str:
    question = _begin(ask)
    try:
        return "" if question is None else question.communicate(timeout=guard.ANSWER)[0]
    except subprocess.TimeoutExpired:
        return ""
    finally:
        if question is not None:
            question.kill()


def _begin(ask: tuple[str, ...]) -> Optional["subprocess.Popen[str]"]:
    try:
        return subprocess.Popen(ask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                env={**os.environ, "LC_ALL": "C"})
    except OSError:
        return None
