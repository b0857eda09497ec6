"""The host of the modelled site: its processes as /proc shows them, and the permit directory, which is real.

The directory is real files on a tmpfs, changed by the agent's own system calls. Processes are modelled, since a real
one in a mount namespace of its own costs 10 ms; `test_model.py` holds the model's mountinfo against a real holder's.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .timeline import Timeline

DEVICE = "0:77"
_ROOT = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
_FOREIGN = "700 21 0:5 / /sys rw,nosuid shared:2 - sysfs sysfs rw\n"


@dataclass
class Process:
    """`root`: what its permit mount shows as its root in mountinfo, "" without one. `main`: a container's first."""

    pid: int
    parent: int
    comm: str
    cgroup: str = "/"
    root: str = ""
    main: bool = False
    workload: str = ""
    container: str = ""
    delay: float = 0.05  # seconds from SIGTERM to its end; below 0: it ignores SIGTERM
    frozen: bool = False  # in the kernel, where not even SIGKILL reaches it
    ending: bool = False


@dataclass
class Host:
    timeline: Timeline
    directory: str  # the permit directory
    dice: random.Random
    processes: dict[int, Process] = field(default_factory=dict)
    on_start: Callable[[Process], None] | None = None
    on_exit: Callable[[Process], None] | None = None
    _last: int = 300

    def boot(self) -> None:
        """A tmpfs is empty after a boot; systemd-tmpfiles makes the directory itself."""
        self.timeline.forget(self)
        self.timeline.boot()
        self.processes.clear()
        for entry in Path(self.directory).iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        for pid, comm in ((1, "systemd"), (2, "kthreadd"), (180, "kubelet"), (181, "containerd")):
            self.processes[pid] = Process(pid, 0 if pid == 1 else 1, comm)

    def spawn(self, parent: int, comm: str, **values: object) -> Process:
        self._last += self.dice.randrange(1, 4)
        process = Process(self._last, parent, comm, **values)  # type: ignore[arg-type]
        self.processes[process.pid] = process
        if process.workload and self.on_start:
            self.on_start(process)
        return process

    # -- signals and ends -----------------------------------------------------------------------------------------

    def signal(self, pid: int, number: int) -> None:
        """ProcessLookupError when there is none."""
        process = self.processes.get(pid)
        if process is None:
            raise ProcessLookupError(3, "No such process")
        if number == signal.SIGKILL:
            self.timeline.after(self.dice.uniform(0.0, 0.01), self._killed, pid)
        elif number == signal.SIGTERM and process.delay >= 0 and not process.ending:
            process.ending = True
            self.timeline.after(process.delay, self.exit, pid)

    def _killed(self, pid: int) -> None:
        process = self.processes.get(pid)
        if process is not None and process.frozen:
            self.timeline.after(0.5, self._killed, pid)
        elif process is not None:
            self.exit(pid)

    def exit(self, pid: int) -> None:
        """A container's first process takes all others of its PID namespace along (pid_namespaces(7))."""
        process = self.processes.get(pid)
        if process is None or process.frozen:
            return
        del self.processes[pid]
        if process.main:
            for other in [one for one in self.processes.values() if one.container == process.container]:
                self.signal(other.pid, signal.SIGKILL)
        if self.on_exit:
            self.on_exit(process)

    def of(self, workload: str) -> list[Process]:
        """What runs of a workload: what the permit must never let run twice."""
        return [process for process in self.processes.values() if process.workload == workload]

    # -- mounts follow their dentry: renamed with it, "//deleted" once it is gone (d_path in the kernel) -------------

    def within(self, path: str) -> str:
        """A path as mountinfo's root field shows it; "" for one that is not on this file system."""
        return path[len(self.directory):] if path.startswith(self.directory + "/") else ""

    def renamed(self, source: str, target: str) -> None:
        old, new = self.within(source), self.within(target)
        for process in self.processes.values():
            if process.root and process.root == new:
                process.root += "//deleted"
            elif process.root and process.root == old:
                process.root = new

    def removed(self, path: str) -> None:
        gone = self.within(path)
        for process in self.processes.values():
            if process.root and process.root == gone:
                process.root += "//deleted"

    # -- /proc ----------------------------------------------------------------------------------------------------

    def listing(self) -> list[str]:
        return ["cpuinfo", "self", *map(str, self.processes), "uptime"]

    def read(self, path: str) -> str:
        """The text of /proc/<pid>/<file>; FileNotFoundError when the process is gone or there is no such file."""
        _, _, pid, name = path.split("/", 3)
        process = Process(0, 0, "agent") if pid == "self" else self.processes.get(int(pid) if pid.isdigit() else -1)
        if process is None or name not in ("mountinfo", "cgroup", "comm", "stat"):
            raise FileNotFoundError(2, "No such file or directory", path)
        texts: dict[str, Callable[[Process], str]] = {
            "mountinfo": self._mountinfo, "cgroup": lambda one: f"0::{one.cgroup}\n",
            "comm": lambda one: one.comm + "\n", "stat": _stat}
        return texts[name](process)

    def _mountinfo(self, process: Process) -> str:
        if process.workload:
            mount = f"812 801 {DEVICE} {process.root} /run/permit ro,relatime - tmpfs tmpfs rw,mode=755\n"
            return "801 700 0:66 / / rw - overlay overlay rw\n" + (mount if process.root else "")
        return _ROOT + _FOREIGN + f"40 21 {DEVICE} / {self.directory} rw,nosuid shared:9 - tmpfs tmpfs rw,mode=755\n"


def _stat(process: Process) -> str:
    return f"{process.pid} ({process.comm}) S {process.parent} {process.pid} 0 0\n"


def kind_at(path: str) -> str:
    """What a mount source is to kubelet and the runtime: file, other, dangling or missing."""
    if os.path.exists(path):
        return "file" if os.path.isfile(path) else "other"
    return "dangling" if os.path.islink(path) else "missing"
