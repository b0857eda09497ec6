"""Ask the site's supervisor: `python3 -m sno.ctl status|recut|start DAEMON|stop DAEMON`."""

import socket
import sys

from .supervisor import CONTROL


def ask(words: list[str]) -> str:
    """The supervisor's answer."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(CONTROL)
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
