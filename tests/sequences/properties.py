"""What must hold of every answer, whatever happened before. The world is the judge's witness, not the agent's."""

from __future__ import annotations

import os
from dataclasses import dataclass

from k8sdeployment.agent.codes import ALLOWED, MONITOR, PASSIVE
from k8sdeployment.agent.permit import STOPPED

from .actor import Report
from .world import World

_NAMES = {"deep": MONITOR, "passive": PASSIVE}
_PREFIX = "ocf-exit-reason:"


@dataclass
class Before:
    """What the world was like when an action began.

    `interrupted`: it was put aside and other actions ran meanwhile; `unheard`: its caller is gone, or has since ordered
    a start: nobody acts on its answer any more.
    """

    action: str
    running: list[str]
    granted: bool
    ends: int
    struck: int
    writes: int
    wanted: bool
    opened: int
    down: bool
    began: float
    interrupted: bool = False
    unheard: bool = False

    @classmethod
    def of(cls, world: World, action: str) -> Before:
        return cls(action, world.running(), granted(world), world.ends, world.struck, world.api.writes, wanted(world),
                   world.opened, down(world), world.timeline.now)


def granted(world: World) -> bool:
    """A regular file stands at every workload's path."""
    files = [os.path.isfile(path) and not os.path.islink(path) for path in map(world.path, world.names)]
    return world.gated and all(files)


def down(world: World) -> bool:
    """The tombstone of a proven stop stands at every workload's path, the cluster knows, and nothing runs.

    On a full file system the lock may be missing and cannot be made: then nothing need be promised.
    """
    tombstones = [os.path.islink(path) and os.readlink(path) == STOPPED for path in map(world.path, world.names)]
    return bool(world.free) and not world.full and all(tombstones) and not world.running()


def wanted(world: World) -> bool:
    """Every workload exists and is asked to run."""
    items = world.objects.kinds[world.kind]
    return all(name in items and items[name]["spec"]["replicas"] >= 1 for name in world.names)


def judge(world: World, before: Before, report: Report) -> None:
    """Notes what is violated."""
    if before.action == "settle":
        return _settled(world, before, report)
    _codes(world, before, report)
    _reasons(world, before, report)
    if world.opened == before.opened and not before.unheard:  # who opens the gate by hand meanwhile knows it
        _word(world, before, report)
    _steady(world, before, report)


def _word(world: World, before: Before, report: Report) -> None:
    if report.code == 7 and before.action == "probe":
        world.said_stopped("a probe said that it does not run")
    elif report.code == 7 and world.running():
        world.violated(f"{before.action} said that it does not run, but {world.running()} runs")
    elif report.code == 0 and before.action == "stop":
        world.said_stopped("a stop said that it is stopped")
    elif report.code == 0 and before.action == "start":
        _started(world, before)


def _codes(world: World, before: Before, report: Report) -> None:
    allowed = ALLOWED[_NAMES.get(before.action, before.action)]
    if report.code not in allowed or before.action == "probe" and report.code in (2, 5):
        world.violated(f"{before.action} answered {report.code}, allowed are {allowed}")


def _reasons(world: World, before: Before, report: Report) -> None:
    lines = report.err.splitlines()
    reasons = [line for line in lines if line.startswith(_PREFIX)]
    if report.out:
        world.violated(f"{before.action} wrote to standard output: {report.out!r}")
    if "SECRET" in report.err:
        world.violated(f"{before.action} gave the token away")
    if "Traceback" in report.err or "unexpected" in report.err:
        world.violated(f"{before.action} failed in a way that nobody foresaw: {report.err}")
    if len(reasons) > 1 or len(reasons) != len(lines):
        world.violated(f"{before.action} gave more than one line of reason: {report.err!r}")
    if report.code not in (0, 7) and not any(line[len(_PREFIX):].strip() for line in reasons):
        world.violated(f"{before.action} answered {report.code} without a reason")


def _started(world: World, before: Before) -> None:
    if before.interrupted:
        return
    # Where something befell it meanwhile, each must have run at some time; they start one after the other.
    lately = 1.0 if world.struck == before.struck else world.timeline.now - before.began
    missing = [name for name in world.names if not world.ran_lately(name, lately)]
    if missing:
        world.violated(f"start said that it is up, but nothing of {missing} runs")
    if world.gated and not granted(world) and world.struck == before.struck:
        world.violated("start said that it is up without a permit in place")


def _steady(world: World, before: Before, report: Report) -> None:
    """What ran all the time under a permit is never called stopped or failed because something else was away."""
    undisturbed = before.down and down(world) and world.struck == before.struck
    if undisturbed and before.action in ("probe", "passive") and report.code != 7:
        world.violated(f"{before.action} answered {report.code} for what was proven stopped all the time")
    steady = before.granted and granted(world) and set(before.running) == set(world.names) \
        and world.ends == before.ends and world.struck == before.struck and not before.interrupted
    if not steady:
        return
    if before.action == "probe" and report.code == 7:
        world.violated("a probe said that it does not run, and it ran all the time")
    if before.action == "probe" and report.code != 0:
        world.violated(f"a probe answered {report.code} for what ran under its permit all the time")
    silent = not world.api.up or world.api.mode and world.api.share == 1.0
    if before.action in ("monitor", "deep") and silent and report.code not in (0, 190):
        world.violated(f"{before.action} answered {report.code} for what ran all the time, only the API was away")
    if before.action == "start" and world.api.writes > before.writes and before.wanted:
        world.violated("a start of what was up wrote to the API")


def _settled(world: World, before: Before, report: Report) -> None:
    """What is put in order before a site joins; what runs under the cluster's word is left alone."""
    if report.code not in (0, 1) or "Traceback" in report.err or "SECRET" in report.err + report.out:
        world.violated(f"settle answered {report.code}: {report.err}")
    if before.granted and granted(world) and world.api.writes > before.writes and not before.interrupted:
        world.violated("settle wrote to the API though the workload is granted")
