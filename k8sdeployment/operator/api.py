"""What the operator asks of the API of its own site: objects by kind and name, over the agent's own connection.

The same connection as the conductor's and the agent's, because it never waits for ever and believes only whole answers.
AgentError (with its sentence) when the API does not answer or refuses; `Unreachable` when it gave no usable answer.
Not for two threads at once.
"""

import json
import urllib.parse
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Optional

from k8sdeployment import __version__
from k8sdeployment.agent import access
from k8sdeployment.agent.api import Line, whole
from k8sdeployment.agent.codes import AgentError, ApiError, Conflict, NotFound, Unreachable
from k8sdeployment.agent.deadline import Deadline

Object = dict[str, Any]
# Seconds for one exchange.
PATIENCE = 8.0
WRITER = "snopair-operator"
_APPLY = "application/apply-patch+yaml"
_JSON = "application/json"
# Where the objects of a kind are: the API's path and the plural, and whether they lie in a namespace.
_PLACES = {
    "Namespace": ("/api/v1", "namespaces", False),
    "Node": ("/api/v1", "nodes", False),
    "Pod": ("/api/v1", "pods", True),
    "Event": ("/api/v1", "events", True),
    "Secret": ("/api/v1", "secrets", True),
    "ConfigMap": ("/api/v1", "configmaps", True),
    "ServiceAccount": ("/api/v1", "serviceaccounts", True),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims", True),
    "Deployment": ("/apis/apps/v1", "deployments", True),
    "StatefulSet": ("/apis/apps/v1", "statefulsets", True),
    "ReplicaSet": ("/apis/apps/v1", "replicasets", True),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "SNOPair": ("/apis/snopair.dev/v1alpha1", "snopairs", True),
}


class Api:
    """One site's API. `kubeconfig`: a file, else the pod's own service account."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._line = Line(lambda: access.endpoint(env.get("KUBECONFIG", ""), "", env))

    def serves(self, kind: str) -> bool:
        """Whether the API knows the kind."""
        root, plural, _ = _PLACES[kind]
        try:
            found = self._line.get(root, "APIResourceList", Deadline(PATIENCE))
        except Unreachable as error:
            if "answered 404" in str(error):
                return False
            raise
        return any(one.get("name") == plural for one in found.get("resources") or ())

    def get(self, kind: str, namespace: str, name: str) -> Optional[Object]:
        """The object; None when there is none."""
        try:
            return self._line.get(_path(kind, namespace, name), kind, Deadline(PATIENCE))
        except NotFound:
            return None

    def list(self, kind: str, namespace: str, **query: str) -> list[Object]:
        """All objects of the kind in the namespace, in all of them for ""."""
        path = f"{_path(kind, namespace)}?{urllib.parse.urlencode(query)}"
        return list(self._line.list(path, f"{kind}List", Deadline(PATIENCE)))

    def apply(self, manifest: Object) -> Object:
        """Server-side apply: what the manifest says is so afterwards, whoever said otherwise before."""
        meta = manifest["metadata"]
        path = _path(manifest["kind"], meta.get("namespace", ""), meta["name"])
        answer = self._line.call("PATCH", f"{path}?fieldManager={WRITER}&force=true", Deadline(PATIENCE),
                                 json.dumps(manifest).encode(), _APPLY)
        return whole(answer, manifest["kind"])

    def write_status(self, namespace: str, name: str, status: Object) -> None:
        """The operator's part of a SNOPair's status."""
        body = {"apiVersion": "snopair.dev/v1alpha1", "kind": "SNOPair",
                "metadata": {"name": name, "namespace": namespace}, "status": status}
        path = f"{_path('SNOPair', namespace, name)}/status?fieldManager={WRITER}&force=true"
        self._line.call("PATCH", path, Deadline(PATIENCE), json.dumps(body).encode(), _APPLY)

    def replace(self, item: Object) -> None:
        """Write an object as a whole; Conflict when it is no longer the one that was read (its resourceVersion)."""
        path = _path(item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])
        self._line.call("PUT", f"{path}?fieldManager={WRITER}", Deadline(PATIENCE), json.dumps(item).encode(), _JSON)

    def delete(self, kind: str, namespace: str, name: str, uid: str = "") -> None:
        """Delete the object, only if it has this UID when one is given. Gone already is done."""
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            self._line.call("DELETE", _path(kind, namespace, name), Deadline(PATIENCE), json.dumps(options).encode(),
                            _JSON)
        except (NotFound, Conflict):
            pass

    def event(self, pair: Object, warning: bool, reason: str, message: str) -> None:
        """An Event on the SNOPair."""
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        meta = pair["metadata"]
        body = {
            "apiVersion": "v1", "kind": "Event", "type": "Warning" if warning else "Normal",
            "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
            "involvedObject": {"apiVersion": "snopair.dev/v1alpha1", "kind": "SNOPair", "name": meta["name"],
                               "namespace": meta["namespace"], "uid": meta["uid"]},
            "reason": reason, "message": message[:1024], "firstTimestamp": now, "lastTimestamp": now, "count": 1,
            "source": {"component": WRITER}, "reportingComponent": WRITER, "reportingInstance": __version__,
        }
        self._line.call("POST", _path("Event", meta["namespace"]), Deadline(PATIENCE), json.dumps(body).encode(), _JSON)


def _path(kind: str, namespace: str, name: str = "") -> str:
    root, plural, inside = _PLACES[kind]
    return root + (f"/namespaces/{namespace}" if inside and namespace else "") + f"/{plural}" + f"/{name}" * bool(name)


__all__ = ["AgentError", "Api", "ApiError", "Conflict", "NotFound", "Object", "Unreachable"]
