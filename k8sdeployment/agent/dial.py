"""Opens a TCP connection with one deadline for all of it: resolving the name and trying each of its addresses.

socket.create_connection gives every address the whole timeout anew, and getaddrinfo(3) knows no timeout at all: with
the name servers dead (they often run in the very cluster whose API is away) it holds a process for many seconds.
"""

from __future__ import annotations

import socket

from .deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def dial(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A connected socket; OSError (TimeoutError at the deadline) or ValueError when there is none to be had."""
    addresses, last = _resolve(host, port, deadline), OSError("the name has no address")
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(left(deadline) / (len(addresses) - index))
            made.connect(address)
            return made
        except OSError as error:
            made.close()
            last = error
    raise last


def plain(host: str) -> Any:
    """The host in a form for which nobody loads the IDNA tables: bytes where it is ASCII, as good as always."""
    return host.encode() if host.isascii() else host


def left(deadline: Deadline) -> float:
    """Seconds left; TimeoutError when there are none."""
    seconds = deadline.left()
    if seconds <= 0:
        raise TimeoutError("no answer in time")
    return seconds


def _resolve(host: str, port: int, deadline: Deadline) -> list[Any]:
    """Addresses as getaddrinfo gives them. A name is waited for by a thread that may be left behind."""
    try:
        return socket.getaddrinfo(plain(host), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    import threading
    found: list[Any] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            found.extend(socket.getaddrinfo(plain(host), port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            failed.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(left(deadline))
    if failed:
        raise failed[0]
    if thread.is_alive():
        raise TimeoutError("no answer in time")
    return found
