"""Runs a history: calls the agent as Pacemaker would, lets faults strike, holds the answers against the world."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from ..agent.cluster import TIMEOUT, environment, kubeconfig
from . import properties
from .actor import ASIDE, BLOCKED, DONE, OVERDUE, Actor, Plan, Report
from .steps import ACTIONS, Step
from .world import World

# Seconds, short for speed: a stop must have time for the pods' grace of 3 s and kubelet's 10 s of slack.
TIMEOUTS = {"probe": 20.0, "monitor": 20.0, "deep": 20.0, "passive": 20.0, "start": 40.0, "stop": 60.0, "settle": 130.0}
_MONITORS = ("probe", "monitor", "deep", "passive")
_INTERVAL = {"OCF_RESKEY_CRM_meta_interval": "10000"}
_HEALED = 0
AS_ON_THE_FIRST_DAY = (("stop", (0,)), ("start", (0,)), ("deep", (0, 190)), ("probe", (0,)), ("stop", (0,)),
                       ("probe", (7,)))


class Driver:
    """One site and the cluster's hand on it. `directory`: where the permits and everything else of it lie."""

    def __init__(self, directory: str, guard: str = "required", kind: str = "Deployment",
                 names: tuple[str, ...] = ("app",), gated: bool = True) -> None:
        self.directory, self.guard, self.kind, self.names = directory, guard, kind, names
        for part in ("aos", "tmp"):
            os.makedirs(f"{directory}/{part}", exist_ok=True)
        self.kubeconfig = Path(directory, "kubeconfig")
        self._write_kubeconfig(True)
        self.world = World(f"{directory}/aos", names, kind, gated)
        self.waiting: Actor | None = None  # put aside
        self._said: properties.Before | None = None
        self.made = 0  # steps of the last action

    def _write_kubeconfig(self, there: bool) -> None:
        self.kubeconfig.unlink(missing_ok=True)
        if there:
            self.kubeconfig.write_text(kubeconfig("ca.crt", 6443))

    # -- a history ------------------------------------------------------------------------------------------------

    def run(self, steps: Iterable[Step]) -> list[str]:
        """What it violated, as soon as something is violated; at the end everything is healed and must work."""
        try:
            for step in steps:
                self.take(step)
                if self.world.violations:
                    return self.world.violations
            self.recover()
            return self.world.violations
        finally:
            self._kill_waiting()

    def take(self, step: Step) -> None:
        self.world.note(f"-- {step}")
        self.world.dice.seed(step.seed)
        if step.what in ACTIONS:
            self.act(step)
        elif step.what == "wait":
            self.world.timeline.advance(step.number)
        elif step.what == "resume":
            self._resume(int(step.number))
        elif step.what == "reboot":
            self._reboot(step.number)
        elif step.what == "kubeconfig":
            self._write_kubeconfig(bool(step.number))
        else:
            self._strike(step)

    def _strike(self, step: Step) -> None:
        world, flag, count = self.world, bool(step.number), int(step.number)
        strikes: dict[str, tuple[Callable[..., object], tuple[object, ...]]] = {
            "api": (world.api_start if flag else world.api_stop, ()),
            "mode": (world.api_mode, (step.value, step.number)),
            "controllers": (world.controllers_run, (flag,)),
            "kubelet": (world.kubelet.start if flag else world.kubelet.stop, ()),
            "stubborn": (world.grow_stubborn, ()), "freeze": (world.freeze, (flag,)),
            "scale": (world.scale_by_hand, (count,)), "insist": (world.insist, (count,)),
            "force-delete": (world.force_delete, ()), "disown": (world.disown, ()),
            "delete-workload": (world.delete_workload, ()), "create-workload": (world.create_workload, ()),
            "crash": (world.crash, ()), "tamper": (world.tamper, (step.value,)),
            "full": (world.fill, (flag,)), "roll-out": (world.roll_out, (world.gated,)),
            "ungate": (world.roll_out, (flag,)), "jump": (world.timeline.jump, (step.number,))}
        then, arguments = strikes[step.what]
        world.timeline.after(step.delay, world.strike, step.what, then, *arguments)
        if not step.delay:
            world.timeline.advance(0.0)

    def _reboot(self, seconds: float) -> None:
        self._kill_waiting()
        dice = self.world.dice
        self.world.reboot(dice.uniform(1, seconds), dice.uniform(1, seconds), dice.choice((0, 11, 40)))

    # -- an action ------------------------------------------------------------------------------------------------

    def act(self, step: Step) -> Report:
        """One call of the agent to its end, wherever that is."""
        self.world.timeline.advance(self.world.dice.uniform(0.2, 1.0))
        if self.waiting and step.aside:
            step = Step(step.what, step.seed)  # one that is put aside is enough
        before = properties.Before.of(self.world, step.what)
        if step.what == "start":
            self.world.free = ""
            if self._said:
                self._said.unheard = True
        actor = Actor(self.world, "monitor" if step.what in _MONITORS else step.what,
                      self.env(step.what), TIMEOUTS[step.what], Plan(step.kill, step.aside))
        report = self._settle(actor, actor.report())
        if report.what == ASIDE:
            self.waiting, self._said = actor, before
            self.made = len(report.steps)
            if step.orphan:
                actor.orphan(self.world)
                before.unheard = True
        else:
            self._conclude(before, report)
        return report

    def _settle(self, actor: Actor, report: Report) -> Report:
        """As long as it waits for a lock, whoever was put aside goes on."""
        self.world = report.world
        while report.what == BLOCKED:
            if self.waiting is None or self.waiting is actor:
                self.world.violated(f"{actor.action} waits for a lock that nobody alive holds")
                actor.kill(self.world)
                return Report(OVERDUE, self.world, report.steps)
            self._resume(2)
            report = actor.resume(self.world)
            self.world = report.world
        return report

    def _resume(self, steps: int) -> None:
        """Whoever was put aside goes on, for so many steps or to its end."""
        actor, before = self.waiting, self._said
        if actor is None or before is None:
            return
        self.made += steps
        report = actor.resume(self.world, Plan(aside=self.made if steps else 0))
        self.world = report.world
        if report.what != ASIDE:
            self.waiting = self._said = None
            before.interrupted = True
            self._conclude(before, report)

    def _kill_waiting(self) -> None:
        if self.waiting:
            self.waiting.kill(self.world)
            self.waiting = self._said = None

    def _conclude(self, before: properties.Before, report: Report) -> None:
        self.made = len(report.steps)
        reason = re.sub(r"\s+", " ", report.err)
        self.world.note(f"{before.action}: {report.what} {report.code if report.what == DONE else ''} {reason}")
        if report.what == OVERDUE:
            if not before.interrupted:
                self.world.violated(f"{before.action} did not end by itself within {TIMEOUTS[before.action]:.0f}s")
        elif report.what == DONE:
            properties.judge(self.world, before, report)

    def env(self, action: str) -> dict[str, str]:
        values: dict[str, object] = {"deployment": " ".join(self.names), "kind": self.kind, "guard": self.guard,
                                     "unavailable_grace": "10s"}
        env = environment(self.kubeconfig, f"{self.directory}/aos", **values)
        env |= {TIMEOUT: str(int(TIMEOUTS[action] * 1000)), "HA_RSCTMP": f"{self.directory}/tmp"}
        more = {"monitor": _INTERVAL, "deep": {**_INTERVAL, "OCF_CHECK_LEVEL": "10"},
                "passive": {**_INTERVAL, "OCF_RESKEY_CRM_meta_role": "Stopped"},
                "settle": {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}}
        return env | more.get(action, {})

    # -- healing --------------------------------------------------------------------------------------------------

    def recover(self, through: Iterable[tuple[str, tuple[int, ...]]] = AS_ON_THE_FIRST_DAY) -> None:
        """With all parts healthy a stop succeeds, whatever was left; then everything works as on the first day."""
        self.world.note("-- everything is healed")
        self.world.dice.seed(_HEALED)
        self._resume(0)
        self._write_kubeconfig(True)
        self.world.timeline.advance(130.0)  # what was still to strike has done so
        self.world.heal()
        self.world.timeline.advance(1.0)
        for action, codes in through:
            if self.world.violations:
                return
            report = self.act(Step(action, _HEALED))
            if report.code not in codes:
                self.world.violated(f"with everything healthy {action} answered {report.code}: {report.err.strip()}")
        self.world.timeline.advance(300.0)
