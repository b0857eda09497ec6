"""HTTP over TLS against a real server that misbehaves in every way: within the deadline, and never a half answer."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from k8sdeployment.agent.codes import Unreachable
from k8sdeployment.agent.deadline import Deadline
from k8sdeployment.agent.wire import Answer, Connection, Endpoint

from .tls import TIME, Authority, always, connection, hang, raw, reply, request, reset, serving, within

GOOD = reply('{"kind": "Deployment"}')


def get(wire: Connection, seconds: float = 5.0) -> Answer:
    return wire.call("GET", "/x", Deadline(seconds))


def unreachable(wire: Connection, seconds: float = TIME) -> str:
    """Asks once; it must end by its deadline with a reason."""
    with within(seconds), pytest.raises(Unreachable) as caught:
        get(wire, seconds)
    return str(caught.value)


# -- what is right -------------------------------------------------------------------------------------------------

def test_an_answer(authority: Authority) -> None:
    with serving(authority, always(reply('{"a": 1}', "200 OK", "Retry-After: 3"))) as server:
        answer = get(connection(authority, server))
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (200, b'{"a": 1}', "3")


def test_what_is_asked(authority: Authority) -> None:
    asked: list[str] = []

    def handle(peer: ssl.SSLSocket) -> None:
        while text := request(peer):
            asked.append(text)
            peer.sendall(GOOD)

    with serving(authority, handle) as server:
        wire = connection(authority, server, token="secret")
        wire.endpoint.prefix = "/proxy"
        get(wire)
        wire.call("PATCH", "/y", Deadline(5.0), b'{"b": 2}', "application/merge-patch+json")
    first, second = asked
    assert first.startswith("GET /proxy/x HTTP/1.1\r\n") and f"Host: 127.0.0.1:{server.port}\r\n" in first
    assert "Authorization: Bearer secret\r\n" in first
    assert second.startswith("PATCH /proxy/y ") and second.endswith('\r\n\r\n{"b": 2}')
    assert "Content-Type: application/merge-patch+json\r\n" in second and "Content-Length: 8\r\n" in second
    assert server.connections == 1, "the connection is kept"


def test_a_host_name(authority: Authority) -> None:
    with serving(authority, always(GOOD)) as server:
        assert get(connection(authority, server, "localhost")).status == 200


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_kept_connection_that_the_server_closed_is_opened_anew(authority: Authority, end: str) -> None:
    answered, gone = threading.Event(), threading.Event()

    def once(peer: ssl.SSLSocket) -> None:
        request(peer)
        peer.sendall(GOOD)
        answered.wait(5)
        reset(peer) if end == "reset" else peer.close()
        gone.set()

    with serving(authority, once, always(GOOD)) as server:
        wire = connection(authority, server)
        get(wire)
        answered.set()
        assert gone.wait(5)
        assert get(wire).status == 200
        assert server.connections == 2


def test_connection_close_is_honoured(authority: Authority) -> None:
    with serving(authority, always(reply("{}", "200 OK", "Connection: close"))) as server:
        wire = connection(authority, server)
        assert (get(wire).status, get(wire).status, server.connections) == (200, 200, 2)


CHUNKED = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n4;x=y\r\n 123\r\n1\r\n}\r\n"
           b"0\r\nTrailer: t\r\n\r\n")


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_chunks_however_they_arrive(authority: Authority, size: int) -> None:
    def handle(peer: ssl.SSLSocket) -> None:
        while request(peer):
            for start in range(0, len(CHUNKED), size):
                peer.sendall(CHUNKED[start:start + size])

    with serving(authority, handle) as server:
        wire = connection(authority, server)
        assert get(wire).body == get(wire).body == b'{"a": 123}'
        assert server.connections == 1


def test_a_large_answer(authority: Authority) -> None:
    body = json.dumps(["x" * 1000] * 3000)
    with serving(authority, always(reply(body))) as server:
        assert get(connection(authority, server)).body.decode() == body


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "401 Unauthorized", "404 Not Found", "500 Oops"])
def test_other_statuses_are_handed_on_and_a_redirect_is_not_followed(authority: Authority, status: str) -> None:
    with serving(authority, always(reply("no", status, "Location: https://127.0.0.1:1/"))) as server:
        answer = get(connection(authority, server))
    assert answer.status == int(status[:3]) and server.connections == 1


# -- what is wrong -------------------------------------------------------------------------------------------------

OK_HEAD = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "silence after accepting": raw(b"", hang),
    "closed without an answer": raw(b""),
    "reset without an answer": raw(b"", reset),
    "half a status line": raw(b"HTTP/1.1 2"),
    "half a status line, then silence": raw(b"HTTP/1.1 2", hang),
    "half the headers, then silence": raw(OK_HEAD + b"Content-Length: 5\r\n", hang),
    "truncated body": raw(OK_HEAD + b"Content-Length: 500\r\n\r\n{\"kind\": \"Deployment\"}"),
    "truncated body, then reset": raw(OK_HEAD + b"Content-Length: 500\r\n\r\n{\"kind\"", reset),
    "truncated body, then silence": raw(OK_HEAD + b"Content-Length: 500\r\n\r\n{\"kind\"", hang),
    "truncated chunk": raw(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n50\r\n{}"),
    "no last chunk": raw(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    "no last chunk, then silence": raw(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", hang),
    "no line end after the trailer": raw(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"),
    "negative chunk": raw(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n"),
    "chunk of no size": raw(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n"),
    "chunk size with a prefix": raw(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n"),
    "huge chunk": raw(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n{}"),
    "endless chunk line": raw(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 200_000, hang),
    "negative length": raw(OK_HEAD + b"Content-Length: -1\r\n\r\n{}", hang),
    "huge length": raw(OK_HEAD + b"Content-Length: 99999999999999\r\n\r\n{}", hang),
    "length in words": raw(OK_HEAD + b"Content-Length: two\r\n\r\n{}", hang),
    "length with a sign": raw(OK_HEAD + b"Content-Length: +2\r\n\r\n{}", hang),
    "length with an underscore": raw(OK_HEAD + b"Content-Length: 1_0\r\n\r\n{        }", hang),
    "no length": raw(OK_HEAD + b"\r\n{}"),
    "unknown transfer encoding": raw(OK_HEAD + b"Transfer-Encoding: gzip\r\n\r\n{}"),
    "huge header": raw(OK_HEAD + b"X: " + b"x" * 200_000, hang),
    "header without a colon": raw(OK_HEAD + b"nonsense\r\nContent-Length: 2\r\n\r\n{}"),
    "not HTTP": raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "HTTP/2": raw(b"HTTP/2 200\r\nContent-Length: 2\r\n\r\n{}"),
    "status in words": raw(b"HTTP/1.1 fine OK\r\nContent-Length: 2\r\n\r\n{}"),
    "negative status": raw(b"HTTP/1.1 -200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "empty lines": raw(b"\r\n\r\n\r\n\r\n"),
    "binary": raw(bytes(range(256)) * 10 + b"\r\n\r\n"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_answer_is_no_answer_and_leaves_nothing_behind(authority: Authority, fault: str) -> None:
    """Rests of the broken answer must never be read as the beginning of the next one: that starts afresh."""
    with serving(authority, BROKEN[fault], always(reply('{"right": 1}'))) as server:
        wire = connection(authority, server)
        reason = unreachable(wire)
        assert reason and "\n" not in reason
        assert get(wire).body == b'{"right": 1}'
        assert server.connections == 2


def test_a_body_that_holds_an_answer_is_not_taken_for_one(authority: Authority) -> None:
    smuggled = reply('{"wrong": 1}')
    with serving(authority, raw(OK_HEAD + b"\r\n" + smuggled, hang), always(reply('{"right": 1}'))) as server:
        wire = connection(authority, server)
        unreachable(wire)
        assert get(wire).body == b'{"right": 1}'


@pytest.mark.parametrize("fault", ["huge header", "endless chunk line", "huge length", "huge chunk"])
def test_what_is_too_much_ends_at_once(authority: Authority, fault: str) -> None:
    """An endless answer must not fill the memory until the deadline."""
    with serving(authority, BROKEN[fault]) as server, within(TIME), pytest.raises(Unreachable):
        get(connection(authority, server), 5.0)


def drip(data: bytes) -> Callable[[ssl.SSLSocket], None]:
    def handle(peer: ssl.SSLSocket) -> None:
        request(peer)
        for byte in data:
            peer.sendall(bytes([byte]))
            time.sleep(0.02)
    return handle


@pytest.mark.parametrize("data", [reply("x" * 1000), CHUNKED * 10], ids=["head", "chunks"])
def test_a_dripping_answer_ends_at_the_deadline(authority: Authority, data: bytes) -> None:
    """Each byte in time, the whole too late: a timeout per read would never end it."""
    with serving(authority, drip(data)) as server:
        unreachable(connection(authority, server))


def test_a_dripping_body_ends_at_the_deadline(authority: Authority) -> None:
    head, body = reply("x" * 1000).split(b"\r\n\r\n")
    with serving(authority, raw(head + b"\r\n\r\n", drip(body))) as server:
        unreachable(connection(authority, server))


def test_a_port_that_is_closed(authority: Authority) -> None:
    with serving(authority, always(GOOD)) as server:
        wire = connection(authority, server)
    assert "Connection refused" in unreachable(wire)


def test_a_host_that_accepts_and_never_shakes_hands(authority: Authority) -> None:
    with serving(authority, always(GOOD), before_tls=lambda peer: False) as server:
        assert "no answer in time" in unreachable(connection(authority, server))


def test_a_full_backlog(authority: Authority) -> None:
    """Nobody accepts: the connection is refused or hangs, the deadline holds."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        unreachable(Connection(Endpoint("127.0.0.1", port, authority.client_context())))
        for filler in fillers:
            filler.close()


