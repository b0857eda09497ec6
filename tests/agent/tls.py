"""A real TLS server whose every byte the test decides, and a certificate authority made at test time."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from k8sdeployment.agent.wire import Connection, Endpoint

Handler = Callable[[ssl.SSLSocket], None]
TIME = 0.15  # seconds given to an exchange that cannot succeed
SLACK = 1.5  # a loaded machine


class Authority:
    """A CA with one server certificate, for 127.0.0.1 and localhost unless told otherwise."""

    def __init__(self, directory: Path, names: str = "IP:127.0.0.1,DNS:localhost") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.ca, self.cert, self.key = directory / "ca.crt", directory / "server.crt", directory / "server.key"
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        _openssl("req", "-x509", *new, "-subj", "/CN=test-ca", "-keyout", directory / "ca.key", "-out", self.ca)
        _openssl("req", "-x509", *new, "-subj", "/CN=server", "-addext", f"subjectAltName={names}",
                 "-addext", "basicConstraints=critical,CA:false", "-CA", self.ca, "-CAkey", directory / "ca.key",
                 "-keyout", self.key, "-out", self.cert)

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.ca)
        return context


def _openssl(*argv: object) -> None:
    subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True, timeout=30)


class Server:
    """Listens on 127.0.0.1; the n-th connection is served by the n-th handler, all later ones by the last."""

    def __init__(self, authority: Authority, *handlers: Handler, before_tls: Callable[[socket.socket], bool]) -> None:
        self._context, self._handlers, self._before_tls = authority.server_context(), handlers, before_tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.over = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._thread(self._accept)

    def _thread(self, target: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            handler = self._handlers[min(self.connections, len(self._handlers) - 1)]
            self.connections += 1
            self._open.append(raw)
            self._thread(self._serve, raw, handler)

    def _serve(self, raw: socket.socket, handler: Handler) -> None:
        with suppress(OSError):
            if not self._before_tls(raw):
                self.over.wait(20)
                return
            with self._context.wrap_socket(raw, server_side=True) as connection:
                self._open.append(connection)
                handler(connection)

    def close(self) -> None:
        """Ends all threads before their sockets' numbers are free for the next server to get."""
        self.over.set()
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)
        for one in (self._listener, *self._open):
            one.close()


@contextmanager
def serving(authority: Authority, *handlers: Handler,
            before_tls: Callable[[socket.socket], bool] = lambda raw: True) -> Iterator[Server]:
    """A server for the time of a test. `before_tls` may say no: then the connection just hangs."""
    server = Server(authority, *handlers, before_tls=before_tls)
    try:
        yield server
    finally:
        server.close()


def request(connection: ssl.SSLSocket) -> str:
    """Reads one whole request; "" when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return ""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n")
                   if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return (head + b"\r\n\r\n" + body).decode()


def reply(body: str, status: str = "200 OK", *headers: str) -> bytes:
    """A whole, well-formed answer."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body.encode())}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def answering(*answers: bytes) -> Handler:
    """Serves one answer per request on a kept connection, then closes."""
    def handle(connection: ssl.SSLSocket) -> None:
        for answer in answers:
            if not request(connection):
                return
            connection.sendall(answer)
    return handle


def always(answer: bytes) -> Handler:
    """The same answer to every request, on a kept connection."""
    def handle(connection: ssl.SSLSocket) -> None:
        while request(connection):
            connection.sendall(answer)
    return handle


def reset(connection: socket.socket) -> None:
    """Closes with a RST instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def raw(data: bytes, then: Callable[[ssl.SSLSocket], object] = lambda peer: None) -> Handler:
    """Reads a request, sends these bytes, then closes (or does `then` first)."""

    def handle(peer: ssl.SSLSocket) -> None:
        request(peer)
        peer.sendall(data)
        then(peer)
    return handle


def hang(peer: ssl.SSLSocket) -> None:
    """Says nothing more until the client goes."""
    while peer.recv(65536):
        pass


def connection(authority: Authority, server: Server, host: str = "127.0.0.1", token: str = "") -> Connection:
    return Connection(Endpoint(host, server.port, authority.client_context(), token))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is done there must end by then, given some slack."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds + SLACK
