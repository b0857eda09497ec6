"""The API's objects of the modelled site, and the controller manager that acts on them."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from .timeline import Timeline

Object = dict[str, Any]
_FINAL = "ReplicaSet", "Pod"


class Objects:
    """What etcd keeps: by kind and name, with versions. It outlives every boot."""

    def __init__(self) -> None:
        self.version = 1
        self.kinds: dict[str, dict[str, Object]] = {
            kind: {} for kind in ("Deployment", "StatefulSet", "ReplicaSet", "Pod")}
        self.log: list[tuple[int, str, str]] = []
        self.listeners: list[Callable[[str, str], None]] = []
        self._uid = 0

    def uid(self) -> str:
        self._uid += 1
        return f"{self._uid:08x}-0000-4000-8000-000000000000"

    def put(self, kind: str, item: Object) -> None:
        """Create or change; the generation follows the spec by whoever changes it."""
        name = item["metadata"]["name"]
        item["metadata"].setdefault("uid", self.uid())
        self.kinds[kind][name] = item
        self._changed(kind, name, item)

    def remove(self, kind: str, name: str) -> None:
        if self.kinds[kind].pop(name, None) is not None:
            self._changed(kind, name, {"metadata": {}})

    def _changed(self, kind: str, name: str, item: Object) -> None:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self.log.append((self.version, kind, name))
        for listener in self.listeners:
            listener(kind, name)

    def owned(self, kind: str, owner: Object) -> list[Object]:
        return [item for item in self.kinds[kind].values() if _owner(item).get("uid") == owner["metadata"]["uid"]]

    def pod(self, uid: str) -> Object | None:
        return next((pod for pod in self.kinds["Pod"].values() if pod["metadata"]["uid"] == uid), None)

    # -- what people and controllers do ---------------------------------------------------------------------------

    def scale(self, kind: str, name: str, replicas: int) -> None:
        item = self.kinds[kind].get(name)
        if item is not None and item["spec"]["replicas"] != replicas:
            item["spec"]["replicas"] = replicas
            item["metadata"]["generation"] += 1
            self.put(kind, item)

    def template(self, kind: str, name: str, spec: Object) -> None:
        """A new pod template."""
        item = self.kinds[kind].get(name)
        if item is not None and item["spec"]["template"]["spec"] != spec:
            item["spec"]["template"]["spec"] = spec
            item["metadata"]["generation"] += 1
            self.put(kind, item)

    def terminate(self, name: str) -> None:
        """A plain delete: kubelet ends the pod and removes the object."""
        pod = self.kinds["Pod"][name]
        if not pod["metadata"].get("deletionTimestamp"):
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self.put("Pod", pod)


def _owner(item: Object) -> Object:
    return next((owner for owner in item["metadata"].get("ownerReferences") or () if owner.get("controller")), {})


def _leaves(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def reference(kind: str, owner: Object) -> list[Object]:
    return [{"kind": kind, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": True}]


def is_ready(pod: Object) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions") or ())


def workload(name: str, permit: str, grace: int) -> Object:
    """A workload as its owner wrote it; gated unless `permit` is ""."""
    return {"metadata": {"name": name, "generation": 1}, "status": {},
            "spec": {"replicas": 0, "template": {"spec": pod_spec(name, permit, grace)}}}


def pod_spec(name: str, permit: str, grace: int) -> Object:
    mount = {"name": "permit", "mountPath": "/run/permit", "readOnly": True}
    volume = {"name": "permit", "hostPath": {"path": permit, "type": "File"}}
    return {"containers": [{"name": name, "volumeMounts": [mount] if permit else []}],
            "volumes": [volume] if permit else [], "terminationGracePeriodSeconds": grace}


class Controllers:
    """Deployment, ReplicaSet and StatefulSet controllers, scheduler and garbage collector: what they do in the end."""

    def __init__(self, timeline: Timeline, objects: Objects, dice: random.Random) -> None:
        self._timeline, self._objects, self._dice = timeline, objects, dice
        self.running, self.connected = True, True
        objects.listeners.append(self.changed)

    def changed(self, kind: str, name: str) -> None:
        self._timeline.after(self._dice.uniform(0.01, 0.3), self.reconcile)

    def reconcile(self) -> None:
        if not (self.running and self.connected):
            return
        for kind in ("Deployment", "StatefulSet"):
            for item in list(self._objects.kinds[kind].values()):
                self._workload(kind, item)
        self._collect()

    def _workload(self, kind: str, item: Object) -> None:
        wanted = item["spec"]["replicas"]
        if kind == "Deployment":
            pods = self._rolled_out(item, wanted)
        else:
            pods = self._objects.owned("Pod", item)
            for pod in pods:
                if pod["spec"] != item["spec"]["template"]["spec"]:
                    self._objects.terminate(pod["metadata"]["name"])
            self._ordinals(item, wanted, pods)
        ready = [pod for pod in pods if is_ready(pod) and not _leaves(pod)]
        status = {"observedGeneration": item["metadata"]["generation"], "replicas": len(pods),
                  "readyReplicas": len(ready), "availableReplicas": len(ready)}
        if status != item["status"]:
            item["status"] = status
            self._objects.put(kind, item)

    def _rolled_out(self, item: Object, wanted: int) -> list[Object]:
        """The ReplicaSet of the template as it is, with a surge: the old ones go once a new pod is ready."""
        new = self._replica_set(item)
        old = [one for one in self._objects.owned("ReplicaSet", item) if one is not new]
        made = self._replicas(new, wanted)
        for one in old:
            keep = min(wanted, len(self._objects.owned("Pod", one))) if not any(map(is_ready, made)) else 0
            made += self._replicas(one, keep)
        return made

    def _replica_set(self, item: Object) -> Object:
        for one in self._objects.owned("ReplicaSet", item):
            if one["spec"]["template"] == item["spec"]["template"]:
                return one
        made = {"metadata": {"name": f"{item['metadata']['name']}-{self._dice.randrange(16 ** 6):06x}",
                             "ownerReferences": reference("Deployment", item)},
                "spec": {"replicas": 0, "template": deepcopy(item["spec"]["template"])}}
        self._objects.put("ReplicaSet", made)
        return made

    def _replicas(self, owner: Object, wanted: int) -> list[Object]:
        """The ReplicaSet's pods, brought to the wanted number; those that leave do not count."""
        if owner["spec"]["replicas"] != wanted:
            owner["spec"]["replicas"] = wanted
            self._objects.put("ReplicaSet", owner)
        pods = self._objects.owned("Pod", owner)
        active = [pod for pod in pods if not _leaves(pod)]
        for pod in sorted(active, key=is_ready)[:max(0, len(active) - wanted)]:
            self._objects.terminate(pod["metadata"]["name"])
        for _ in range(wanted - len(active)):
            self._create(f"{owner['metadata']['name']}-{self._dice.randrange(16 ** 5):05x}", "ReplicaSet", owner)
        return pods

    def _ordinals(self, owner: Object, wanted: int, pods: list[Object]) -> None:
        """A StatefulSet's pods have names: one comes again only when its predecessor is gone."""
        for pod in pods:
            if int(pod["metadata"]["name"].rpartition("-")[2]) >= wanted:
                self._objects.terminate(pod["metadata"]["name"])
        for ordinal in range(wanted):
            self._create(f"{owner['metadata']['name']}-{ordinal}", "StatefulSet", owner)

    def _create(self, name: str, kind: str, owner: Object) -> None:
        if name not in self._objects.kinds["Pod"]:
            self._objects.put("Pod", {
                "metadata": {"name": name, "ownerReferences": reference(kind, owner)},
                "spec": deepcopy(owner["spec"]["template"]["spec"]), "status": {"phase": "Pending"}})

    def _collect(self) -> None:
        """What belongs to an owner that is gone goes, too."""
        alive = {item["metadata"]["uid"] for items in self._objects.kinds.values() for item in items.values()}
        for kind in _FINAL:
            for name, item in list(self._objects.kinds[kind].items()):
                if _owner(item) and _owner(item)["uid"] not in alive:
                    self._objects.terminate(name) if kind == "Pod" else self._objects.remove(kind, name)
