"""One deadline for a whole connection attempt: dead name servers and names with several dead addresses included."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from k8sdeployment.agent.deadline import Deadline
from k8sdeployment.agent.dial import dial

from .kernel import CHECKOUT, PYTHON, line_of, needs_root, running

# In its own mount and network namespace: a name server that never answers, and a name with two addresses that drop
# everything. "ready", then what came of it and after how many seconds.
DIAL = """
import socket, sys, time
sys.path.insert(0, sys.argv[1])
from k8sdeployment.agent.deadline import Deadline
from k8sdeployment.agent.dial import dial
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))
print("ready", flush=True)
deadline = Deadline(0.5)
try:
    print("connected", dial(sys.argv[2], 6443, deadline))
except OSError as error:
    print(type(error).__name__, round(deadline.elapsed(), 1), flush=True)
"""

NAMESPACE = """
mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/resolv.conf" /etc/resolv.conf && ip link set lo up &&
iptables -A INPUT -d 127.0.9.0/24 -j DROP && exec "$@"
"""


def outcome(directory: Path, name: str) -> list[str]:
    """What dialling a name comes to there: the error's name and the seconds it took."""
    (directory / "hosts").write_text("127.0.9.1 two.example\n127.0.9.2 two.example\n127.0.0.1 one.example\n"
                                     "127.0.9.1 half.example\n127.64.0.1 half.example\n")
    (directory / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    with running("unshare", "-mn", "sh", "-c", NAMESPACE, directory, PYTHON, "-c", DIAL, CHECKOUT, name) as process:
        return line_of(process).split()


needs_tools = pytest.mark.skipif(not (shutil.which("ip") and shutil.which("iptables")), reason="needs ip and iptables")


@needs_root
@needs_tools
@pytest.mark.parametrize("name", ["silent.example", "two.example"])
def test_the_deadline_holds(tmp_path: Path, name: str) -> None:
    error, seconds = outcome(tmp_path, name)
    assert error == "TimeoutError"
    assert 0.4 <= float(seconds) <= 0.8


@needs_root
@needs_tools
def test_a_refusal_is_told_at_once(tmp_path: Path) -> None:
    error, seconds = outcome(tmp_path, "one.example")
    assert error == "ConnectionRefusedError"
    assert float(seconds) < 0.4


@needs_root
@needs_tools
def test_a_dead_address_leaves_time_for_the_next(tmp_path: Path) -> None:
    assert outcome(tmp_path, "half.example")[0] == "ConnectionRefusedError"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_address_and_a_name(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with dial(host, listener.getsockname()[1], Deadline(5.0)) as made:
            assert made.getpeername() == listener.getsockname()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "", "a..b", "x" * 300, "\u2400."])
def test_a_name_that_is_none(host: str) -> None:
    with pytest.raises((OSError, ValueError)):
        dial(host, 1, Deadline(5.0))
