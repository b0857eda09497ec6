"""The modelled API server: HTTP/1.1 bytes in, bytes out, and every way in which it may fail to answer."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from .objects import Object, Objects
from .timeline import Timeline

Part = tuple[str, bytes, float]  # what ("bytes", "reset", "close", "hang"), the bytes, seconds until then
_PLURALS = {"deployments": "Deployment", "statefulsets": "StatefulSet", "replicasets": "ReplicaSet", "pods": "Pod"}

# How it may fail. Those of the first line let the request take effect before they keep the answer back.
APPLIED = ("hang-after", "reset-after", "cut", "drip")
SILENT = ("silent", "tls", "hang", "reset", "html", "redirect", "garbage", "kind", "partial")
CODES = ("401", "403", "403-unready", "429", "429-long", "500", "503", "504")
MODES = APPLIED + SILENT + CODES


@dataclass
class ApiServer:
    timeline: Timeline
    objects: Objects
    dice: random.Random
    up: bool = True
    mode: str = ""
    share: float = 1.0  # how many exchanges the mode hits
    epoch: int = 0  # counts restarts: connections die with it
    writes: int = 0

    def failing(self) -> str:
        """The mode that hits the exchange at hand, "" for none."""
        return self.mode if self.mode and self.dice.random() < self.share else ""

    def exchange(self, request: bytes) -> list[Part]:
        """What comes back, and when. A request that reaches the server takes effect now."""
        mode = self.failing()
        if mode in CODES:
            return _whole(*self._refusal(mode, request))
        if mode in ("hang", "silent", "tls"):
            return [("hang", b"", 0.0)]
        if mode == "reset":
            return [("reset", b"", 0.0)]
        if mode in ("html", "redirect", "garbage", "kind"):
            return _whole(*_nonsense(mode))
        status, body = self.answer(request)
        if mode == "partial" and "items" in body:
            body = {**body, "items": body["items"][:-1], "metadata": {"continue": "more"}}
        return _delivered(mode, status, json.dumps(body))

    def _refusal(self, mode: str, request: bytes) -> tuple[str, str, str]:
        if b" /readyz " in request:
            return ("200 OK", "ok", "") if mode != "403-unready" else ("500 Not Yet", "not yet", "")
        code = mode[:3]
        wait = {"429": "Retry-After: 1", "429-long": "Retry-After: 3600"}.get(mode, "")
        return f"{code} No", json.dumps({"kind": "Status", "message": f"refused for now ({code})"}), wait

    # -- what it says when nothing is wrong -----------------------------------------------------------------------

    def answer(self, request: bytes) -> tuple[str, Object]:
        head, _, body = request.partition(b"\r\n\r\n")
        method, target = head.decode().split(" ")[:2]
        if target == "/readyz":
            return "200 OK", {"kind": "ok"}
        if "Authorization: Bearer SECRET" not in head.decode():
            return "401 Unauthorized", {"kind": "Status", "message": "who are you"}
        path, _, query = target.partition("?")
        words = path.partition("/namespaces/default/")[2].split("/")
        kind = _PLURALS.get(words[0], "")
        if not kind:
            return _status("404 Not Found", f"the server could not find {path}")
        if len(words) == 1:
            return "200 OK", self._list(kind, query)
        if words[1] not in self.objects.kinds[kind]:
            return _status("404 Not Found", f"{words[0]} {words[1]!r} not found")
        return self._one(method, kind, words[1], json.loads(body or b"{}"))

    def _list(self, kind: str, query: str) -> Object:
        name = query.partition("metadata.name%3D")[2].partition("&")[0]
        items = [item for item in self.objects.kinds[kind].values() if name in ("", item["metadata"]["name"])]
        return {"kind": kind + "List", "metadata": {"resourceVersion": str(self.objects.version)}, "items": items}

    def _one(self, method: str, kind: str, name: str, body: Object) -> tuple[str, Object]:
        item = self.objects.kinds[kind][name]
        if method == "GET":
            return "200 OK", {"kind": kind, **item}
        self.writes += 1
        if method == "PATCH":
            self.objects.scale(kind, name, body["spec"]["replicas"])
            return "200 OK", {"kind": "Scale", "spec": {"replicas": body["spec"]["replicas"]}}
        if body.get("preconditions", {}).get("uid", item["metadata"]["uid"]) != item["metadata"]["uid"]:
            return _status("409 Conflict", "the UID in the precondition does not match")
        self.objects.terminate(name)
        return "200 OK", {"kind": kind, **item}

    def changed_since(self, kind: str, name: str, version: int) -> bool:
        """What a watch waits for; name "" for any of that kind."""
        return not self.up or any(number > version and (kind, name or one) == (found, one)
                                  for number, found, one in reversed(self.objects.log[-200:]))


def _status(status: str, message: str) -> tuple[str, Object]:
    return status, {"kind": "Status", "message": message}


def _bytes(status: str, body: str, header: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", header]
    return "\r\n".join(filter(None, lines)).encode() + b"\r\n\r\n" + body.encode()


def _whole(status: str, body: str, header: str = "") -> list[Part]:
    return [("bytes", _bytes(status, body, header), 0.002)]


def _nonsense(mode: str) -> tuple[str, str, str]:
    return {"html": ("200 OK", "<html>Welcome to the portal</html>", ""),
            "redirect": ("302 Found", "", "Location: https://elsewhere/"),
            "garbage": ("200 OK", '{"kind": "Depl', ""),
            "kind": ("200 OK", '{"kind": "Unicorn", "items": [], "metadata": {}}', "")}[mode]


def _delivered(mode: str, status: str, body: str) -> list[Part]:
    data = _bytes(status, body)
    if mode == "hang-after":
        return [("hang", b"", 0.0)]
    if mode == "reset-after":
        return [("reset", b"", 0.002)]
    if mode == "cut":
        return [("bytes", data[:-5], 0.002), ("close", b"", 0.002)]
    if mode == "drip":
        return [("bytes", data[index:index + 40], 1.0) for index in range(0, len(data), 40)]
    return [("bytes", data, 0.002)]
