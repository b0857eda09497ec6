"""What one action works with: settings, the permit and its ground, the witness, the API. Opened when first needed."""

from __future__ import annotations

from . import ground as grounds
from .deadline import Deadline
from .memory import Memory
from .parameters import Settings
from .permit import Permit
from .witness import Witness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .api import Api


class Scene:
    """One workload on this host. `ground` is None where nothing is proven locally, `unproven` says why."""

    def __init__(self, settings: Settings, env: Mapping[str, str], deadline: Deadline) -> None:
        self.settings, self.env, self.deadline = settings, env, deadline
        self.permit = Permit(settings)
        self.ground: grounds.Ground | None = None
        self.unproven = "guard=off"
        if settings.guard != "off":
            try:
                self.ground, self.unproven = grounds.stand(settings.permit_dir), ""
            except grounds.Unproven as reason:
                self.unproven = str(reason)
        self._memory: Memory | None = None
        self._api: Api | None = None

    @property
    def memory(self) -> Memory:
        if self._memory is None:
            self._memory = Memory(self.permit.beside + "/memory" if self.ground else self._elsewhere())
        return self._memory

    def _elsewhere(self) -> str:
        directory = self.env.get("HA_RSCTMP") or "/run/resource-agents"
        return f"{directory}/k8sdeployment/{self.settings.namespace}/{self.settings.kind}/{self.settings.deployment}"

    def witness(self) -> Witness:
        assert self.ground is not None
        return Witness(self.ground, self.permit.relative, self.memory.names("pods"))

    def held(self) -> bool:
        return bool(self.witness().holders())

    @property
    def api(self) -> Api:
        if self._api is None:
            from .access import endpoint
            from .api import Api
            settings = self.settings
            self._api = Api(lambda: endpoint(settings.kubeconfig, settings.context, self.env),
                            settings.namespace, settings.kind, settings.deployment)
        return self._api


class Survey:
    """The workload as the API knows it: the object ({} when missing), its ReplicaSets, its pods, its gate."""

    __slots__ = ("workload", "sets", "members", "gate", "gate_faults")

    def __init__(self, scene: Scene, deadline: Deadline) -> None:
        from . import gate, pods
        from .codes import NotFound
        api, settings = scene.api, scene.settings
        try:
            self.workload: dict[str, Any] = api.workload(deadline)
        except NotFound:
            self.workload = {}
        sets = api.replica_sets(deadline) if settings.kind == "Deployment" else []
        identity = pods.uid(self.workload)
        self.sets = pods.owned_sets(settings.kind, settings.deployment, identity, sets)
        self.members = pods.owned(settings.kind, settings.deployment, identity, self.sets, api.pods(deadline),
                                  settings.permit_path)
        self.gate, self.gate_faults = gate.inspect(self.workload, self.sets, self.members, settings.permit_path,
                                                   settings.permit_dir)

    @property
    def spec(self) -> int:
        return requested(self.workload)

    def uids(self) -> set[str]:
        from .pods import uid
        return {uid(pod) for pod in self.members}


def requested(workload: dict[str, Any]) -> int:
    """spec.replicas; Kubernetes' default is 1."""
    value = (workload.get("spec") or {}).get("replicas", 1)
    return value if isinstance(value, int) else 1


def available(workload: dict[str, Any]) -> int:
    value = (workload.get("status") or {}).get("availableReplicas")
    return value if isinstance(value, int) else 0


def current(workload: dict[str, Any]) -> bool:
    """Whether the controller has seen the object as it is now."""
    generation = (workload.get("metadata") or {}).get("generation") or 0
    return ((workload.get("status") or {}).get("observedGeneration") or 0) >= generation
