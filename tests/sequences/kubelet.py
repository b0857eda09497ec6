"""kubelet and the runtime of the modelled site, as far as the permit is concerned.

What they do here is what was seen of Kubernetes 1.34.4 with containerd 1.6 (docs/permit.md, "What kubelet and the
runtime really do"): the path is checked when a pod is set up and not when a container restarts; a missing source
becomes a directory; a dangling link stops both; a pod that waits is tried again at growing intervals, up to two
minutes; after a boot the API shows the old status for a while; without kubelet an object may go while its processes
stay.
"""

from __future__ import annotations

import os
import random
import signal
from dataclasses import dataclass, field

from .host import Host, Process, kind_at
from .objects import Object, Objects
from .timeline import Timeline

_LONGEST_BACKOFF = 122.0


@dataclass
class Local:
    """A pod as kubelet knows it. `passed`: its volumes were checked since kubelet began."""

    pod: Object
    passed: bool = False
    tries: int = 0
    restarts: int = 0
    main: int = 0
    pause: int = 0
    ready: bool = False
    ending: bool = False

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])

    @property
    def workload(self) -> str:
        return str(self.pod["spec"]["containers"][0]["name"])

    @property
    def path(self) -> str:
        """The permit's, "" without a gate."""
        return str(next((one["hostPath"]["path"] for one in self.pod["spec"]["volumes"]), ""))


