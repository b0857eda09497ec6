"""What a program that failed said of it: the one line that a person should read."""

import re

# The fence agents' log (fence-agents, lib/fencing.py): a time, which would make every failure a new one, and a level.
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ (?:ERROR|WARNING|INFO): ")
# What they say last of whatever went wrong.
_USAGE = "Please use '-h' for usage"


def last(stderr: str, stdout: str = "", most: int = 1000) -> str:
    """The last line that tells something, without a time stamp. Of more than `most` characters it is the end, which
    tells why."""
    lines = [_STAMP.sub("", line.strip()) for line in (stderr.strip() or stdout).splitlines()]
    telling = [line for line in lines if line and line != _USAGE]
    words = telling[-1] if telling else "it said nothing"
    return words if len(words) <= most else f"…{words[-most:]}"
