"""HTTP/1.1 over TLS, as much of it as a Kubernetes API needs, with one deadline for a whole exchange.

Why not http.client: its timeout restarts with every received byte, so a dripping server holds it for ever, and it
pulls in the email package, a third of a monitor's cost. Anything that is not a complete, well-formed answer is
Unreachable: a truncated body, a proxy's page, a redirect are never mistaken for an API's word (RFC 9112).
"""

from __future__ import annotations

import socket
import ssl

from .codes import Unreachable
from .deadline import Deadline
from .dial import dial, left, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Head = tuple[int, dict[str, str]]

_MOST = 64 * 1024 * 1024
_HEAD_MOST = 64 * 1024


class Endpoint:
    """Where the API is and how to prove who we are. `token` is empty when the context holds a client certificate."""

    __slots__ = ("host", "port", "prefix", "context", "token")

    def __init__(self, host: str, port: int, context: ssl.SSLContext, token: str = "", prefix: str = "") -> None:
        self.host, self.port, self.prefix = host, port, prefix
        self.context, self.token = context, token

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Answer:
    __slots__ = ("status", "headers", "body")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


class Connection:
    """One connection, kept for the next request of the same action."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._socket: socket.socket | None = None
        self._buffer = b""

    def call(self, method: str, path: str, deadline: Deadline, body: bytes = b"", content: str = "") -> Answer:
        """One exchange. Unreachable without a whole answer by the deadline.

        A kept connection that the server closed meanwhile (no byte of an answer came) is opened anew once, as RFC 9112
        section 9.3.1 has it; every request made here may safely be repeated.
        """
        kept = self._socket is not None
        try:
            status, headers = self._exchange(method, path, deadline, body, content)
        except _Dropped:
            if not kept:
                raise
            status, headers = self._exchange(method, path, deadline, body, content)
        try:
            data = b"".join(self._body(status, headers, deadline))
        except Unreachable:
            self.close()  # the rest of this answer must not be read as the next one
            raise
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, data)

    def stream(self, path: str, deadline: Deadline) -> Iterator[bytes]:
        """Lines of a watch, until the server ends it or the deadline passes (then it just ends)."""
        rest = b""
        try:
            status, headers = self._exchange("GET", path, deadline, b"", "")
            if status != 200:
                raise Unreachable(f"{self.endpoint} answered {status} to a watch")
            for part in self._body(status, headers, deadline):
                *lines, rest = (rest + part).split(b"\n")
                yield from lines
        except Unreachable:
            if not deadline.passed():
                raise
        finally:
            self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def _exchange(self, method: str, path: str, deadline: Deadline, body: bytes, content: str) -> Head:
        try:
            self._open(deadline)
            self._send(_request(self.endpoint, method, path, body, content), deadline)
            return self._head(deadline)
        except Unreachable:
            self.close()
            raise
        except (OSError, ValueError) as error:
            self.close()
            raise Unreachable(f"{self.endpoint} does not answer: {_plain(error)}") from error

    def _open(self, deadline: Deadline) -> None:
        if self._socket is not None:
            return
        raw = dial(self.endpoint.host, self.endpoint.port, deadline)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.settimeout(left(deadline))
            self._socket = self.endpoint.context.wrap_socket(raw, server_hostname=plain(self.endpoint.host))
        except BaseException:
            raw.close()
            raise

    def _send(self, data: bytes, deadline: Deadline) -> None:
        assert self._socket is not None
        self._socket.settimeout(left(deadline))
        try:
            self._socket.sendall(data)
        except (ConnectionError, ssl.SSLEOFError) as error:
            raise _Dropped(self.endpoint) from error

    def _receive(self, deadline: Deadline) -> bytes:
        assert self._socket is not None
        self._socket.settimeout(left(deadline))
        try:
            return self._socket.recv(65536)
        except ssl.SSLEOFError:
            return b""

    def _more(self, deadline: Deadline) -> None:
        try:
            part = self._receive(deadline)
        except OSError as error:
            self.close()
            raise Unreachable(f"{self.endpoint} stopped in the middle of an answer: {_plain(error)}") from error
        if not part:
            self.close()
            raise Unreachable(f"{self.endpoint} closed the connection in the middle of an answer")
        self._buffer += part

    def _head(self, deadline: Deadline) -> tuple[int, dict[str, str]]:
        try:
            first = self._receive(deadline)
        except ConnectionError as error:
            raise _Dropped(self.endpoint) from error
        if not first:
            raise _Dropped(self.endpoint)
        self._buffer = first
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _HEAD_MOST:
                raise Unreachable(f"{self.endpoint} does not speak HTTP")
            self._more(deadline)
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        return _parse_head(head, str(self.endpoint))

    def _body(self, status: int, headers: dict[str, str], deadline: Deadline) -> Iterator[bytes]:
        if status in (204, 304):
            return
        if _chunked(headers):
            yield from self._chunks(deadline)
        elif "content-length" in headers:
            yield self._exactly(_length(headers["content-length"], 10), deadline)
        else:
            raise Unreachable(f"{self.endpoint} gave an answer without a length")

    def _exactly(self, length: int, deadline: Deadline) -> bytes:
        parts, missing = [self._buffer[:length]], length - len(self._buffer[:length])
        self._buffer = self._buffer[length:]
        while missing > 0:
            self._more(deadline)
            part = self._buffer[:missing]
            self._buffer = self._buffer[missing:]
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _line(self, deadline: Deadline) -> bytes:
        while b"\r\n" not in self._buffer:
            if len(self._buffer) > _HEAD_MOST:
                raise Unreachable(f"{self.endpoint} sent a malformed answer")
            self._more(deadline)
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line

    def _chunks(self, deadline: Deadline) -> Iterator[bytes]:
        total = 0
        while True:
            size = _length(self._line(deadline).split(b";")[0].decode("ascii", "replace").strip(), 16)
            if size == 0:
                while self._line(deadline):
                    pass
                return
            total += size
            if total > _MOST:
                raise Unreachable(f"{self.endpoint} sent more than {_MOST >> 20} MiB")
            yield self._exactly(size, deadline)
            self._exactly(2, deadline)


class _Dropped(Unreachable):
    """The connection ended before the first byte of an answer."""

    def __init__(self, endpoint: Endpoint) -> None:  # noqa: B042 - never pickled
        super().__init__(f"{endpoint} closed the connection without an answer")


def _plain(error: Exception) -> str:
    """An error's text for an operator; certificate faults by their own words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, (TimeoutError, socket.timeout)):  # two classes before Python 3.10
        return "no answer in time"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def _request(endpoint: Endpoint, method: str, path: str, body: bytes, content: str) -> bytes:
    lines = [f"{method} {endpoint.prefix}{path} HTTP/1.1", f"Host: {endpoint}", "Accept: application/json",
             "User-Agent: ocf-k8sdeployment"]
    if endpoint.token:
        lines.append(f"Authorization: Bearer {endpoint.token}")
    if body or method in ("PATCH", "PUT", "POST"):
        lines += [f"Content-Type: {content}", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def _parse_head(head: bytes, who: str) -> tuple[int, dict[str, str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not (words[1].isascii() and words[1].isdigit()):
        raise Unreachable(f"{who} does not speak HTTP")
    headers = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon:
            raise Unreachable(f"{who} sent a malformed answer")
        headers[name.strip().lower()] = value.strip()
    return int(words[1]), headers


def _chunked(headers: dict[str, str]) -> bool:
    return headers.get("transfer-encoding", "").lower() == "chunked"


def _length(text: str, base: int) -> int:
    """A number as RFC 9112 writes it: digits alone, while int() would also take signs, prefixes and underscores."""
    plain = 0 < len(text) <= 16 and set(text.lower()) <= set("0123456789abcdef"[:base])
    value = int(text, base) if plain else -1
    if not 0 <= value <= _MOST:
        raise Unreachable(f"an answer of impossible length {text[:20]!r}")
    return value
