"""A watch against a real server: lines as they come, the deadline as its end, everything broken as unreachable."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest

from k8sdeployment.agent.codes import Unreachable
from k8sdeployment.agent.deadline import Deadline
from k8sdeployment.agent.wire import Connection

from .tls import TIME, Authority, always, connection, hang, raw, reply, reset, serving, within


def lines(wire: Connection, seconds: float) -> list[bytes]:
    with within(seconds):
        return list(wire.stream("/watch", Deadline(seconds)))


def chunk(text: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(text), text)


WATCH = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_lines_come_as_they_are_written(authority: Authority) -> None:
    data = WATCH + chunk(b'{"a":1}\n{"b"') + chunk(b":2}\n") + chunk(b"")
    with serving(authority, raw(data)) as server:
        assert lines(connection(authority, server), 5.0) == [b'{"a":1}', b'{"b":2}']


def test_a_watch_that_stays_open_ends_at_the_deadline(authority: Authority) -> None:
    with serving(authority, raw(WATCH + chunk(b"{}\n"), hang)) as server:
        assert lines(connection(authority, server), TIME) == [b"{}"]


def test_a_slow_handshake_only_ends_a_watch(authority: Authority) -> None:
    """A watch is given short times: that it did not even begin in one of them is no failure of the API."""
    with serving(authority, always(reply("{}")), before_tls=lambda peer: False) as server:
        assert lines(connection(authority, server), TIME) == []


@pytest.mark.parametrize("handler", [raw(b""), raw(b"", reset), raw(WATCH + chunk(b"{}\n")), raw(WATCH, reset),
                                     raw(reply("gone", "410 Gone")), raw(b"nonsense\r\n\r\n")],
                         ids=["closed", "reset", "ended early", "reset early", "410", "nonsense"])
def test_a_broken_watch_is_unreachable(authority: Authority, handler: Callable[[ssl.SSLSocket], None]) -> None:
    with serving(authority, handler) as server:
        with within(TIME), pytest.raises(Unreachable):
            lines(connection(authority, server), 5.0)
