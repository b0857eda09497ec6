"""The syslog of a container whose daemon logs nowhere else."""

import os
import re
import select
import socket
from contextlib import suppress

_STAMP = re.compile(rb"<[0-9]+>(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} )?")


class Words:
    """The container's own syslog, written to its output, or dropped where nobody reads that."""

    def __init__(self, path: str, output: int = 1) -> None:
        with suppress(FileNotFoundError):
            os.unlink(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._socket.setblocking(False)
        self._output = output
        os.set_blocking(output, False)

    def say(self, text: str) -> None:
        """One line of ours."""
        self._put(f"pill: {text}".encode())

    def relay(self, seconds: float, *others: int) -> None:
        """What was logged by now, waiting for something for so long, or until another descriptor has something."""
        select.select([self._socket, *others], [], [], seconds)
        with suppress(BlockingIOError):
            while True:
                self._put(_STAMP.sub(b"", self._socket.recv(8192), count=1).rstrip(b"\0\n"))

    def _put(self, line: bytes) -> None:
        with suppress(OSError):
            os.write(self._output, line + b"\n")
