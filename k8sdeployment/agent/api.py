"""The few Kubernetes calls the agent makes. Every answer is checked to be what was asked for before it is believed.

LISTs are made without resourceVersion: only those are consistent (resourceVersion=0 may be served from an old cache).
"""

from __future__ import annotations

import json

from .codes import ApiError, Conflict, Forbidden, NotFound, Unreachable
from .deadline import Deadline
from .wire import Answer, Connection, Endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol, TypeVar

    Given = TypeVar("Given")

    class Transport(Protocol):
        def call(self, method: str, path: str, deadline: Deadline, body: bytes = b"",
                 content: str = "") -> Answer: ...

        def stream(self, path: str, deadline: Deadline) -> Iterator[bytes]: ...

_PLURAL = {"Deployment": "deployments", "StatefulSet": "statefulsets"}
_PAUSE = 0.25
# Seconds for one exchange: an API server that accepts and says nothing must not use up a whole action's time.
_EXCHANGE = 8.0


class Listed(list):  # type: ignore[type-arg]  # list[...] is no base class that 3.9 starts fast with
    """The objects of a LIST, with the version from which a watch goes on."""

    def __init__(self, items: list[dict[str, Any]], listing: dict[str, Any]) -> None:
        super().__init__(items)
        meta = listing.get("metadata")
        self.version = str(meta.get("resourceVersion") or "") if isinstance(meta, dict) else ""


class Line:
    """The connection to the API, with what every exchange over it has in common.

    `open_endpoint` is called again after a 401 and after every failure: tokens and certificates are rotated in place.
    """

    def __init__(self, open_endpoint: Callable[[], Endpoint],
                 connect: Callable[[Endpoint], Transport] = Connection) -> None:
        self._open, self._connect = open_endpoint, connect
        self._transport: Transport | None = None

    def call(self, method: str, path: str, deadline: Deadline, body: bytes = b"", content: str = "") -> Answer:
        """A successful answer, or the ApiError that the server's answer stands for."""
        answer = self._exchange(method, path, deadline, body, content)
        if answer.status == 401:
            self._transport = None
            answer = self._exchange(method, path, deadline, body, content)
        if answer.status == 403:
            self._refuse_unready(answer, deadline)
            answer = self._exchange(method, path, deadline, body, content)
        if not 200 <= answer.status < 300:
            raise _error(answer, f"{method} {path}")
        return answer

    def get(self, path: str, kind: str, deadline: Deadline) -> dict[str, Any]:
        return whole(self.call("GET", path, deadline), kind)

    def list(self, path: str, kind: str, deadline: Deadline) -> Listed:
        listing = self.get(path, kind, deadline)
        if "items" not in listing or _has_more(listing):
            raise Unreachable(f"the API's {kind} is not whole")
        items = [] if listing["items"] is None else listing["items"]  # null: how Go writes an empty list
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise Unreachable(f"the API's {kind} is malformed")
        return Listed(items, listing)

    def watch(self, path: str, deadline: Deadline) -> Iterator[None]:
        """Yields at each event; ends when the server or the deadline ends it. On a connection of its own."""
        for line in self._connect(self._open()).stream(path, deadline):
            if line.strip():
                yield None

    def _exchange(self, method: str, path: str, deadline: Deadline, body: bytes = b"", content: str = "") -> Answer:
        if self._transport is None:
            self._transport = self._connect(self._open())
        try:
            return self._transport.call(method, path, deadline.part(_EXCHANGE), body, content)
        except Unreachable:
            self._transport = None
            raise

    def _refuse_unready(self, answer: Answer, deadline: Deadline) -> None:
        """A 403 counts only of an API server that is ready: one that has just started refuses everybody until it has
        read the RBAC objects (seen in the lab; readyz includes informer-sync, kubernetes.io "API health endpoints").
        """
        ready = self._exchange("GET", "/readyz", deadline).status
        if ready != 200:
            raise Unreachable(f"{_error(answer, 'ask')} (and {ready} to /readyz: it may still be starting)")


