"""The site as its users see it, from outside: does the service answer, does the API answer."""
from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from lab.record import Answer

TIMEOUT = 0.3
API_TIMEOUT = 1.0  # a busy API server is slow to shake hands, and nothing is judged by it
LIMIT = 200


def ask_service(url: str, timeout: float = TIMEOUT) -> Answer:
    """One GET over a new connection, as a new user would; up when it answers 200 within ``timeout`` seconds."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout)
    return _ask(connection, parts.path or "/")


def ask_api(host: str, port: int = 6443, timeout: float = API_TIMEOUT) -> Answer:
    """Whether the API server says it is ready. Its certificate is the lab's own and nothing secret is sent."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE
    return _ask(http.client.HTTPSConnection(host, port, timeout=timeout, context=trust), "/readyz")


def _ask(connection: http.client.HTTPConnection, path: str) -> Answer:
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        text = response.read(LIMIT).decode("utf-8", "replace").strip()
        return Answer(response.status == 200, text if response.status == 200 else f"HTTP {response.status}")
    except (OSError, http.client.HTTPException) as error:
        return Answer(False, type(error).__name__)
    finally:
        connection.close()


class Prober(threading.Thread):
    """Asks every ``period`` seconds until ``stop`` is set, and hands on each answer with the time it came."""

    def __init__(
        self, ask: Callable[[], Answer], took: Callable[[float, Answer], object], period: float, stop: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self._ask = ask
        self._took = took
        self._period = period
        self._stopped = stop

    def run(self) -> None:
        due = time.monotonic()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._period, time.monotonic())
            answer = self._ask()
            self._took(time.monotonic(), answer)