@dataclass
class Kubelet:
    timeline: Timeline
    host: Host
    objects: Objects
    dice: random.Random
    running: bool = True
    connected: bool = True  # to the API
    truthful: float = 0.0  # before this moment it reports nothing (seen: 11 to 110 s after a boot)
    stubborn: bool = False  # new containers ignore SIGTERM
    pods: dict[str, Local] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.objects.listeners.append(self.changed)

    def changed(self, kind: str, name: str) -> None:
        pod = self.objects.kinds["Pod"].get(name) if kind == "Pod" else None
        if kind == "Pod":
            self._soon(0.02, 0.2, self.sync, pod["metadata"]["uid"] if pod else "")

    def _soon(self, least: float, most: float, then: object, *arguments: object) -> None:
        assert callable(then)
        self.timeline.after(self.dice.uniform(least, most), then, *arguments)

    # -- the sync loop --------------------------------------------------------------------------------------------

    def resync(self) -> None:
        for uid in {*self.pods, *(pod["metadata"]["uid"] for pod in self.objects.kinds["Pod"].values())}:
            self.sync(uid)

    def sync(self, uid: str) -> None:
        """One pod; "" for whichever is gone from the API."""
        if not self.running or not self.connected:
            return
        if not uid:
            for local in [one for one in self.pods.values() if self.objects.pod(one.uid) is None]:
                self._terminate(local)
            return
        pod, known = self.objects.pod(uid), self.pods.get(uid)
        if pod is None:
            if known:
                self._terminate(known)
        elif pod["metadata"].get("deletionTimestamp"):
            self._terminate(known) if known else self.objects.remove("Pod", pod["metadata"]["name"])
        elif known is None:
            self.pods[uid] = Local(pod)
            self._set_up(uid)
        elif not known.passed and not known.ending:
            self._report(uid)

    def _set_up(self, uid: str) -> None:
        local = self.pods.get(uid)
        if not self.running or local is None or local.ending or local.passed:
            return
        if local.path and kind_at(local.path) != "file":
            local.tries += 1
            return self._soon(0, min(_LONGEST_BACKOFF, 0.5 * 2 ** local.tries), self._set_up, uid)
        local.passed = True
        if not local.pause:
            group = f"/kubepods/pod{uid}/pause"
            local.pause = self.host.spawn(181, "pause", cgroup=group, container=f"pause-{uid}").pid
        self._soon(0.02, 0.3, self._create, uid)

    def _create(self, uid: str) -> None:
        """A container is made: what its mount source is *now* decides."""
        local = self.pods.get(uid)
        if not self.running or local is None or local.ending or local.main or not local.passed:
            return
        kind = kind_at(local.path) if local.path else "none"
        if kind == "dangling":  # mkdir: file exists
            local.restarts += 1
            return self._soon(5, 10 * 2 ** min(local.restarts, 4), self._create, uid)
        if kind == "missing":
            os.makedirs(local.path)
        root = self.host.within(os.path.realpath(local.path)) if local.path else ""
        name = f"{uid}-{local.restarts}"
        main = self.host.spawn(181, local.workload, cgroup=f"/kubepods/pod{uid}/{name}", root=root, main=True,
                               workload=local.workload, container=name, delay=self._delay(local))
        if self.dice.random() < 0.3:
            self.host.spawn(main.pid, "worker", cgroup=main.cgroup, root=root, workload=local.workload, container=name,
                            delay=-1.0)
        local.main = main.pid
        self._soon(0.05, 1.0, self._started, uid, main.pid)

    def _delay(self, local: Local) -> float:
        return -1.0 if self.stubborn else self.dice.choice((0.01, 0.1, 0.5, 1.5))

    def _started(self, uid: str, pid: int) -> None:
        local = self.pods.get(uid)
        if local is not None and local.main == pid and not local.ending and self.running:
            local.ready = True
            self._report(uid)

    def exited(self, process: Process) -> None:
        local = next((one for one in self.pods.values() if one.main == process.pid), None)
        if local is None:
            return
        local.main, local.ready = 0, False
        if local.ending:
            self._soon(0.05, 0.5, self._finish, local.uid)
        else:
            self._soon(0.05, 0.3, self._report, local.uid)
            local.restarts += 1
            wait = 0.0 if local.restarts == 1 else 10.0 * 2 ** min(local.restarts - 2, 4)
            self._soon(wait + 0.1, wait + 0.4, self._create, local.uid)

    def _terminate(self, local: Local) -> None:
        if local.ending:
            return
        local.ending = True
        grace = float(local.pod["spec"]["terminationGracePeriodSeconds"])
        pre_stop = self.dice.choice((0.0, 0.0, 0.5, grace / 2))
        self.timeline.after(pre_stop, self._signal, local.uid, signal.SIGTERM)
        self.timeline.after(grace, self._signal, local.uid, signal.SIGKILL)
        if not local.main:
            self._soon(0.05, 0.5, self._finish, local.uid)

    def _signal(self, uid: str, number: int) -> None:
        local = self.pods.get(uid)
        if self.running and local is not None and local.main in self.host.processes:
            self.host.signal(local.main, number)

    def _finish(self, uid: str) -> None:
        """All its containers have ended: the sandbox goes, then the object."""
        local = self.pods.get(uid)
        if not self.running or local is None or local.main:
            return
        self.host.processes.pop(local.pause, None)
        del self.pods[uid]
        pod = self.objects.pod(uid)
        if self.connected and pod is not None:
            self.objects.remove("Pod", pod["metadata"]["name"])

    # -- status ---------------------------------------------------------------------------------------------------

    def _report(self, uid: str) -> None:
        if not (self.running and self.connected):
            return
        if self.timeline.now < self.truthful:
            self.timeline.after(self.truthful - self.timeline.now, self._report, uid)
            return
        local, pod = self.pods.get(uid), self.objects.pod(uid)
        if local is None or pod is None:
            return
        state: Object = {"running": {}} if local.main else {"waiting": {"reason": "ContainerCreating"}}
        status = {"phase": "Running" if local.main or local.restarts else "Pending",
                  "conditions": [{"type": "Ready", "status": str(local.ready)}],
                  "containerStatuses": [{"name": local.workload, "state": state,
                                         "containerID": f"containerd://{uid}-{local.restarts}" if local.main else ""}]}
        if status != pod["status"]:
            pod["status"] = status
            self.objects.put("Pod", pod)

    # -- its own life ---------------------------------------------------------------------------------------------

    def stop(self) -> None:
        self.running = False

    def start(self) -> None:
        """Every pod's volumes are checked again, of running ones as well: until then no container restarts."""
        if self.running:
            return
        self.running = True
        for local in self.pods.values():
            local.passed = local.ending = False
            self._soon(0.1, 0.5, self._set_up, local.uid)
        self.resync()

    def boot(self) -> None:
        """Nothing is known but what the API says; it says the old things until the first report."""
        self.timeline.forget(self)
        self.pods.clear()
        self.running = False
