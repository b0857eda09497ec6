"""The power switch of one site: its container's first process is killed, or the container is started.

The lab's own `power` and the BMC's chassis_control go through the same code and the same lock file, so that an order
from one never slips into the middle of an order from the other.
"""

import fcntl
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

DEATH_SECONDS = 30.0
ENGINE_SECONDS = 60.0


class PowerError(Exception):
    """The engine refused, or the site would not die; the text says which."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ENGINE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Switch:
    """Power of one container of the engine behind `engine_socket`; `lock` is shared by all who switch it."""

    def __init__(self, engine_socket: str, container: str, lock: Path) -> None:
        self._socket = engine_socket
        self._container = quote(container, safe="")
        self._lock = lock

    def is_on(self) -> bool:
        """Whether the site's first process lives, as the engine knows it."""
        return bool(self._state().get("Running"))

    def off(self) -> None:
        """Kill the site; returns once it is dead, raises PowerError when that takes too long."""
        with self._locked():
            self._kill()

    def on(self, wanted: Callable[[], bool] = lambda: True) -> None:
        """Start the site; returns once its first process runs.

        `wanted` is asked with the lock held, so that an order given meanwhile is not undone by a late start.
        """
        with self._locked():
            if wanted():
                self._start()

    def reset(self) -> None:
        """Off, then on."""
        with self._locked():
            self._kill()
            self._start()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self._lock, "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _kill(self) -> None:
        """404/409 mean that there is nothing alive to kill; the loop below proves it all the same."""
        status, text = self._ask("POST", f"/containers/{self._container}/kill?signal=KILL")
        if status not in (200, 204, 404, 409, 500):
            raise PowerError(f"the engine answered {status} to kill: {text}")
        deadline = time.monotonic() + DEATH_SECONDS
        while not self._dead():
            if time.monotonic() > deadline:
                raise PowerError(f"the site still lived {DEATH_SECONDS:g} s after kill: {text}")
            time.sleep(0.02)

    def _dead(self) -> bool:
        return not self._state().get("Running")

    def _start(self) -> None:
        status, text = self._ask("POST", f"/containers/{self._container}/start")
        if status not in (204, 304):
            raise PowerError(f"the engine answered {status} to start: {text}")

    def _state(self) -> dict[str, Any]:
        status, text = self._ask("GET", f"/containers/{self._container}/json")
        if status == 404:
            return {}
        if status != 200:
            raise PowerError(f"the engine answered {status} to inspect: {text}")
        state: dict[str, Any] = json.loads(text)["State"]
        return state

    def _ask(self, method: str, path: str) -> tuple[int, str]:
        connection = _UnixConnection(self._socket)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except OSError as error:
            raise PowerError(f"the container engine does not answer: {error}") from None
        finally:
            connection.close()


class BmcSwitch(Switch):
    """A BMC's way to the power. The lab can have it lie: then it switches nothing, and says of the power what it was
    last told to do."""

    @property
    def lies(self) -> bool:
        return bool(self._told())

    def is_on(self) -> bool:
        told = self._told()
        return told == "on" if told else super().is_on()

    def off(self) -> None:
        if self.lies:
            self._lock.write_text("off")
        else:
            super().off()

    def on(self, wanted: Callable[[], bool] = lambda: True) -> None:
        if self.lies:
            self._lock.write_text("on")
        else:
            super().on(wanted)

    def _told(self) -> str:
        """What it pretends; "" for a BMC that tells the truth."""
        return self._lock.read_text() if self._lock.exists() else ""


def lie(lock: Path, on: bool) -> None:
    """Have the BMC whose switch has this lock lie from now on, or tell the truth.

    Written in place: the file is mounted into the BMCs' containers one by one.
    """
    lock.write_text("on" if on else "")
