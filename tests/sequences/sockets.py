"""A socket to the modelled API server: what the agent's own HTTP code talks to, in virtual time."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

from .apiserver import Part

if TYPE_CHECKING:
    from .seams import Seams

_LATENCY = 0.001


class Socket:
    """As much of socket.socket and ssl.SSLSocket as an HTTP client needs. One connection."""

    seams: Seams  # set by Seams.install

    def __init__(self, *_: object, **__: object) -> None:
        self._timeout: float | None = None
        self._parts: list[Part] = []
        self._epoch, self._request, self._watch = -1, b"", ("", "", 0)

    def settimeout(self, seconds: float | None) -> None:
        if seconds is not None and seconds <= 0:
            raise BlockingIOError(errno.EINPROGRESS, "not in a non-blocking way")
        self._timeout = seconds

    def setsockopt(self, *_: object) -> None:
        pass

    def close(self) -> None:
        self._epoch = -1

    def connect(self, address: object) -> None:
        self.seams.step("connect")
        api = self.seams.world.api
        self.seams.spend(_LATENCY)
        if not api.up:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        if api.failing() == "silent":
            self._time_out()
        self._epoch = api.epoch

    def encrypted(self) -> Socket:
        self.seams.spend(_LATENCY)
        if self.seams.world.api.failing() == "tls":
            self._time_out()
        return self

    def _time_out(self) -> None:
        self.seams.spend(1e9 if self._timeout is None else self._timeout)
        raise TimeoutError("timed out")

    def _alive(self) -> bool:
        api = self.seams.world.api
        return api.up and self._epoch == api.epoch

    def sendall(self, data: bytes) -> None:
        self.seams.step("send " + data.split(b" HTTP/")[0].decode(errors="replace"))
        if not self._alive():
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        self._request += data
        head, _, body = self._request.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n")
                       if line.lower().startswith(b"content-length:")), 0)
        if b"\r\n\r\n" in self._request and len(body) >= length:
            request, self._request = self._request, b""
            self._exchange(request)

    def _exchange(self, request: bytes) -> None:
        self.seams.spend(_LATENCY)
        api = self.seams.world.api
        path = request.split(b" ")[1].decode()
        if "watch=1" not in path or api.failing():
            self._parts += api.exchange(request)
            return
        self._parts.append(("bytes", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", _LATENCY))
        kind = {"deployments": "Deployment", "statefulsets": "StatefulSet", "replicasets": "ReplicaSet",
                "pods": "Pod"}[path.partition("?")[0].rpartition("/")[2]]
        name = path.partition("metadata.name%3D")[2].partition("&")[0]
        self._watch = kind, name, int(path.partition("resourceVersion=")[2].partition("&")[0] or 0)

    def recv(self, size: int) -> bytes:
        self.seams.step("receive")
        if not self._parts and self._watch[0]:
            self._wait_for_change()
        if not self._alive():
            return b""
        if not self._parts:
            self._time_out()
        what, data, wait = self._parts.pop(0)
        if what == "hang" or self._timeout is not None and wait > self._timeout:
            self._parts.insert(0, (what, data, max(0.0, wait - (self._timeout or 0.0))))
            self._time_out()
        self.seams.spend(wait)
        if what == "reset":
            self._epoch = -1
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        if len(data) > size:
            self._parts.insert(0, (what, data[size:], 0.0))
        return data[:size]

    def _wait_for_change(self) -> None:
        kind, name, version = self._watch
        if not self.seams.spend_until("changed_since", (kind, name, version), self._timeout or 1e9):
            raise TimeoutError("timed out")
        line = json.dumps({"type": "MODIFIED", "object": self._changed(kind, name)}).encode() + b"\n"
        self._watch = kind, name, self.seams.world.objects.version
        self._parts.append(("bytes", f"{len(line):x}\r\n".encode() + line + b"\r\n", 0.0))

    def _changed(self, kind: str, name: str) -> dict[str, Any]:
        items = self.seams.world.objects.kinds[kind]
        return {"kind": kind, **next((item for one, item in items.items() if name in ("", one)), {})}
