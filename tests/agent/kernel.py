"""Real kernel objects for tests: tmpfs mounts, and processes that hold a permit as a container does."""

from __future__ import annotations

import functools
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

PYTHON = "/usr/bin/python3"
CHECKOUT = Path(__file__).resolve().parents[2]
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts file systems and namespaces")


def _root_mount(pid: str) -> str:
    """The id of the root mount, which is another in each mount namespace."""
    lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    return next(line.split()[0] for line in lines if line.split()[4] == "/")


def _not_the_host() -> str:
    """Why this process is not among the host's own ones ("" when it is)."""
    if os.geteuid() != 0:
        return "needs root: mounts file systems and namespaces"
    if not shutil.which("unshare"):
        return "needs unshare (util-linux)"
    if os.stat("/proc/self/ns/pid").st_ino != _INITIAL_PID_NAMESPACE:
        return "needs the host's own PID namespace (this is a container)"
    if _root_mount("self") != _root_mount("1"):
        return "needs the mount namespace of process 1"
    return ""


needs_host = pytest.mark.skipif(bool(_not_the_host()), reason=_not_the_host() or "this is the host")


def run(*argv: object) -> None:
    subprocess.run([str(word) for word in argv], check=True, timeout=20)


@contextmanager
def tmpfs(where: Path, *options: str) -> Iterator[Path]:
    """A tmpfs mounted there, in this process's mount namespace."""
    where.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", ",".join(("mode=755", *options)), "aos-test", where)
    try:
        yield where
    finally:
        run("umount", "-l", where)


def line_of(process: subprocess.Popen[str], seconds: float = 20.0) -> str:
    """The next line a process writes; fails when it ends or stays silent."""
    assert process.stdout is not None
    pipe, line = process.stdout.fileno(), b""
    while not line.endswith(b"\n"):  # byte by byte, past Python's buffer, which select would not know of
        ready, _, _ = select.select([pipe], [], [], seconds)
        byte = os.read(pipe, 1) if ready else b""
        assert byte, f"{process.args!r} said only {line!r} in {seconds}s (exit code {process.poll()})"
        line += byte
    return line.decode().strip()


@contextmanager
def running(*argv: object) -> Iterator[subprocess.Popen[str]]:
    """A process that has said "ready"; killed and reaped at the end."""
    words = [str(word) for word in argv]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert line_of(process) == "ready"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


@contextmanager
def holder(permit: Path | str, target: Path,
           then: Sequence[object] = ("sleep", "600")) -> Iterator[subprocess.Popen[str]]:
    """A process in its own mount namespace that bind-mounts the permit read-only, as a container of a gated pod."""
    target.touch()
    script = 'mount --bind "$0" "$1" && mount -o remount,ro,bind "$1" && shift && echo ready && exec "$@"'
    with running("unshare", "-m", "--propagation", "private", "sh", "-c", script, permit, target, *then) as process:
        yield process


@contextmanager
def python_holder(permit: Path | str, target: Path, code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """As `holder`, but runs Python code in that mount namespace; the code says a second "ready" itself."""
    with holder(permit, target, (PYTHON, "-c", code, *arguments)) as process:
        assert line_of(process) == "ready"
        yield process


def reap(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(20)


@functools.cache
def interpreters() -> list[str]:
    """The system's Python 3 and a Python 3.9, the oldest that the agent promises, where there is one."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [shutil.which("python3.9") or "", *map(str, sorted(root.glob("versions/3.9.*/bin/python3.9")))]
    old = [path for path in candidates if path and _runs(path)]
    return [PYTHON if os.path.exists(PYTHON) else sys.executable, *old[:1]]


def _runs(path: str) -> bool:
    done = subprocess.run([path, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True)
    return done.stdout.strip() == "(3, 9)"
