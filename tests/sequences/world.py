"""The modelled site as a whole, the faults that befall it, and the oracle: may this workload run here now?

The oracle knows the model's processes themselves; it asks neither the agent nor its witness. `free` is the word after
which the cluster may start the workload elsewhere: from then on until a start is ordered here nothing of it may run.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from .apiserver import ApiServer
from .host import Host, Process
from .kubelet import Kubelet
from .objects import Controllers, Objects, pod_spec, workload
from .timeline import Timeline

_GRACE = 3  # seconds that a pod has for its end
KINDS = {"Deployment": "deployment", "StatefulSet": "statefulset"}


class World:
    """One site with its workloads, stopped and never granted. Everything in it can be pickled."""

    def __init__(self, directory: str, names: tuple[str, ...] = ("app",), kind: str = "Deployment",
                 gated: bool = True) -> None:
        self.dice = random.Random(0)
        self.timeline = Timeline()
        self.names, self.kind, self.directory = names, kind, directory
        self.gated = self.meant = gated
        self.objects = Objects()
        self.controllers = Controllers(self.timeline, self.objects, self.dice)
        self.host = Host(self.timeline, directory, self.dice)
        self.kubelet = Kubelet(self.timeline, self.host, self.objects, self.dice)
        self.api = ApiServer(self.timeline, self.objects, self.dice)
        self.host.on_start, self.host.on_exit = self._began, self._ended
        self.free = "the site has just booted"
        self.violations: list[str] = []
        self.trace: list[str] = []
        self.ends = 0
        self.struck = 0
        self.opened = 0  # how often somebody opened the gate by hand
        self.last_end = dict.fromkeys(names, -1e9)
        self.full = False  # the permit directory's file system
        self.greedy = 0  # replicas that an autoscaler or a GitOps loop insists on
        self.host.boot()
        for name in names:
            self.objects.put(kind, self._workload(name))

    def _workload(self, name: str) -> dict[str, object]:
        return workload(name, self.path(name) if self.gated else "", _GRACE)

    def relative(self, name: str) -> str:
        return f"default/{KINDS[self.kind]}/{name}"

    def path(self, name: str) -> str:
        return f"{self.directory}/permits/{self.relative(name)}"

    def note(self, text: str) -> None:
        self.trace.append(f"{self.timeline.now:10.3f} {text}")
        del self.trace[:-400]

    def violated(self, text: str) -> None:
        self.note(f"VIOLATION {text}")
        self.violations.append(text)

    # -- the oracle -----------------------------------------------------------------------------------------------

    def _began(self, process: Process) -> None:
        self.note(f"process {process.pid} of {process.workload} begins, permit mount {process.root!r}")
        if self.free:
            self.violated(f"a process of {process.workload} begins although {self.free}")

    def _ended(self, process: Process) -> None:
        if process.workload:
            self.note(f"process {process.pid} of {process.workload} ends")
            self.ends += 1
            self.last_end[process.workload] = self.timeline.now
        self.kubelet.exited(process)

    def running(self) -> list[str]:
        """The workloads of which something runs."""
        return [name for name in self.names if self.host.of(name)]

    def ran_lately(self, name: str, seconds: float) -> bool:
        return bool(self.host.of(name)) or self.timeline.now - self.last_end[name] <= seconds

    def said_stopped(self, word: str) -> None:
        """The cluster was told that nothing runs here, and may start it elsewhere."""
        self.note(word)
        for name in self.running():
            processes = [f"{one.pid} ({one.root or 'no mount'})" for one in self.host.of(name)]
            self.violated(f"{word}, and of {name} there run {', '.join(processes)}")
        self.free = word

    # -- what befalls it ------------------------------------------------------------------------------------------

    def strike(self, what: str, then: Callable[..., object], *arguments: object) -> None:
        """A fault that was to come comes."""
        self.note(f"fault: {what} {' '.join(map(str, arguments))}")
        self.struck += 1
        then(*arguments)

    def grow_stubborn(self) -> None:
        """Containers made from now on ignore SIGTERM."""
        self.kubelet.stubborn = True

    def scale_by_hand(self, replicas: int) -> None:
        """Somebody else scales. Nothing holds a workload without a gate back then: whoever starts it knows that."""
        if self.api.up:
            self.free = self.free if self.gated or not replicas else ""
            self.scale(replicas)

    def api_stop(self) -> None:
        self.api.up = self.kubelet.connected = self.controllers.connected = False
        self.api.epoch += 1

    def api_start(self) -> None:
        if self.api.up:
            return
        self.api.up = self.kubelet.connected = self.controllers.connected = True
        self.kubelet.resync()
        self.controllers.reconcile()

    def api_mode(self, mode: str, share: float) -> None:
        self.api.mode, self.api.share = mode, share

    def controllers_run(self, running: bool) -> None:
        self.controllers.running = running
        self.controllers.reconcile()

    def scale(self, replicas: int) -> None:
        for name in self.names:
            self.objects.scale(self.kind, name, replicas)

    def insist(self, replicas: int) -> None:
        """As an autoscaler or a GitOps loop: the same count again every 5 s, until another one (0: given up)."""
        again = not self.greedy and replicas
        self.greedy = replicas
        if again:
            self._insist()

    def _insist(self) -> None:
        if self.greedy:
            if self.api.up:
                self.scale(self.greedy)
            self.timeline.after(5.0, self._insist)

    def force_delete(self) -> None:
        for name in list(self.objects.kinds["Pod"]) if self.api.up else []:
            self.objects.remove("Pod", name)

    def disown(self) -> None:
        """Somebody takes the labels of the pods away: their ReplicaSet lets go of them."""
        for pod in list(self.objects.kinds["Pod"].values()) if self.api.up else []:
            pod["metadata"].pop("ownerReferences", None)
            self.objects.put("Pod", pod)

    def roll_out(self, gated: bool) -> None:
        """Somebody applies another pod template, with the gate or without it."""
        if not self.api.up:
            return
        self.gated = gated
        if not gated:
            self.free = ""  # whoever takes the gate away opens it
            self.opened += 1
        for name in self.names:
            self.objects.template(self.kind, name, {**pod_spec(name, self.path(name) if gated else "", _GRACE),
                                                    "nodeSelector": {"edition": str(self.objects.version)}})

    def delete_workload(self) -> None:
        for name in self.names if self.api.up else ():
            self.objects.remove(self.kind, name)

    def create_workload(self) -> None:
        for name in self.names:
            if name not in self.objects.kinds[self.kind]:
                self.objects.put(self.kind, self._workload(name))

    def crash(self) -> None:
        """Every container's first process ends by itself."""
        for process in list(self.host.processes.values()):
            if process.main:
                self.host.exit(process.pid)

    def fill(self, full: bool) -> None:
        """No file, link or directory can be made any more; renaming and removing go on (tmpfs without a free inode)."""
        self.full = full

    def freeze(self, frozen: bool) -> None:
        for process in self.host.processes.values():
            process.frozen = frozen and bool(process.workload)

    def reboot(self, api: float, kubelet: float, truthful: float) -> None:
        """A power cut: the other site fences this one and may start the workload. `api`, `kubelet`: when they are up,
        `truthful`: when kubelet reports for the first time; in seconds from now."""
        self.note("power cut")
        self.host.boot()
        self.kubelet.boot()
        self.timeline.forget(self)
        self.greedy = 0
        self.api_stop()
        self.free = "the site was fenced"
        self.kubelet.truthful = self.timeline.now + truthful
        self.timeline.after(api, self.api_start)
        self.timeline.after(kubelet, self.kubelet.start)

    def tamper(self, how: str) -> None:
        """Somebody with root on the host meddles with the permits. Who opens a gate by hand means it to be open: any
        file does that, and a pod whose volumes were checked already needs no more than that the tombstone is gone."""
        for name in self.names:
            self._tamper(how, self.path(name))
        checked = any(local.passed for local in self.kubelet.pods.values())
        if how in ("file", "link") or checked and how in ("unlink", "directory", "fifo"):
            self.free = ""
            self.opened += 1

    def _tamper(self, how: str, path: str) -> None:
        if how == "forget":
            return shutil.rmtree(f"{self.directory}/agent", ignore_errors=True)
        if how == "memory":
            for memory in Path(self.directory).glob("agent/*/*/*/memory"):
                memory.write_text("grace=\0\npods\nunheld=x\n=\n")
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._clear(path)
        if how == "directory":
            os.makedirs(path + "/inside")
        elif how == "fifo":
            os.mkfifo(path)
        elif how == "file":
            Path(path).write_text("by hand")
        elif how in ("link", "dangling"):
            os.symlink("/proc/sys/kernel/ostype" if how == "link" else "nowhere", path)

    def _clear(self, path: str) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
        self.host.removed(path)

    def heal(self) -> None:
        """Every part works again; what stands in the permit directory and who runs is left as it is."""
        self.api_mode("", 1.0)
        self.api_start()
        self.controllers_run(True)
        self.kubelet.start()
        self.kubelet.stubborn = False
        self.insist(0)
        self.freeze(False)
        self.fill(False)
        self.create_workload()
        if self.gated != self.meant:
            self.roll_out(self.meant)