class Api:
    """One workload's view of the API."""

    def __init__(self, line: Line, namespace: str, kind: str, name: str) -> None:
        self._line = line
        self.namespace, self.kind, self.name = namespace, kind, name
        self._apps = f"/apis/apps/v1/namespaces/{namespace}"
        self._core = f"/api/v1/namespaces/{namespace}"
        self._kind = f"{self._apps}/{_PLURAL[kind]}"
        self._self = f"{self._kind}/{name}"

    def workload(self, deadline: Deadline) -> dict[str, Any]:
        return self._line.get(self._self, self.kind, deadline)

    def workloads(self, deadline: Deadline) -> list[dict[str, Any]]:
        """All workloads of the kind in the namespace."""
        return self._line.list(self._kind, self.kind + "List", deadline)

    def scale(self, replicas: int, deadline: Deadline) -> None:
        """Ask for replicas through the scale subresource."""
        body = json.dumps({"spec": {"replicas": replicas}}).encode()
        answer = self._line.call("PATCH", self._self + "/scale", deadline, body, "application/merge-patch+json")
        whole(answer, "Scale")

    def pods(self, deadline: Deadline) -> Listed:
        """All pods of the namespace: ownership, not a label, decides which are the workload's."""
        return self._line.list(self._core + "/pods", "PodList", deadline)

    def replica_sets(self, deadline: Deadline) -> list[dict[str, Any]]:
        return self._line.list(self._apps + "/replicasets", "ReplicaSetList", deadline)

    def delete_pod(self, name: str, uid: str, deadline: Deadline) -> None:
        """Plain delete of exactly this pod, with its default grace. Gone already, or another pod by now, is done."""
        body = json.dumps({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}).encode()
        try:
            self._line.call("DELETE", f"{self._core}/pods/{name}", deadline, body, "application/json")
        except (NotFound, Conflict):
            pass

    def changes(self, version: str, deadline: Deadline) -> Iterator[None]:
        """Yields at each change of the workload after `version`; ends when the server or the deadline ends it."""
        return self._line.watch(f"{self._kind}?watch=1&fieldSelector=metadata.name%3D{self.name}"
                                + _since(version, deadline), deadline)

    def pod_changes(self, version: str, deadline: Deadline) -> Iterator[None]:
        """Yields at each change of a pod of the namespace after `version`; ends likewise."""
        return self._line.watch(f"{self._core}/pods?watch=1" + _since(version, deadline), deadline)


def _since(version: str, deadline: Deadline) -> str:
    return f"&resourceVersion={version}&timeoutSeconds={max(1, int(deadline.left()))}"


def whole(answer: Answer, kind: str) -> dict[str, Any]:
    """An answer as the object that was asked for, or Unreachable."""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise Unreachable("the API's answer is not JSON") from error
    if not isinstance(value, dict) or value.get("kind") != kind:
        raise Unreachable(f"the API's answer is not a {kind}")
    return value


def _has_more(listing: dict[str, Any]) -> bool:
    meta = listing.get("metadata")
    return isinstance(meta, dict) and bool(meta.get("continue"))


def _error(answer: Answer, doing: str) -> ApiError:
    message = _message(answer)
    said = f"the API answered {answer.status}" + (f": {message}" if message else "")
    if answer.status == 401:
        return Unreachable(f"{said} (is the token valid?)")
    if answer.status == 403:
        return Forbidden(said)
    if answer.status == 404 and message:
        return NotFound(said)
    if answer.status == 409:
        return Conflict(said)
    if answer.status in (400, 405, 413, 415, 422):
        return ApiError(f"{said} to {doing}")
    wait = answer.headers.get("retry-after", "")
    return Unreachable(said, float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 8 else 0.0)


def _message(answer: Answer) -> str:
    """The message of a Kubernetes Status, cut short; "" when the body is none (a proxy's page is no API's word)."""
    try:
        status = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(status, dict) or status.get("kind") != "Status":
        return ""
    return " ".join(str(status.get("message") or status.get("reason") or "no reason given").split())[:200]


def insist(attempt: Callable[[], Given], deadline: Deadline) -> Given:
    """Repeat an attempt while the API is unreachable; its last error once the deadline has passed.

    Waits as long as the server asks for (Retry-After); a wish beyond the deadline ends the attempts at once.
    """
    while True:
        try:
            return attempt()
        except (Unreachable, Conflict) as error:
            wait = max(_PAUSE, getattr(error, "retry_after", 0.0))
            if wait >= deadline.left():
                raise
            deadline.wait(wait)
