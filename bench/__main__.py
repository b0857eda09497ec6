"""What the agent costs, beside `kubectl get deployment` and bare Python in the same run.

Usage: lab/python -m bench [--runs 30] [--counts 1,10,100] [--write]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lab.errors import LabError

from . import latency, report
from .measure import Command, Scales, median_cpu, median_peak, scales, side_by_side
from .measure import PYTHON
from .stage import Stage, stage


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    try:
        with stage() as where, scales() as scale:
            sections = [_single(where, scale, options.runs), _many(where, scale, options.counts),
                        _promptness(where, options.runs // 3)]
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    text = "\n\n".join(sections)
    print(text)
    if options.write:
        report.write(text)
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab/python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=30, help="rounds of the single commands (default 30)")
    parser.add_argument("--counts", type=lambda text: [int(word) for word in text.split(",")], default=[1, 10, 100],
                        help="numbers of workloads (default 1,10,100)")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    return parser.parse_args(arguments)


def _single(where: Stage, scale: Scales, runs: int) -> str:
    """One process of each kind."""
    where.leave("web")
    commands = {
        "bare Python": Command([PYTHON, "-IS", "-c", "pass"], where.env("app")),
        "`kubectl get deployment`": where.kubectl(),
        "monitor, active site": where.agent("monitor"),
        "monitor level 10, active site": where.agent("monitor", deep=True),
        "monitor, passive site": where.agent("monitor", "web", code=7),
        "meta-data": where.agent("meta-data"),
    }
    found = side_by_side(scale, commands, runs)
    bare, kubectl = found["bare Python"], found["`kubectl get deployment`"]
    rows = [(name, f"{median_cpu(costs):.1f}", f"{median_peak(costs):.1f}",
             f"{median_cpu(costs) / median_cpu(kubectl):.2f}", f"{median_peak(costs) / median_peak(kubectl):.2f}",
             f"{median_cpu(costs) / median_cpu(bare):.2f}") for name, costs in found.items()]
    return report.table("One process", ("process", "CPU ms", "peak MiB", "CPU ÷ kubectl", "peak ÷ kubectl",
                                        "CPU ÷ bare Python"), rows)


def _many(where: Stage, scale: Scales, counts: Sequence[int]) -> str:
    """A minute's monitors of many workloads: a resource for each, and one resource for all."""
    rows, one = [], 0.0
    for number in counts:
        names = where.gather(number)
        for title, resources in (("a resource each", names), ("one resource", [" ".join(names)])):
            cpu = sum(scale.weigh(command).cpu for command in where.minute(resources))
            where.shop.proxy.asked.clear()
            for command in where.minute(resources, counted=True):
                scale.weigh(command)
            one = one or cpu
            rows.append((str(number), title, f"{cpu:.2f}", str(len(where.shop.proxy.asked)), f"{cpu / one:.1f}"))
    return report.table("A minute on the active site", (
        "workloads", "as", "CPU s per minute", "API requests per minute", "CPU ÷ one workload"), rows)


def _promptness(where: Stage, runs: int) -> str:
    rows = [(name, f"{values[0] * 1000:.0f}", f"{values[len(values) // 2] * 1000:.0f}", f"{values[-1] * 1000:.0f}")
            for name, values in latency.measure(where, runs).items()]
    return report.table("How long after the fact an action returns", ("action", "min ms", "median ms", "max ms"), rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
