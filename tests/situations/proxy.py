"""A proxy in front of the real API server that ends TLS, notes every request, and goes wrong in the way it is told."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab.plane import Plane

from ..agent.tls import Authority, Server, request


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    body: str

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def lists(self) -> bool:
        """A LIST or GET; a watch is none."""
        return self.method == "GET" and "watch=1" not in self.path


class Exchange:
    """One request between the agent and the API server; a fault decides what becomes of it."""

    def __init__(self, peer: ssl.SSLSocket, text: str, plane: Plane, over: Callable[[float], bool]) -> None:
        self.peer, self.text, self._plane, self.wait = peer, text, plane, over
        head, _, body = text.partition("\r\n\r\n")
        method, path = head.split(" ", 2)[:2]
        self.asked = Asked(method, path, body)

    def forward(self) -> None:
        """Pass the request on and the answer back, as it comes."""
        for part in self._answer():
            self.peer.sendall(part)

    def answer(self) -> bytes:
        """Pass the request on and keep the answer: the API server has done what was asked."""
        return b"".join(self._answer())

    def send(self, data: bytes) -> None:
        self.peer.sendall(data)

    def _answer(self) -> Iterator[bytes]:
        raw = socket.create_connection(("127.0.0.1", self._plane.ports.api), timeout=60)
        context = ssl.create_default_context(cafile=str(self._plane.authority))
        with context.wrap_socket(raw, server_hostname="localhost") as upstream:
            upstream.sendall(self.text.replace("\r\n", "\r\nConnection: close\r\n", 1).encode())
            while part := upstream.recv(65536):
                yield part


Fault = Callable[[Exchange], None]


def none(exchange: Exchange) -> None:
    exchange.forward()


class Proxy:
    """What the agent asks goes through here. `fault` and `before` (TLS) decide from the next request on."""

    def __init__(self, plane: Plane, authority: Authority) -> None:
        self._plane, self.authority = plane, authority
        self.asked: list[Asked] = []
        self.fault: Fault = none
        self.before: Callable[[socket.socket], bool] = lambda raw: True
        self._server = Server(authority, self._serve, before_tls=lambda raw: self.before(raw))

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.port}"

    @property
    def connections(self) -> int:
        return self._server.connections

    def wait(self, seconds: float) -> bool:
        """Let time pass, unless the proxy is closed meanwhile."""
        return self._server.over.wait(seconds)

    def writes(self) -> list[str]:
        """What was to be changed so far: method and the path below the namespace."""
        return [f"{one.method} {re.sub('^.*/namespaces/[^/]+/', '', one.path)}" for one in self.asked if one.writes]

    def _serve(self, peer: ssl.SSLSocket) -> None:
        if text := request(peer):  # one request for each connection: the API server's answers say so
            exchange = Exchange(peer, text, self._plane, self.wait)
            self.asked.append(exchange.asked)
            self.fault(exchange)

    def close(self) -> None:
        self._server.close()


@contextmanager
def proxied(plane: Plane, authority: Authority) -> Iterator[Proxy]:
    proxy = Proxy(plane, authority)
    try:
        yield proxy
    finally:
        proxy.close()
