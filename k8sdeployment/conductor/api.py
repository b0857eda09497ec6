"""What the conductor asks and tells the API of its own site; the agent's own connection, which never waits for ever."""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from k8sdeployment import __version__
from k8sdeployment.agent import access
from k8sdeployment.agent.api import Line
from k8sdeployment.agent.codes import AgentError, NotFound
from k8sdeployment.agent.deadline import Deadline
from k8sdeployment.pair.rbac import POD, SET

Object = dict[str, Any]
# Seconds for one exchange: the loop must see the cluster while the API is away.
PATIENCE = 3.0
WRITER = "snopair-conductor"
_APPLY = "application/apply-patch+yaml"


class SiteApi:
    """AgentError (with its sentence) when the API does not answer or refuses."""

    def __init__(self, env: Mapping[str, str], namespace: str, name: str, kubeconfig: str = "") -> None:
        self._line = Line(lambda: access.endpoint(kubeconfig, "", env))
        self._namespace, self._name = namespace, name
        self._pairs = f"/apis/snopair.dev/v1alpha1/namespaces/{namespace}/snopairs"
        self._core, self._apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"

    def pair(self) -> Object:
        """The CR. NotFound when there is none."""
        return self._line.get(f"{self._pairs}/{self._name}", "SNOPair", Deadline(PATIENCE))

    def write(self, status: Object) -> None:
        """The conductor's part of the CR's status."""
        body = {"apiVersion": "snopair.dev/v1alpha1", "kind": "SNOPair",
                "metadata": {"name": self._name, "namespace": self._namespace}, "status": status}
        self._line.call("PATCH", f"{self._pairs}/{self._name}/status?fieldManager={WRITER}&force=true",
                        Deadline(PATIENCE), json.dumps(body).encode(), _APPLY)

    def event(self, uid: str, warning: bool, reason: str, message: str) -> None:
        """An Event on the CR."""
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "apiVersion": "v1", "kind": "Event", "type": "Warning" if warning else "Normal",
            "metadata": {"generateName": f"{self._name}.", "namespace": self._namespace},
            "involvedObject": {"apiVersion": "snopair.dev/v1alpha1", "kind": "SNOPair", "name": self._name,
                               "namespace": self._namespace, "uid": uid},
            "reason": reason, "message": message[:1024], "firstTimestamp": now, "lastTimestamp": now, "count": 1,
            "source": {"component": WRITER}, "reportingComponent": WRITER, "reportingInstance": __version__,
        }
        self._line.call("POST", f"{self._core}/events", Deadline(PATIENCE), json.dumps(body).encode(),
                        "application/json")

    def outdated(self, uid: str) -> bool:
        """Whether the pod with this UID was made from an older template than the StatefulSet has now."""
        made = self._line.get(f"{self._apps}/statefulsets/{SET}", "StatefulSet", Deadline(PATIENCE))
        pod = self._line.get(f"{self._core}/pods/{POD}", "Pod", Deadline(PATIENCE))
        status = made.get("status", {})
        if status.get("observedGeneration", 0) < made["metadata"].get("generation", 0) or pod["metadata"]["uid"] != uid:
            return False
        return bool(pod["metadata"].get("labels", {}).get("controller-revision-hash") != status.get("updateRevision"))

    def delete_pod(self, uid: str) -> None:
        """Delete the peer's pod if it is still this one."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
        try:
            self._line.call("DELETE", f"{self._core}/pods/{POD}", Deadline(PATIENCE), json.dumps(body).encode(),
                            "application/json")
        except NotFound:
            pass


__all__ = ["AgentError", "NotFound", "SiteApi"]
