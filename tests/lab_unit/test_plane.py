"""The control plane without containers leaves nothing behind, however its process ends. Its daemons are stand-ins."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import hostproc, plane, waiting
from lab.errors import LabError

BEGIN = "import sys; from pathlib import Path; from lab.plane import Plane; Plane(Path(sys.argv[1])).__enter__()"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where planes put their directories: here."""
    (tmp_path / "planes").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "planes"))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / "planes"


def stand_ins(directory: Path, script: str) -> Path:
    """Programs that only say what the script says."""
    directory.mkdir()
    for name in ("etcd", "kube-apiserver", "kube-controller-manager"):
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)
    return directory


def test_daemons_die_with_a_process_that_is_killed(place: Path, tmp_path: Path) -> None:
    binaries = stand_ins(tmp_path / "bin", f"exec tail -f /dev/null {place}/mark")
    process = subprocess.Popen([sys.executable, "-c", BEGIN, str(binaries)], stderr=subprocess.DEVNULL)
    mark = f"{place}/mark"
    waiting.until(lambda: len(hostproc.with_argument(mark)) == 2 or None, "two daemons", 20)
    process.kill()
    process.wait(20)
    waiting.until(lambda: not hostproc.with_argument(mark) or None, "the daemons' end", 20)


def test_a_daemon_that_ends_is_quoted_at_once(place: Path, tmp_path: Path) -> None:
    binaries = stand_ins(tmp_path / "bin", "echo the port is taken >&2; exit 3")
    with pytest.raises(LabError, match="ended with code 3: the port is taken"), plane.Plane(binaries):
        pass
    assert list(place.iterdir()) == [], "keys and all are gone"


def left(place: Path, age: float) -> Path:
    """The directory of a plane whose process was killed so many seconds ago."""
    made = place / f"{plane.PREFIX}old"
    made.mkdir()
    (made / "lock").touch()
    os.utime(made / "lock", (time.time() - age,) * 2)
    return made


@pytest.mark.parametrize("age,lock,stays", [(1000.0, False, False), (1000.0, True, True), (1.0, False, True)],
                         ids=["left behind", "in use", "just made"])
def test_only_what_nobody_uses_is_removed(place: Path, age: float, lock: bool, stays: bool,
                                          hold: Callable[[Path], None]) -> None:
    old = left(place, age)
    if lock:
        hold(old / "lock")
    made, own = plane._own_directory()
    own.close()
    assert made.is_dir() and old.exists() == stays


@pytest.fixture
def hold(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Lock a file as another process does."""
    def locking(file: Path) -> None:
        process = subprocess.Popen(["flock", "--no-fork", str(file), "sh", "-c", "echo locked; exec tail -f /dev/null"],
                                   stdout=subprocess.PIPE)
        request.addfinalizer(process.wait)
        request.addfinalizer(process.kill)
        assert process.stdout is not None and process.stdout.readline() == b"locked\n"
    return locking
