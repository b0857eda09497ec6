"""First process of the sbd container: starts sbd, on the disk that both sites share or without, and tells what it logs.

sbd goes into the background and logs to syslog alone. Whoever takes its words must never keep it waiting: an sbd that
hangs is a host that its watchdog resets. So what the container's output does not take at once is dropped.

Invariants: **A site says that it would hear its poison pill only while an sbd reads the disk and feeds its watchdog.**
What it says without a disk: conductor/guard.py. **The watchdog is disarmed only when Pacemaker has left in order, so
that it has stopped what it ran, or in maintenance, of which the other site knows.** Else the site ends: the other one
will fence it, and must not find that nobody hears it there any more.

Usage: python3 -m k8sdeployment.conductor.pill, with SITE, WATCHDOG and FIRST (yes or no) or DISK=no in the environment
"""

from __future__ import annotations

import os
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Optional

from k8sdeployment.conductor.feeder import Feeder, take_precedence
from k8sdeployment.conductor.guard import HAD, NOT_YET, Guard, last, overdue
from k8sdeployment.conductor.shared_disk import ANSWER, prepare, read_header
from k8sdeployment.conductor.syslog import Words
from k8sdeployment.pair import guard, paths

MARK = Path(paths.ARMED)
SYSLOG = "/dev/log"
# Of sbd itself, which writes it before it reads the disk or feeds anything.
SBD_PID = "/run/sbd.pid"
# Seconds between two looks at what is not ready, and at a disk that is.
AGAIN, SELDOM = 2.0, 10.0
# Seconds for which the second site leaves a blank disk to the first one.
COURTESY = 20.0
DUMP = ("sbd", "-d", paths.PILL, "dump")
LEFT, MAINTAINED = Path(paths.LEFT), Path(paths.MAINTAINED)


def main(env: Mapping[str, str], mark: Path = MARK) -> int:
    """Ends when sbd does: 0 when that was asked for, else 1."""
    words, ending = Words(SYSLOG), Ending()
    for old in (mark, Path(SBD_PID)):
        old.unlink(missing_ok=True)
    patience, disk = time.monotonic() + (0.0 if env.get("FIRST") == "yes" else COURTESY), env.get("DISK") != "no"
    while why := prepare(paths.PILL, time.monotonic() >= patience) if disk else overdue():
        words.say(why)
        if ending.wait(AGAIN):
            return 0
        words.relay(0.0)
    watchdog, feeder = env["WATCHDOG"], None
    if not disk:
        take_precedence()
        feeder, watchdog = Feeder(watchdog, paths.FEED, guard.WATCHDOG), paths.FEED
    begun = subprocess.Popen(command(env["SITE"], watchdog, disk))
    while (code := begun.poll()) is None:
        words.relay(0.1)
    words.relay(0.0)
    if code:
        words.say(f"sbd ended with {code}")
        return 1
    try:
        return _watch(words, ending, mark, feeder)
    except OSError as error:
        words.say(str(error))
        return 1
    finally:
        mark.unlink(missing_ok=True)


def _watch(words: Words, ending: Ending, mark: Path, feeder: Optional[Feeder]) -> int:
    """While sbd runs. It has gone into the background once it has armed what it feeds (sbd(8), watch)."""
    pid = int(Path(SBD_PID).read_text(encoding="ascii"))
    daemon = os.pidfd_open(pid)
    if feeder is not None:
        feeder.look(True)
    of, told = Shown(mark, pid) if feeder is None else Guard(mark, pid), ""
    while not select.select([daemon], [], [], 0)[0]:
        why = told if ending.was_asked else of.look()  # what must end does so, whoever asks for it, too
        if why != told:
            words.say(why)
            told = why
        if feeder is not None:
            feeder.look(not told)
        words.relay(0.5, daemon, ending.pipe)
        if ending.asked():
            mark.unlink(missing_ok=True)
            _end(daemon, words, not told and in_order())
    if feeder is not None and ending.was_asked and not told:
        _disarm(feeder, words)
    words.relay(0.0)
    words.say("sbd has ended")
    return 0 if ending.was_asked else 1


def _end(daemon: int, words: Words, orderly: bool) -> None:
    """Killed, it leaves the watchdog armed."""
    if not orderly:
        words.say("Pacemaker did not leave in order, so that workloads may run here: the watchdog ends this site")
    signal.pidfd_send_signal(daemon, signal.SIGTERM if orderly else signal.SIGKILL)


def _disarm(feeder: Feeder, words: Words) -> None:
    """Once all that is left of sbd has let go, if its last word was that."""
    until = time.monotonic() + guard.ANSWER
    while feeder.armed and time.monotonic() < until:
        feeder.look(True)
        words.relay(0.1)
    if feeder.disarmed:
        HAD.unlink(missing_ok=True)


def in_order(left: Path = LEFT, maintained: Path = MAINTAINED) -> bool:
    """Whether the other site knows of what runs here, or nothing does."""
    seen = last(maintained)
    return left.exists() or (seen is not None and time.monotonic() - seen <= guard.STALE)


class Shown:
    """Tells on which disk this site listens, by the header that is there now. It never waits for the disk: while it
    did, nobody would take sbd's words."""

    def __init__(self, mark: Path, pid: int, ask: tuple[str, ...] = DUMP) -> None:
        self._mark, self._pid, self._ask = mark, pid, ask
        self._asked, self._due = float("-inf"), float("-inf")
        self._question: Optional[subprocess.Popen[str]] = None

    def look(self) -> str:
        """One look, now and then a new question. This site need never end by it."""
        now = time.monotonic()
        if self._question is None and now >= self._due:
            self._question = subprocess.Popen(self._ask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            self._asked, self._due = now, now + SELDOM
        if self._question is not None and self._question.poll() is not None:
            told, _ = self._question.communicate()
            self._show("" if self._question.returncode else read_header(told)[0])
            self._question = None
        elif self._question is not None and now - self._asked > ANSWER:
            self._show("")
        return ""

    def _show(self, name: str) -> None:
        if not name:
            self._mark.unlink(missing_ok=True)
        elif armed(self._mark) != name:
            with suppress(OSError):  # without room for it this site does not say that it listens
                self._mark.write_text(f"{self._pid} {name}\n", encoding="ascii")


def armed(mark: Path = MARK) -> str:
    """The name of the shared disk on which this site listens, guard.ARMED without one, "" when neither is so."""
    try:
        pid, name = mark.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return ""
    return name if name != NOT_YET and pid.isdigit() and os.path.exists(f"/proc/{pid}") else ""


def command(site: str, watchdog: str, disk: bool = True) -> list[str]:
    """sbd for this site. What stands for a watchdog, a FIFO, knows no timeout that could be set."""
    fixed = ["-T"] if _is_fifo(watchdog) else []
    where = ["-d", paths.PILL] if disk else ["-1", str(guard.WATCHDOG)]
    return ["sbd", *where, "-w", watchdog, "-n", site, "-p", SBD_PID, *fixed, "watch"]


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False  # sbd says it better


class Ending:
    """Whether this container was told to end."""

    def __init__(self) -> None:
        self.pipe, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.was_asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os.write(self._write, b"."))

    def asked(self) -> bool:
        """Once for each time it was told."""
        try:
            asked = bool(os.read(self.pipe, 100))
        except BlockingIOError:
            return False
        self.was_asked = True
        return asked

    def wait(self, seconds: float) -> bool:
        """Whether it was told within that time."""
        select.select([self.pipe], [], [], seconds)
        return self.asked()


if __name__ == "__main__":
    sys.exit(main(os.environ))
