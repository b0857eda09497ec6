"""First process of the sbd container: starts sbd, on the disk that both sites share or without, and tells what it logs.

sbd goes into the background and logs to syslog alone. Whoever takes its words must never keep it waiting: an sbd that
hangs is a host that its watchdog resets. So what the container's output does not take at once is dropped.

The disk's header is made on a disk that is blank: by the first site, and by the other one when that does not do it for
a while, for a pair that runs renews one peer after the other. Should both do it, sbd finds its place anew, for it looks
at the header at each loop, and the sites agree on the one that stands. A disk that holds anything else is left alone.

Invariant: **a site says that it would hear its poison pill only while an sbd reads the disk and feeds its watchdog.**
What it says without a disk: conductor/guard.py.

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
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Optional, Union

from k8sdeployment.conductor.guard import NOT_YET, Guard
from k8sdeployment.conductor.syslog import Words
from k8sdeployment.pair import guard, paths

MARK = Path(paths.ARMED)
SYSLOG = "/dev/log"
# Of sbd itself, which writes it before it reads the disk or feeds anything.
SBD_PID = "/run/sbd.pid"
# Seconds: what sbd waits for the watchdog to be fed, and for a message to have been heard. Twice as long, by sbd(8),
# and shorter than fence_sbd waits by itself.
WATCHDOG_SECONDS, MESSAGE_SECONDS, LONGEST = 5, 10, 30
# Bytes that sbd's header and its slots take.
HEADER = 1 << 20
# Seconds between two looks at a disk that is not ready, and at one that is; and for sbd to answer about it.
AGAIN, SELDOM, ANSWER = 2.0, 10.0, 30.0
# Seconds for which the second site leaves a blank disk to the first one.
COURTESY = 20.0
DUMP = ("sbd", "-d", paths.PILL, "dump")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def main(env: Mapping[str, str], mark: Path = MARK) -> int:
    """Ends when sbd does: 0 when that was asked for, else 1."""
    words, ending = Words(SYSLOG), Ending()
    for old in (mark, Path(SBD_PID)):
        old.unlink(missing_ok=True)
    patience, disk = time.monotonic() + (0.0 if env.get("FIRST") == "yes" else COURTESY), env.get("DISK") != "no"
    while disk and (why := prepare(paths.PILL, time.monotonic() >= patience)):
        words.say(why)
        if ending.wait(AGAIN):
            return 0
        words.relay(0.0)
    begun = subprocess.Popen(command(env["SITE"], env["WATCHDOG"], disk))
    while (code := begun.poll()) is None:
        words.relay(0.1)
    words.relay(0.0)
    if code:
        words.say(f"sbd ended with {code}")
        return 1
    try:
        return _watch(words, ending, mark, disk)
    finally:
        mark.unlink(missing_ok=True)


def _watch(words: Words, ending: Ending, mark: Path, disk: bool) -> int:
    """While sbd runs. It has gone into the background once its watchdog is armed (sbd(8), watch)."""
    pid = int(Path(SBD_PID).read_text(encoding="ascii"))
    daemon = os.pidfd_open(pid)

    def freeze(why: str) -> None:
        signal.pidfd_send_signal(daemon, signal.SIGSTOP)
        words.say(why)

    shown: Union[Shown, Guard] = Shown(mark, pid) if disk else Guard(mark, pid, freeze)
    while not select.select([daemon], [], [], 0)[0]:
        if not ending.was_asked:
            shown.look()
        words.relay(0.5, daemon, ending.pipe)
        if ending.asked():
            mark.unlink(missing_ok=True)
            signal.pidfd_send_signal(daemon, signal.SIGTERM)
    words.relay(0.0)
    words.say("sbd has ended")
    return 0 if ending.was_asked else 1


class Shown:
    """Tells on which disk this site listens, by the header that is there now. It never waits for the disk: while it
    did, nobody would take sbd's words."""

    def __init__(self, mark: Path, pid: int, ask: tuple[str, ...] = DUMP) -> None:
        self._mark, self._pid, self._ask = mark, pid, ask
        self._asked, self._due = float("-inf"), float("-inf")
        self._question: Optional[subprocess.Popen[str]] = None

    def look(self) -> None:
        """One look, now and then a new question."""
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


def prepare(disk: str, makes: bool, run: Run = subprocess.run) -> str:
    """Why sbd cannot start on this disk yet; "" once a header is there that will do. `makes`: one, on a blank disk."""
    name, why = header(disk, run)
    if name or why:
        return why
    try:
        blank = _is_blank(disk)
    except OSError as error:
        return f"the shared disk cannot be read: {error.strerror}"
    if not blank:
        return "the shared disk holds something that is not sbd's, and is left alone; wipe its first MiB if it is free"
    if not makes:
        return "the shared disk is blank; the pair's first site may make sbd's header there"
    try:
        made = run(["sbd", "-d", disk, "-1", str(WATCHDOG_SECONDS), "-4", str(MESSAGE_SECONDS), "create"],
                   capture_output=True, text=True, check=False, timeout=ANSWER)
    except subprocess.TimeoutExpired:
        return f"sbd's header is not made on the shared disk within {ANSWER:.0f} s"
    return f"sbd's header cannot be made on the shared disk: {made.stderr.strip()}" if made.returncode else ""


def header(disk: str, run: Run = subprocess.run) -> tuple[str, str]:
    """The UUID in a disk's header, and why it will not do; both "" where there is none."""
    try:
        told = run(["sbd", "-d", disk, "dump"], capture_output=True, text=True, check=False, timeout=ANSWER)
    except subprocess.TimeoutExpired:
        return "", f"the shared disk does not answer within {ANSWER:.0f} s"
    return ("", "") if told.returncode else read_header(told.stdout)


def read_header(text: str) -> tuple[str, str]:
    """The same, of what `sbd dump` wrote."""
    found = {name.strip(): value.strip() for name, _, value in (
        line.partition(":") for line in text.splitlines())}
    try:
        message, fed = (int(found[f"Timeout ({name})"]) for name in ("msgwait", "watchdog"))
        name = found["UUID"]
    except (KeyError, ValueError):
        return "", "the shared disk's header is not one of sbd 1.5"
    if not 2 * fed <= message < LONGEST:
        return "", (f"the shared disk's header has msgwait {message} s and watchdog {fed} s; msgwait must be at least "
                    f"twice the watchdog's and below {LONGEST} s")
    return name, ""


def _is_blank(disk: str) -> bool:
    with open(disk, "rb", buffering=0) as file:
        left = HEADER
        while left > 0 and (found := file.read(min(left, 1 << 16))):
            if any(found):
                return False
            left -= len(found)
        return left < HEADER


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
