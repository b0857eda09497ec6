"""Whole processes and what they cost, measured by a small process of its own (see runner)."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RUNNER = Path(__file__).with_name("runner.py")
PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class Cost:
    """One process: CPU seconds (user, system), peak resident bytes, seconds it took, when it ended, its exit code."""

    cpu: float
    peak: int
    wall: float
    ended: float
    code: int


@dataclass(frozen=True)
class Command:
    """What is run; `code` is the exit code without which the measurement would be of something else."""

    argv: Sequence[str]
    env: Mapping[str, str]
    code: int = 0


class Scales:
    """Runs commands and weighs them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def weigh(self, command: Command) -> Cost:
        """Run it to its end. RuntimeError when it answered something else than expected."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"argv": list(command.argv), "env": dict(command.env)}) + "\n")
        self._process.stdin.flush()
        cost = Cost(**json.loads(self._process.stdout.readline()))
        if cost.code != command.code:
            raise RuntimeError(f"{' '.join(command.argv[-4:])} answered {cost.code}, not {command.code}")
        return cost


@contextmanager
def scales() -> Iterator[Scales]:
    with subprocess.Popen([PYTHON, "-IS", str(RUNNER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            yield Scales(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def side_by_side(scale: Scales, commands: Mapping[str, Command], runs: int) -> dict[str, list[Cost]]:
    """Every command once in each round, so that what disturbs the machine disturbs all of them alike."""
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for command in commands.values():
        scale.weigh(command)  # warm: caches of files and compiled modules
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(scale.weigh(command))
    return found


def median_cpu(costs: Sequence[Cost]) -> float:
    """Milliseconds."""
    return statistics.median(cost.cpu for cost in costs) * 1000


def median_peak(costs: Sequence[Cost]) -> float:
    """MiB."""
    return statistics.median(cost.peak for cost in costs) / 2**20
