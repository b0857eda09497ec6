"""First process of the sbd container: starts sbd on the disk that both sites share, and tells what it logs.

sbd goes into the background and logs to syslog alone. Whoever takes its words must never keep it waiting: an sbd that
hangs is a host that its watchdog resets. So what the container's output does not take at once is dropped.

The disk's header is made by the first site, on a disk that is blank. A disk that holds anything else is left alone.

Usage: python3 -m k8sdeployment.conductor.pill, with SITE, WATCHDOG and FIRST (yes or no) in the environment
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

from k8sdeployment.pair import paths

SYSLOG = "/dev/log"
# Seconds: what sbd waits for the watchdog to be fed, and for a message to have been heard. Twice as long, by sbd(8).
WATCHDOG_SECONDS, MESSAGE_SECONDS = 5, 10
# Bytes that sbd's header and its slots take.
HEADER = 1 << 20
# Seconds between two looks at a disk that is not ready.
AGAIN = 2.0
_STAMP = re.compile(rb"<[0-9]+>(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} )?")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Say = Callable[[str], None]


def main(env: Mapping[str, str]) -> int:
    """Ends when sbd does: 0 when that was asked for, else 1."""
    words = Words(SYSLOG)
    with suppress(FileNotFoundError):
        os.unlink(paths.SBD_PID)
    ending = Ending()
    while why := prepare(paths.PILL, env.get("FIRST") == "yes"):
        words.say(why)
        if ending.wait(AGAIN):
            return 0
    started = subprocess.run(command(env["SITE"], env["WATCHDOG"]), check=False)
    words.relay(0.0)
    if started.returncode:
        words.say(f"sbd ended with {started.returncode}")
        return 1
    with open(paths.SBD_PID, encoding="ascii") as file:
        daemon = os.pidfd_open(int(file.read()))
    while not select.select([daemon], [], [], 0)[0]:
        words.relay(0.5, daemon, ending.pipe)
        if ending.asked():
            signal.pidfd_send_signal(daemon, signal.SIGTERM)
    words.relay(0.0)
    words.say("sbd has ended")
    return 0 if ending.was_asked else 1


def command(site: str, watchdog: str) -> list[str]:
    """sbd for this site. What stands for a watchdog, a FIFO, knows no timeout that could be set."""
    fixed = ["-T"] if _is_fifo(watchdog) else []
    return ["sbd", "-d", paths.PILL, "-w", watchdog, "-n", site, "-p", paths.SBD_PID, *fixed, "watch"]


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False  # sbd says it better


def prepare(disk: str, first: bool, run: Run = subprocess.run) -> str:
    """Why sbd cannot start on this disk yet; "" once its header is there."""
    if not run(["sbd", "-d", disk, "dump"], capture_output=True, text=True, check=False).returncode:
        return ""
    try:
        blank = _is_blank(disk)
    except OSError as error:
        return f"the shared disk cannot be read: {error.strerror}"
    if not blank:
        return "the shared disk holds something that is not sbd's, and is left alone; wipe its first MiB if it is free"
    if not first:
        return "the shared disk is blank; waiting until the pair's first site makes sbd's header there"
    made = run(["sbd", "-d", disk, "-1", str(WATCHDOG_SECONDS), "-4", str(MESSAGE_SECONDS), "create"],
               capture_output=True, text=True, check=False)
    return f"sbd's header cannot be made on the shared disk: {made.stderr.strip()}" if made.returncode else ""


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


class Words:
    """The container's own syslog, written to its output, or dropped where nobody reads that."""

    def __init__(self, path: str, output: int = 1) -> None:
        with suppress(FileNotFoundError):
            os.unlink(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._socket.setblocking(False)
        self._output = output
        os.set_blocking(output, False)

    def say(self, text: str) -> None:
        """One line of ours."""
        self._put(f"pill: {text}".encode())

    def relay(self, seconds: float, *others: int) -> None:
        """What was logged by now, waiting for something for so long, or until another descriptor has something."""
        select.select([self._socket, *others], [], [], seconds)
        with suppress(BlockingIOError):
            while True:
                self._put(_STAMP.sub(b"", self._socket.recv(8192), count=1).rstrip(b"\0\n"))

    def _put(self, line: bytes) -> None:
        with suppress(OSError):
            os.write(self._output, line + b"\n")


if __name__ == "__main__":
    sys.exit(main(os.environ))
