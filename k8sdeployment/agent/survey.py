"""The workload as the API knows it: the object, its ReplicaSets, its pods, its gate."""

from __future__ import annotations

from . import gate, pods
from .codes import ApiError, NotFound, Unfit
from .deadline import Deadline
from .scene import Scene

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .api import Listed

    Object = dict[str, Any]


class Lists:
    """What the API holds of a namespace, each part asked once, by whoever needs it first; a refusal is kept, too.

    `several` workloads are found in one LIST; a single one is asked for by its name.
    """

    def __init__(self, several: bool = False) -> None:
        self._several = several
        self._found: dict[str, Any] = {}
        self._refused: dict[str, ApiError | Unfit] = {}

    def again(self) -> None:
        """Forget what was refused: the next one asks anew."""
        self._refused.clear()

    def workload(self, scene: Scene, deadline: Deadline) -> Object:
        """The workload; {} when a working API knows no such one."""
        if self._several:
            listed = self._once("workloads", lambda: {
                pods.name(item): item for item in scene.api.workloads(deadline)})
            return dict(listed.get(scene.settings.deployment, {}))
        try:
            return dict(self._once("workload", lambda: scene.api.workload(deadline)))
        except NotFound:
            return {}

    def replica_sets(self, scene: Scene, deadline: Deadline) -> list[Object]:
        if scene.settings.kind != "Deployment":
            return []
        return list(self._once("replica sets", lambda: scene.api.replica_sets(deadline)))

    def pods(self, scene: Scene, deadline: Deadline) -> Listed:
        listed: Listed = self._once("pods", lambda: scene.api.pods(deadline))
        return listed

    def _once(self, what: str, ask: Callable[[], Any]) -> Any:
        if what in self._refused:
            raise self._refused[what]
        if what not in self._found:
            try:
                self._found[what] = ask()
            except (ApiError, Unfit) as error:
                self._refused[what] = error
                raise
        return self._found[what]


class Survey:
    """One look at everything of one workload; `workload` is {} when it does not exist, `version` the pods' LIST's."""

    __slots__ = ("workload", "sets", "members", "gate", "gate_faults", "version")

    def __init__(self, scene: Scene, deadline: Deadline, lists: Lists | None = None) -> None:
        lists, settings = lists or Lists(), scene.settings
        self.workload = lists.workload(scene, deadline)
        sets = lists.replica_sets(scene, deadline)
        identity = pods.uid(self.workload)
        self.sets = pods.owned_sets(settings.kind, settings.deployment, identity, sets)
        listed = lists.pods(scene, deadline)
        self.version = listed.version
        self.members = pods.owned(settings.kind, settings.deployment, identity, self.sets, listed,
                                  settings.permit_path)
        self.gate, self.gate_faults = gate.inspect(self.workload, self.sets, self.members, settings.permit_path,
                                                   settings.permit_dir)

    @property
    def spec(self) -> int:
        return requested(self.workload)

    def uids(self) -> set[str]:
        return {pods.uid(pod) for pod in self.members}


def requested(workload: Object) -> int:
    """spec.replicas; Kubernetes' default is 1."""
    value = (workload.get("spec") or {}).get("replicas", 1)
    return value if isinstance(value, int) else 1


def available(workload: Object) -> int:
    value = (workload.get("status") or {}).get("availableReplicas")
    return value if isinstance(value, int) else 0


def current(workload: Object) -> bool:
    """Whether the controller has seen the object as it is now."""
    generation = (workload.get("metadata") or {}).get("generation") or 0
    return ((workload.get("status") or {}).get("observedGeneration") or 0) >= generation


def writer(workload: Object) -> str:
    """Who last set the replica count, by the API's own book-keeping (metadata.managedFields); "" when it says nothing.

    The name is the client's field manager: "kubectl-scale", "argocd-controller", "horizontal-pod-autoscaler".
    """
    entries = [entry for entry in pods.meta(workload).get("managedFields") or ()
               if "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})]
    last: Object = max(entries, key=lambda entry: str(entry.get("time") or ""), default={})
    return str(last.get("manager") or "")[:60]
