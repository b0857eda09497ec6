"""The container engine behind the lab, always through the Docker API.

DOCKER_HOST decides when it is set; else a Docker daemon that answers; else the lab starts a `podman system service` of
its own on a socket in its state directory. Only local engines do: the lab enters its sites' namespaces by pid.
"""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

from lab import hostproc
from lab.errors import LabError
from lab.state import held

DOCKER_SOCKET = Path("/var/run/docker.sock")
START_SECONDS = 15.0


@dataclass(frozen=True)
class Engine:
    """A connected engine; `own` is true for the podman service that the lab itself started."""

    client: docker.DockerClient
    socket: Path
    podman: bool
    own: bool

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"


def connect(directory: Path) -> Engine:
    """The engine to use; starts podman's service in the directory when nothing else is there."""
    named = os.environ.get("DOCKER_HOST")
    if named:
        return _attach(_socket_of(named), own=False)
    if _answers(DOCKER_SOCKET):
        return _attach(DOCKER_SOCKET, own=False)
    if not shutil.which("podman"):
        raise LabError("neither a Docker daemon nor podman is here; run lab/setup.sh as root to install podman")
    if not _answers(_own_socket(directory)):
        _start_service(directory)
    return _attach(_own_socket(directory), own=True)


@contextmanager
def borrowed(directory: Path) -> Iterator[Engine]:
    """An engine for the time of a build; a podman service that was started for it ends with it."""
    with held(directory.with_suffix(".lock")):
        engine = connect(directory)
        try:
            yield engine
        finally:
            engine.client.close()
            if engine.own:
                stop_service(directory)


def stop_service(directory: Path) -> None:
    """End the podman service of this directory, also one whose socket is gone, and remove the directory."""
    hostproc.end(_services(directory), signal.SIGTERM)
    shutil.rmtree(directory, ignore_errors=True)


def _services(directory: Path) -> list[int]:
    return hostproc.with_argument(f"unix://{_own_socket(directory)}")


def _own_socket(directory: Path) -> Path:
    return directory / "podman.sock"


def _socket_of(url: str) -> Path:
    if not url.startswith("unix://"):
        raise LabError(f"DOCKER_HOST is {url}; the lab needs an engine of this machine, as in unix:///run/docker.sock")
    return Path(url.removeprefix("unix://"))


def _client(socket: Path) -> docker.DockerClient:
    return docker.DockerClient(base_url=f"unix://{socket}", timeout=120)


def _answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    try:
        client = _client(socket)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except DockerException:
        return False


def _attach(socket: Path, own: bool) -> Engine:
    try:
        client = _client(socket)
        podman = "podman" in str(client.version().get("Components", "")).lower()
    except DockerException as error:
        raise LabError(f"no container engine answers at {socket}: {error}") from None
    return Engine(client, socket, podman, own)


def _start_service(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    hostproc.end(_services(directory), signal.SIGKILL)
    _own_socket(directory).unlink(missing_ok=True)
    config = directory / "containers.conf"
    config.write_text(containers_conf(*_limits()))
    with open(directory / "service.log", "ab") as log:
        service = subprocess.Popen(
            ["podman", "system", "service", "--time", "0", f"unix://{_own_socket(directory)}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            env={**os.environ, "CONTAINERS_CONF": str(config)})
    deadline = time.monotonic() + START_SECONDS
    while not _answers(_own_socket(directory)):
        if service.poll() is not None or time.monotonic() > deadline:
            words = (directory / "service.log").read_text(errors="replace").strip().splitlines()[-5:]
            raise LabError("podman's service did not start: " + (" / ".join(words) or "it said nothing"))
        time.sleep(0.05)


def _limits() -> tuple[int, int]:
    """Open files and processes that podman may hand on: it caps its own at a million and at the largest pid."""
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    caps = ((resource.RLIMIT_NOFILE, 1 << 20), (resource.RLIMIT_NPROC, most))
    files, processes = (min(hard, cap) if (hard := resource.getrlimit(kind)[1]) > 0 else cap for kind, cap in caps)
    return files, processes


def containers_conf(open_files: int, processes: int) -> str:
    """The settings the lab's own podman needs; the user's own containers.conf stays untouched.

    podman's own defaults ask for more open files and processes than a machine without CAP_SYS_RESOURCE grants; crun
    refuses hybrid cgroups; there may be no systemd to delegate to.
    """
    manager = "systemd" if Path("/run/systemd/system").is_dir() else "cgroupfs"
    return (f'[containers]\ndefault_ulimits = ["nofile={open_files}:{open_files}", "nproc={processes}:{processes}"]\n\n'
            f'[engine]\ncgroup_manager = "{manager}"\nruntime = "runc"\n')
