"""fence_virtd on the board: real, with libvirt behind it and a shared key. Each domain follows its site first.

It knows nothing of the sites, so whoever asks speaks to it through a port that has the domains follow before a byte of
the question is passed on.
"""

import secrets
import socket
import socketserver
import subprocess
import threading
from pathlib import Path

from . import domain

# Where it is asked, and where it listens itself.
PORT, INNER = 1229, 1230
KEY = "virt.key"
MODULES = "/usr/lib/x86_64-linux-gnu/fence-virt"
CONFIGURATION = """fence_virtd {{ listener = "tcp"; backend = "libvirt"; module_path = "{modules}"; }}
listeners {{ tcp {{ key_file = "{key}"; address = "127.0.0.1"; port = "{port}"; }} }}
backends {{ libvirt {{ uri = "{uri}"; }} }}
"""


def key(directory: Path) -> Path:
    """The file with the shared key, made once."""
    file = directory / KEY
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32))
    return file


def start(directory: Path, run: Path) -> "subprocess.Popen[bytes]":
    """fence_virtd, for which libvirtd must answer already, and the port in front of it."""
    file = run / "fence_virt.conf"
    file.write_text(CONFIGURATION.format(modules=MODULES, key=key(directory), port=INNER, uri=domain.URI))
    front = _Server(("0.0.0.0", PORT), _Front)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    return subprocess.Popen(["fence_virtd", "-F", "-f", str(file)], stdin=subprocess.DEVNULL)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True


class _Front(socketserver.BaseRequestHandler):
    """One question. Where a domain cannot follow its site nobody is answered."""

    def handle(self) -> None:
        domain.follow_all()
        with socket.create_connection(("127.0.0.1", INNER)) as inner:
            back = threading.Thread(target=_pour, args=(inner, self.request))
            back.start()
            _pour(self.request, inner)
            back.join()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(4096):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # one of the two has gone, and the other one notices
        pass