def answer_in_clear(peer: socket.socket) -> bool:
    peer.recv(100)
    peer.sendall(GOOD)
    return False


def test_a_server_without_tls(authority: Authority) -> None:
    with serving(authority, always(GOOD), before_tls=answer_in_clear) as server:
        unreachable(connection(authority, server))


def test_another_authority_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    with serving(other, always(GOOD)) as server:
        assert "certificate is not trusted" in unreachable(connection(authority, server))


def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    other = Authority(tmp_path, "DNS:elsewhere.example")
    with serving(other, always(GOOD)) as server:
        assert "certificate is not trusted" in unreachable(connection(other, server))


def test_a_name_that_does_not_resolve(authority: Authority) -> None:
    wire = Connection(Endpoint("no-such-host.invalid", 6443, authority.client_context()))
    with pytest.raises(Unreachable):
        get(wire)


def test_no_time_left(authority: Authority) -> None:
    with serving(authority, always(GOOD)) as server:
        assert "no answer in time" in unreachable(connection(authority, server), 0.0)


def test_the_token_is_in_no_reason(authority: Authority) -> None:
    for handler in (raw(b"", reset), raw(b"HTTP/1.1 x"), raw(b"", hang)):
        with serving(authority, handler) as server:
            assert "SECRET" not in unreachable(connection(authority, server, token="SECRET"))
    with serving(authority, always(GOOD)) as server:
        assert "SECRET" not in unreachable(connection(authority, server, token="SECRET\u20ac"))
