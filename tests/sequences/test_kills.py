"""kill -9 at every single step of an action, then any next action: nothing is broken by it, and a stop heals it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from .conftest import MakeDriver, option
from .driver import Driver
from .steps import Step

# Pods that run and mount something else than the permit: the witness does not see them.
_BY_A_LINK = [Step("tamper", 1, "link"), Step("scale", 2, number=1.0), Step("wait", 3, number=5.0)]

# What was before, and the action that is killed.
SITUATIONS = {
    "a start on a fresh boot": ([], "start"),
    "a start with leftovers of an earlier boot": ([Step("start", 1), Step("reboot", 2, number=1.5),
                                                   Step("wait", 3, number=20.0)], "start"),
    "a start of what runs": ([Step("start", 1)], "start"),
    "a start after a stop": ([Step("start", 1), Step("stop", 2)], "start"),
    "a start over a stray directory": ([Step("tamper", 1, "directory")], "start"),
    "a stop of what runs": ([Step("start", 1)], "stop"),
    "a stop without the API": ([Step("start", 1), Step("api", 2)], "stop"),
    "a stop without kubelet": ([Step("start", 1), Step("kubelet", 2)], "stop"),
    "a stop of what was never granted": ([], "stop"),
    "a stop of what a link to another file lets run": (_BY_A_LINK, "stop"),
    "a stop of that without the API": ([*_BY_A_LINK, Step("api", 4)], "stop"),
    "a probe of what was stopped": ([Step("start", 1), Step("stop", 2)], "probe"),
    "a probe of what was never granted": ([], "probe"),
    "a deep monitor of what runs": ([Step("start", 1)], "deep"),
}
NEXT = ("probe", "monitor", "start", "stop")
MANY = 1000  # from so many histories on (make sequences) every next action is tried after every kill
_IN_ORDER = (("stop", (0,)), ("probe", (7,)))


def _begun(driver: Driver, before: Sequence[Step]) -> Driver:
    for step in before:
        driver.take(step)
    assert not driver.world.violations, driver.world.trace
    return driver


@pytest.mark.parametrize("names", [("app",), ("db", "web")], ids=" ".join)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_killed_at_every_step(driver: MakeDriver, pytestconfig: pytest.Config, seed: int, situation: str,
                              names: tuple[str, ...]) -> None:
    """After each kill one next action, another one with each seed; `make sequences` tries them all."""
    before, action = SITUATIONS[situation]
    steps = _begun(driver(names=names), before).act(Step(action, 9)).steps
    assert steps, "nothing to kill it at"
    thorough = option(pytestconfig, "sequences", 0) >= MANY
    for index in range(1, len(steps) + 1, 1 if thorough or len(names) == 1 else 4):
        for following in NEXT if thorough else [NEXT[(index + seed) % len(NEXT)]]:
            broken = _begun(driver(names=names), before)
            broken.act(Step(action, 9, kill=index))
            broken.act(Step(following, 10))
            broken.recover(_IN_ORDER)
            assert not broken.world.violations, (
                f"killed at {index} ({steps[index - 1]}), then {following}; seed {seed}\n"
                + "\n".join(broken.world.trace))
