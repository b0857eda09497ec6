"""One history by its numbers: which steps, on which site; what it violated; the fewest steps that still do."""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .driver import Driver
from .steps import Step, history, losing_the_gate

SHRINKING = 30.0  # seconds


@dataclass
class Outcome:
    violations: list[str]
    trace: list[str]


def drawn(seed: int, index: int) -> tuple[dict[str, Any], list[Step]]:
    """The site and the steps of one history."""
    dice = random.Random(f"{seed}/{index}")
    sort = dice.choices(("gated", "ungated", "losing"), (17, 2, 1))[0]
    gated = sort != "ungated"
    site = {"guard": dice.choice(("required", "required", "auto") if gated else ("auto", "off")),
            "kind": dice.choice(("Deployment", "Deployment", "StatefulSet")),
            "names": dice.choice((("app",), ("app",), ("app",), ("db", "web"))), "gated": gated}
    return site, losing_the_gate(dice) if sort == "losing" else history(dice, gated)


def run(site: dict[str, Any], steps: Sequence[Step]) -> Outcome:
    directory = tempfile.mkdtemp(prefix="aos-sequence-", dir="/dev/shm")
    try:
        driver = Driver(directory, **site)
        violations = driver.run(steps)
        return Outcome(violations, driver.world.trace)
    finally:
        shutil.rmtree(directory)


def _shape(outcome: Outcome) -> str:
    """What is violated, without the numbers in it."""
    return re.sub(r"\d+", "", outcome.violations[0])[:50] if outcome.violations else ""


def shrunk(site: dict[str, Any], steps: Sequence[Step]) -> list[Step]:
    """Fewer steps that violate the same: each is left out in turn as long as that makes no difference."""
    until, fewest, shape = time.monotonic() + SHRINKING, list(steps), _shape(run(site, steps))
    index = len(fewest) - 1
    while index >= 0 and time.monotonic() < until:
        without = fewest[:index] + fewest[index + 1:]
        if _shape(run(site, without)) == shape:
            fewest = without
        index -= 1
    return fewest


def told(seed: int, index: int, site: dict[str, Any], steps: Sequence[Step]) -> str:
    """What a person needs to see it again and to understand it."""
    fewest = shrunk(site, steps)
    outcome = run(site, fewest)
    return "\n".join([
        f"again: pytest tests/sequences --seed {seed} --only {index}", f"site: {site}", "violated:",
        *(f"  {one}" for one in outcome.violations), f"by {len(fewest)} of {len(steps)} steps:",
        *(f"  {step}" for step in fewest), "what happened:", *(f"  {line}" for line in outcome.trace[-150:])])
