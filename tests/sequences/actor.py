"""The agent as a process: main() in a forked child, killed or put aside at any of its steps.

The world belongs to one process at a time. It goes to the child with the fork and comes back, pickled, with what became
of the child; a child that was put aside gets the world as it is by then.
"""

from __future__ import annotations

import gc
import importlib
import io
import os
import pickle
import pkgutil
import signal
import sys
import traceback
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import k8sdeployment.agent
from k8sdeployment.agent import main as entry
from k8sdeployment.conductor import settle

from .seams import Seams
from .world import World

for _module in pkgutil.iter_modules(k8sdeployment.agent.__path__):  # once here, not in each child
    importlib.import_module(f"k8sdeployment.agent.{_module.name}")

_REAL_SECONDS = 60.0  # nothing waits in real time: a child that is silent for so long hangs

SETTLE = "settle"
DONE, KILLED, ASIDE, BLOCKED, OVERDUE = "done", "killed", "aside", "blocked", "overdue"


@dataclass
class Report:
    """What became of a child, and the world as it left it. `steps`: how many it made so far."""

    what: str
    world: World
    steps: list[str]
    code: int = -1
    out: str = ""
    err: str = ""


@dataclass(frozen=True)
class Plan:
    """At which step (from 1) to kill the process, and at which to put it aside; 0: never.

    A process is put aside after its first rename at the earliest: before that a start has not announced itself, and
    nothing can tell it from one that is begun later.
    """

    kill: int = 0
    aside: int = 0


NEVER = Plan()


@dataclass
class _Inside:
    """The child's side."""

    pipe: Connection
    world: World
    pid: int
    plan: Plan
    steps: list[str] = field(default_factory=list)
    seams: Seams | None = None

    def step(self, name: str) -> None:
        self.steps.append(name)
        if len(self.steps) == self.plan.kill:
            self.leave(KILLED)
        if 0 < self.plan.aside <= len(self.steps) and any(one.startswith("rename") for one in self.steps[:-1]):
            self.hand_over(ASIDE)

    def leave(self, what: str) -> None:
        """SIGKILL, as the kernel does it: no clean-up, locks fall."""
        assert self.seams is not None
        self.pipe.send_bytes(pickle.dumps(Report(what, self.seams.world, self.steps)))
        signal.raise_signal(signal.SIGKILL)

    def hand_over(self, what: str) -> None:
        assert self.seams is not None
        self.pipe.send_bytes(pickle.dumps(Report(what, self.seams.world, self.steps)))
        self.seams.world, self.plan = pickle.loads(self.pipe.recv_bytes())

    def run(self, argv: list[str], env: dict[str, str], limit: float) -> None:
        out, err = io.StringIO(), io.StringIO()
        sys.stdout, sys.stderr = out, err
        self.seams = Seams(self.world, self.pid, limit, self.step, lambda: self.hand_over(BLOCKED),
                           lambda: self.leave(OVERDUE))
        self.seams.install()
        if argv[1] == SETTLE:
            code = _settle(argv[2:], env, self.world.directory)
        else:
            code = entry.main(argv, env)
        world = self.seams.world
        self.pipe.send_bytes(pickle.dumps(Report(DONE, world, self.steps, code, out.getvalue(), err.getvalue())))


def _settle(arguments: list[str], env: dict[str, str], directory: str) -> int:
    """As its module ends: an error that nobody caught is the interpreter's 1."""
    try:
        return settle.main(arguments, env, directory)
    except OSError as error:
        sys.stderr.write(str(error))
        return 1


class Actor:
    """The agent's process from outside."""

    def __init__(self, world: World, action: str, env: dict[str, str], seconds: float, plan: Plan = NEVER) -> None:
        self.action = action
        self.began = world.timeline.now
        caller = world.host.spawn(1, "pacemaker-execd")
        self.caller = caller.pid
        self.pid = world.host.spawn(caller.pid, "python3").pid
        self._pipe, theirs = Pipe()
        sys.stdout.flush()
        self._child = os.fork()
        if self._child == 0:
            gc.disable()  # a collection would copy every page that is shared with the parent
            try:
                argv = ["k8sdeployment", action, *(world.relative(name) for name in world.names)]
                _Inside(theirs, world, self.pid, plan).run(argv, env, self.began + seconds)
            except BaseException:  # noqa: B036 - nothing of the test may run on in the child
                os.write(2, traceback.format_exc().encode())
                os._exit(70)
            os._exit(0)
        theirs.close()

    def report(self) -> Report:
        """What became of it. The world is the caller's again."""
        if not self._pipe.poll(_REAL_SECONDS):
            self.kill()
            raise AssertionError(f"{self.action} hangs: it waits for something that the model does not have")
        try:
            found = pickle.loads(self._pipe.recv_bytes())
        except EOFError:
            raise AssertionError(f"{self.action} fell out of the model: see the traceback above") from None
        assert isinstance(found, Report)
        if found.what in (DONE, KILLED, OVERDUE):
            self._bury(found.world)
        return found

    def resume(self, world: World, plan: Plan = NEVER) -> Report:
        """Let it go on in the world as it is by now."""
        self._pipe.send_bytes(pickle.dumps((world, plan)))
        return self.report()

    def orphan(self, world: World) -> None:
        """Its caller dies; init adopts it."""
        world.host.processes.pop(self.caller, None)
        world.host.processes[self.pid].parent = 1

    def kill(self, world: World | None = None) -> None:
        os.kill(self._child, signal.SIGKILL)
        self._bury(world)

    def _bury(self, world: World | None) -> None:
        os.waitpid(self._child, 0)
        self._pipe.close()
        if world is not None:
            world.host.processes.pop(self.pid, None)
            world.host.processes.pop(self.caller, None)
