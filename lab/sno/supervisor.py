"""Keep the daemons running, obey start and stop, reap orphans. One thread, one loop."""

import json
import os
import selectors
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from .daemons import Daemon

CONTROL = "/run/sno/control"
LOGS = Path("/var/log/sno")
LOG_BYTES = 32 << 20
RESTART_SECONDS = 1.0
LOOK_SECONDS = 0.05
PROBE_SECONDS = 0.1


@dataclass
class Slot:
    """A daemon and how it fares; `due` is the monotonic time from which it may start."""

    daemon: Daemon
    wanted: bool = True
    pid: Optional[int] = None
    due: float = 0.0
    starts: int = 0


class Supervisor:
    """The site's first process after boot; `recut` applies the cut state anew when the lab asks for it."""

    def __init__(self, daemons: tuple[Daemon, ...], recut: Callable[[], None]) -> None:
        self.slots = {daemon.name: Slot(daemon) for daemon in daemons}
        self.recut = recut

    def run(self) -> None:
        """Never returns, except by SIGTERM, which ends the process and with it everything in the site."""
        LOGS.mkdir(parents=True, exist_ok=True)
        selector = selectors.DefaultSelector()
        wakeup, control = _child_pipe(), _control_socket()
        selector.register(wakeup, selectors.EVENT_READ)
        selector.register(control, selectors.EVENT_READ)
        while True:
            self._start_due()
            for key, _ in selector.select(self._patience()):
                if key.fileobj is control:
                    self._serve(control)
                else:
                    wakeup.recv(4096)
            self._reap()

    def _patience(self) -> Optional[float]:
        """How long the loop may sleep: for ever when nothing waits to be started."""
        waiting = [slot for slot in self.slots.values() if slot.wanted and slot.pid is None]
        return LOOK_SECONDS if waiting else None

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in self.slots.values():
            if slot.wanted and slot.pid is None and now >= slot.due and self._may_start(slot):
                self._start(slot)

    def _start(self, slot: Slot) -> None:
        """A program that cannot even be started must not take the site's first process with it."""
        slot.starts += 1
        try:
            slot.pid = _spawn(slot.daemon)
        except OSError as error:
            slot.due = time.monotonic() + RESTART_SECONDS
            _log(slot.daemon.name, f"supervisor: cannot be started: {error}")

    def _may_start(self, slot: Slot) -> bool:
        """The order of a boot; later starts ask for nothing, so that a kubelet can start without its API."""
        return slot.starts > 0 or all(accepts(address) for address in slot.daemon.after)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._note_end(pid, status)

    def _note_end(self, pid: int, status: int) -> None:
        for slot in self.slots.values():
            if slot.pid == pid:
                slot.pid = None
                slot.due = time.monotonic() + RESTART_SECONDS
                _log(slot.daemon.name, f"supervisor: ended, {os.waitstatus_to_exitcode(status)}")

    def _serve(self, control: socket.socket) -> None:
        connection, _ = control.accept()
        with connection:
            connection.settimeout(2)
            try:
                words = connection.recv(4096).decode().split()
                connection.sendall(self.obey(words).encode())
            except OSError:
                return  # whoever asked went away

    def obey(self, words: list[str]) -> str:
        """The answer to one command; it begins with "error" when the command was refused."""
        if words == ["status"]:
            return json.dumps({name: {"wanted": slot.wanted, "pid": slot.pid, "starts": slot.starts}
                               for name, slot in self.slots.items()})
        if words == ["recut"]:
            return self._recut()
        if len(words) == 2 and words[0] in ("start", "stop") and words[1] in self.slots:
            return self._switch(self.slots[words[1]], words[0] == "start")
        return f"error: {' '.join(words)!r} is none of: status, recut, start DAEMON, stop DAEMON " \
               f"with a DAEMON of {', '.join(self.slots)}"

    def _recut(self) -> str:
        try:
            self.recut()
        except (OSError, ValueError, KeyError, subprocess.CalledProcessError) as error:
            return f"error: the cut state could not be put in force: {error}"
        return "done"

    def _switch(self, slot: Slot, wanted: bool) -> str:
        slot.wanted, slot.due = wanted, 0.0
        if not wanted and slot.pid is not None:
            os.kill(slot.pid, signal.SIGKILL)
            _, status = os.waitpid(slot.pid, 0)
            self._note_end(slot.pid, status)
        return "done"


def accepts(address: str) -> bool:
    """Whether something serves at tcp:HOST:PORT, tls:HOST:PORT or unix:PATH.

    An API server listens long before it serves; a TLS handshake tells the two apart.
    """
    kind, place = address.split(":", 1)
    try:
        if kind == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(place)
            return True
        host, port = place.split(":")
        with socket.create_connection((host, int(port)), timeout=PROBE_SECONDS) as probe:
            if kind == "tls":
                _any_certificate().wrap_socket(probe, server_hostname=host).close()
        return True
    except OSError:
        return False


def _any_certificate() -> ssl.SSLContext:
    """Nothing is sent to whoever answers, so it need not prove who it is."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _control_socket() -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(CONTROL)
    os.chmod(CONTROL, 0o600)
    listener.listen(8)
    return listener


def _child_pipe() -> socket.socket:
    """A socket that becomes readable whenever a child ends."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach())
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    return reader


def _spawn(daemon: Daemon) -> int:
    log = LOGS / f"{daemon.name}.log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    _log(daemon.name, "supervisor: started")
    to_log = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0), to_log, (os.POSIX_SPAWN_DUP2, 1, 2)]
    return os.posix_spawnp(daemon.argv[0], list(daemon.argv), os.environ, file_actions=actions, setsid=True,
                           setsigdef=[signal.SIGPIPE, signal.SIGTERM])


def _log(name: str, text: str) -> None:
    with open(LOGS / f"{name}.log", "a") as file:
        file.write(f"{time.strftime('%FT%TZ', time.gmtime())} {time.monotonic():.3f} {text}\n")
