"""Whether this site has quorum, for the poison pill without a disk: without it the watchdog is fed no more.

sbd asks Pacemaker's configuration, in which a controller that hangs during a split leaves an old quorum behind. So
Corosync is asked here as well. Once sbd is frozen nothing thaws it: the other site counts on the end.

Invariant: **a site says that its watchdog guards it only after this sbd's watchdog was armed, and while two votes of
three are what quorum takes here; from its first word on, every sbd of this peer ends it without quorum.** An sbd that
is started anew takes the running watchdog over, so it must not begin as if nobody counted on it.
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
# What stands in the mark in place of a name: sbd feeds its watchdog, and quorum was not seen yet.
NOT_YET = "-"
_SAYS = re.compile(r"^(Quorate|Quorum|Flags): *(.*?) *$", re.MULTILINE)


class Guard:
    """One sbd's. `freeze` keeps it from feeding the watchdog for good; `had`: there once this peer had quorum."""

    def __init__(self, mark: Path, pid: int, freeze: Callable[[str], None], had: Path = HAD,
                 ask: tuple[str, ...] = ASK, clock: Callable[[], float] = time.monotonic) -> None:
        self._mark, self._pid, self._freeze, self._ask, self._clock = mark, pid, freeze, ask, clock
        self._had = had
        self._seen: Optional[float] = clock() if had.exists() else None
        self._frozen = False
        self._asked = float("-inf")
        self._question: Optional[subprocess.Popen[str]] = None
        self._shown = ""
        self._show(NOT_YET)

    def look(self) -> None:
        """To be called several times a second. It waits for nobody."""
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

    def _judge(self, said: dict[str, str], now: float) -> None:
        if said.get("Quorate") == "Yes":
            # A site that was asked long ago had it then, not now.
            self._seen = self._asked
            self._show(guard.ARMED if _by_two(said) and self._remembered() else NOT_YET)
        if self._seen is None or self._frozen:
            return
        silent = now - self._seen
        if silent > guard.UNKNOWN or (said.get("Quorate") == "No" and silent > guard.REFUSED):
            self._frozen = True
            self._show(NOT_YET)
            self._freeze(f"no quorum is known here for {silent:.0f} s: the watchdog ends this site")

    def _remembered(self) -> bool:
        try:
            self._had.touch()
        except OSError:
            return False
        return True

    def _show(self, name: str) -> None:
        if name != self._shown:
            with suppress(OSError):  # without room for it this site does not say that it is guarded
                self._mark.write_text(f"{self._pid} {name}\n", encoding="ascii")
                self._shown = name


def read(text: str) -> dict[str, str]:
    """What corosync-quorumtool says of the quorum; nothing for what is not its words."""
    return {line[1]: line[2] for line in _SAYS.finditer(text)}


def _by_two(said: dict[str, str]) -> bool:
    """Whether two votes are a quorum. By one, both sites of a split have it."""
    return said.get("Quorum", "").split()[:1] == ["2"] and "2Node" not in said.get("Flags", "").split()


def _begin(ask: tuple[str, ...]) -> Optional["subprocess.Popen[str]"]:
    try:
        return subprocess.Popen(ask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                env={**os.environ, "LC_ALL": "C"})
    except OSError:
        return None
