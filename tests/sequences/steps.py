"""The vocabulary of a history: what the cluster asks, what people do, what breaks. One history is a list of steps."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from .apiserver import MODES

ACTIONS = ("probe", "monitor", "deep", "passive", "settle", "start", "stop")
TAMPERINGS = ("unlink", "directory", "fifo", "link", "dangling", "file", "forget", "memory")


@dataclass(frozen=True)
class Step:
    """`what` with its value. `seed` decides everything small in it, so that other steps may be left out.

    Of an action: `kill`, `aside` at which of its steps it dies or is put aside, `orphan` whether its caller dies then.
    Of a fault: `delay` seconds from now it strikes, perhaps within a later action.
    """

    what: str
    seed: int
    value: str = ""
    number: float = 0.0
    delay: float = 0.0
    kill: int = 0
    aside: int = 0
    orphan: bool = False

    def __str__(self) -> str:
        more = {"value": self.value, "number": self.number, "delay": self.delay, "kill": self.kill, "aside": self.aside,
                "orphan": self.orphan}
        return f"Step({self.what!r}, {self.seed}" + "".join(f", {k}={v!r}" for k, v in more.items() if v) + ")"


def history(dice: random.Random, gated: bool = True) -> list[Step]:
    """A random history, often one that begins with a start: most of what is interesting happens to what runs.

    Of a workload without a gate only the API can tell, and only as long as kubelet and the objects do not lie: what
    makes them lie, and a start that goes on unseen, is left out for it.
    """
    steps = [] if dice.random() < 0.2 else [Step("start", _seed(dice))]
    for _ in range(dice.randrange(3, 14)):
        steps.append(_action(dice) if dice.random() < 0.55 else _fault(dice))
    if dice.random() < 0.5:
        at = dice.randrange(len(steps) + 1)
        steps[at:at] = dice.choice(_MOTIFS)(dice)
    return steps if gated else [replace(step, aside=0) for step in steps if step.what not in _NEEDS_A_GATE]


def short(dice: random.Random) -> list[Step]:
    """A few steps around something that is worth it."""
    return [*history(dice)[:dice.randrange(4)], *dice.choice(_MOTIFS)(dice), *history(dice)[1:3]]


def losing_the_gate(dice: random.Random) -> list[Step]:
    """A history in which somebody takes the gate out of the template, and perhaps puts it in again.

    Only what the agent can know then is tried: the API answers, and every stop comes to its end.
    """
    steps = [replace(step, kill=0) for step in history(dice, gated=False) if step.what in _WITHOUT_ITS_GATE]
    for back in range(dice.randrange(1, 3)):
        at = dice.randrange(len(steps) + 1)
        steps.insert(at, Step("ungate", _seed(dice), number=float(back), delay=_delay(dice)))
    return steps


def _seed(dice: random.Random) -> int:
    return dice.randrange(1 << 30)


def _action(dice: random.Random) -> Step:
    what = dice.choices(ACTIONS, (3, 3, 2, 1, 1, 4, 4))[0]
    fate, at = dice.random(), 1 + int(dice.expovariate(1 / 25))
    if fate < 0.20:
        return Step(what, _seed(dice), kill=at)
    if fate < 0.35 and what in ("start", "stop"):
        return Step(what, _seed(dice), aside=at, orphan=dice.random() < 0.6)
    return Step(what, _seed(dice))


def _delay(dice: random.Random) -> float:
    """Often at once, else some time later: in the middle of an action, as it may happen."""
    return 0.0 if dice.random() < 0.4 else round(dice.expovariate(1 / 2.5), 3)


def _fault(dice: random.Random) -> Step:
    seed, delay = _seed(dice), _delay(dice)
    what = dice.choices(list(_FAULTS), [weight for weight, _ in _FAULTS.values()])[0]
    value, number = _FAULTS[what][1](dice)
    return Step(what, seed, value, number, 0.0 if what in ("wait", "resume") else delay)


def _span(dice: random.Random) -> tuple[str, float]:
    return "", round(dice.choice((0.1, 1.0, 5.0, 20.0, 90.0)) * dice.uniform(0.5, 1.5), 3)


def _switch(dice: random.Random) -> tuple[str, float]:
    return "", float(dice.random() < 0.5)


def _nothing(dice: random.Random) -> tuple[str, float]:
    return "", 0.0


def _overtaken(dice: random.Random) -> list[Step]:
    """A start that goes on after the cluster was told that nothing runs."""
    return [Step("stop", _seed(dice)), Step("start", _seed(dice), aside=dice.randrange(1, 40), orphan=True),
            Step(dice.choice(("stop", "probe")), _seed(dice)), Step("resume", _seed(dice))]


def _stale(dice: random.Random) -> list[Step]:
    """Nothing runs any more, and nobody tells the API."""
    return [Step("start", _seed(dice)), Step("kubelet", _seed(dice)), Step("crash", _seed(dice)),
            Step(dice.choice(("start", "monitor", "deep", "probe")), _seed(dice))]


def _hidden(dice: random.Random) -> list[Step]:
    """It runs, and no object says so."""
    return [Step("start", _seed(dice)), Step("kubelet", _seed(dice)),
            Step(dice.choice(("force-delete", "disown", "delete-workload")), _seed(dice)),
            Step(dice.choice(("stop", "probe")), _seed(dice))]


def _poisoned(dice: random.Random) -> list[Step]:
    """The permit is gone while a container restarts: the runtime makes a directory there and runs it."""
    return [Step("start", _seed(dice)), Step("tamper", _seed(dice), dice.choice(("unlink", "directory", "fifo"))),
            Step("crash", _seed(dice)), Step("wait", _seed(dice), number=round(dice.uniform(0, 2), 3)),
            Step("api", _seed(dice), number=float(dice.random() < 0.5)),
            Step(dice.choice(("stop", "probe")), _seed(dice))]


def _torn(dice: random.Random) -> list[Step]:
    """A stop dies, and somebody asks at once."""
    return [Step("start", _seed(dice)), Step("stop", _seed(dice), kill=dice.randrange(1, 25)),
            Step("probe", _seed(dice))]


def _after_boot(dice: random.Random) -> list[Step]:
    """etcd still asks for what ran before the power cut."""
    return [Step("start", _seed(dice)), Step("reboot", _seed(dice), number=round(dice.uniform(1, 30), 1)),
            Step(dice.choice(("probe", "settle", "passive")), _seed(dice)),
            Step("start", _seed(dice), kill=dice.choice((0, dice.randrange(1, 60))))]


def _alone(dice: random.Random) -> list[Step]:
    """The API is away, or answers nothing that can be used, when it is needed."""
    mode = Step("mode", _seed(dice), dice.choice(MODES), dice.choice((0.7, 1.0)))
    return [Step("start", _seed(dice)), dice.choice((mode, Step("api", _seed(dice)))),
            Step(dice.choice(("start", "stop", "stop", "monitor")), _seed(dice))]


_NEEDS_A_GATE = ("kubelet", "force-delete", "disown", "reboot", "insist", "freeze", "delete-workload", "tamper")

_WITHOUT_ITS_GATE = ("start", "stop", "monitor", "deep", "settle", "wait", "controllers", "crash", "stubborn", "jump",
                     "roll-out")

# What happens less often by itself than it is worth. Inserted whole, anywhere.
_MOTIFS = [_overtaken, _stale, _hidden, _poisoned, _torn, _after_boot, _alone]

# What may befall the site: weight, and how its value and number are drawn.
_FAULTS = {
    "wait": (8, _span),
    "resume": (4, lambda dice: ("", float(dice.choice((0, 1, 3, 10))))),  # 0: to its end
    "api": (4, _switch),
    "mode": (8, lambda dice: (dice.choice(("", *MODES)), dice.choice((0.3, 1.0)))),
    "controllers": (2, _switch),
    "kubelet": (4, _switch),
    "stubborn": (1, _nothing),
    "freeze": (1, _switch),
    "scale": (4, lambda dice: ("", float(dice.randrange(4)))),
    "insist": (2, lambda dice: ("", float(dice.randrange(3)))),
    "force-delete": (3, _nothing),
    "disown": (2, _nothing),
    "delete-workload": (1, _nothing),
    "create-workload": (1, _nothing),
    "crash": (3, _nothing),
    "tamper": (6, lambda dice: (dice.choice(TAMPERINGS), 0.0)),
    "reboot": (3, lambda dice: ("", round(dice.uniform(1, 30), 1))),
    "jump": (1, lambda dice: ("", dice.choice((-1e9, -3600.0, 60.0, 1e9)))),
    "kubeconfig": (1, _switch),
    "full": (1, _switch),
    "roll-out": (1, _nothing),
}
