"""What one look of the witness costs on a full host: sleeping processes in containers' worth of mount namespaces.

Usage: lab/python -m bench.witness [--processes 2000] [--namespaces 100] [--mounts 30] [--scans 30]

Needs root and the host's own process 1. Every scan's answer is held against the truth; times are milliseconds.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from k8sdeployment.agent.ground import stand
from k8sdeployment.agent.witness import Sight

from . import report

HELD, FREE = "permits/default/deployment/held", "permits/default/deployment/free"
# $0 the directory that the mounts are made in, $1 their number, $2 how many processes, $3 the permit or "".
CONTAINER = """
for number in $(seq "$1"); do mount --bind /usr "$0"; done
[ -z "$3" ] || mount --bind "$3" "$0.permit"
for number in $(seq "$2"); do sleep 3600 & done
echo ready
wait
"""


@contextmanager
def container(place: Path, mounts: int, processes: int, permit: str = "") -> Iterator[int]:
    """That many processes (its shell is one) in a mount namespace of their own; yields the process group."""
    place.mkdir(exist_ok=True)
    place.with_suffix(".permit").touch()
    argv = ["unshare", "-m", "--propagation", "private", "sh", "-c", CONTAINER, str(place), str(mounts),
            str(processes - 1), permit]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as shell:
        try:
            assert shell.stdout is not None and shell.stdout.readline() == b"ready\n"
            yield shell.pid
        finally:
            os.killpg(shell.pid, signal.SIGKILL)


@contextmanager
def host(processes: int, namespaces: int, mounts: int, holders: int) -> Iterator[tuple[Path, set[int]]]:
    """The permit directory of a host with so many containers, of which `holders` hold the permit HELD, and the PIDs
    that do."""
    with tempfile.TemporaryDirectory(prefix="aos-witness-") as name, ExitStack() as stack:
        base = Path(name)
        (base / "aos").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "aos-bench", base / "aos"], check=True)
        stack.callback(lambda: subprocess.run(["umount", "-l", base / "aos"], check=True))
        for relative in (HELD, FREE):
            (base / "aos" / relative).parent.mkdir(parents=True, exist_ok=True)
            (base / "aos" / relative).touch()
        share, rest = divmod(processes, namespaces)
        groups = [stack.enter_context(container(
            base / str(number), mounts, share + (number < rest),
            str(base / "aos" / HELD) if number < holders else "")) for number in range(namespaces)]
        yield base / "aos", {pid for group in groups[:holders] for pid in members(group)}


def members(group: int) -> set[int]:
    """PIDs of a process group."""
    found = subprocess.run(["pgrep", "-g", str(group)], capture_output=True, text=True, check=True)
    return set(map(int, found.stdout.split()))


@dataclass(frozen=True)
class Times:
    """Milliseconds of each look: on the clock, and of CPU, which a busy machine does not stretch."""

    wall: list[float]
    cpu: list[float]

    def row(self) -> list[str]:
        shown = (min(self.wall), statistics.median(self.wall), max(self.wall), statistics.median(self.cpu))
        return [f"{value:.1f}" for value in shown]


def timed(look: Callable[[], object], scans: int) -> Times:
    found = Times([], [])
    for _ in range(scans):
        began, spent = time.perf_counter(), time.process_time()
        look()
        found.wall.append((time.perf_counter() - began) * 1000)
        found.cpu.append((time.process_time() - spent) * 1000)
    return found


def right(sight: Sight, truth: dict[str, set[int]]) -> None:
    """One look; RuntimeError when it says anything but the truth."""
    said = {relative: set(pids) for relative, pids in sight.holders().items()}
    if said != truth:
        raise RuntimeError(f"the witness says {said}, the truth is {truth}")


def measure(directory: Path, holders: set[int], scans: int) -> dict[str, Times]:
    """The looks that actions take: who runs is found in one pass, "nobody" takes two."""
    ground = stand(str(directory))
    held, free = Sight(ground, {HELD: ()}), Sight(ground, {FREE: ()})
    one = min(holders)
    return {
        "who holds it (a probe, a stop)": timed(lambda: right(held, {HELD: holders}), scans),
        "nobody holds it (a stop's proof)": timed(lambda: right(free, {FREE: set()}), scans),
        "a known holder still does (a monitor)": timed(lambda: held.holds(one), scans),
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="lab/python -m bench.witness", description=__doc__)
    for name, default in (("processes", 2000), ("namespaces", 100), ("mounts", 30), ("scans", 30)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    options = parser.parse_args(arguments)
    with host(options.processes, options.namespaces, options.mounts, holders=3) as (directory, holders):
        number = sum(name.isdigit() for name in os.listdir("/proc"))
        found = measure(directory, holders, options.scans)
    rows = [(name, *times.row()) for name, times in found.items()]
    title = f"The witness among {number} processes in {options.namespaces} mount namespaces"
    print(report.table(title, ("question", "min ms", "median ms", "max ms", "CPU ms (median)"), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
