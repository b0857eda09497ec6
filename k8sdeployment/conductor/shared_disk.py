"""sbd's header on the disk that both sites share.

It is made on a disk that is blank: by the first site, and by the other one when that does not do it for a while, for a
pair that runs renews one peer after the other. Should both do it, sbd finds its place anew, for it looks at the header
at each loop, and the sites agree on the one that stands. A disk that holds anything else is left alone.
"""

import subprocess
from collections.abc import Callable

# Seconds: what sbd waits for the watchdog to be fed, and for a message to have been heard. Twice as long, by sbd(8),
# and shorter than fence_sbd waits by itself.
WATCHDOG_SECONDS, MESSAGE_SECONDS, LONGEST = 5, 10, 30
# Bytes that sbd's header and its slots take.
HEADER = 1 << 20
# Seconds for sbd to answer about the disk.
ANSWER = 30.0

Run = Callable[..., "subprocess.CompletedProcess[str]"]


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
