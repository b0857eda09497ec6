"""Ask the site's supervisor, from inside: `python3 -m sno.ctl status|recut|start DAEMON|stop DAEMON`."""

import socket
import sys
from collections.abc import Sequence

from .supervisor import CONTROL

ANSWER_SECONDS = 20.0


def ask(words: Sequence[str], control: str = CONTROL) -> str:
    """The supervisor's answer; OSError when it is not there or does not answer in time."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(ANSWER_SECONDS)
        channel.connect(control)
        channel.sendall(" ".join(words).encode())
        channel.shutdown(socket.SHUT_WR)
        answer = b""
        while part := channel.recv(65536):
            answer += part
    return answer.decode()


if __name__ == "__main__":
    reply = ask(sys.argv[1:])
    print(reply)
    sys.exit(1 if reply.startswith("error") else 0)
