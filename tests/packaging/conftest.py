"""The packages that these tests look at, built once from a copy of the checkout as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.kernel import CHECKOUT, interpreters

NAME = "resource-agents-aos-k8sdeployment"
EPOCH = "1700000000"  # seconds: the hour of the build, in November 2023

# What the package requires and an empty root lacks: no more than a name and a version.
PYTHON_STAND_IN = """\
Name: python3
Version: 3.9.18
Release: 1
Summary: Stand-in for the system's Python
License: Apache-2.0
BuildArch: noarch
Provides: /usr/bin/python3
%description
%{summary}.
%files
"""


def run(*command: object, **env: str) -> str:
    """Standard output of a command that must succeed. Without PYTHONPATH: Debian's own tools are Python, too."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300,
                          env=kept | {"LC_ALL": "C.UTF-8"} | env)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def copied(checkout: Path, to: Path) -> Path:
    """A copy of a checkout's files, as another checkout: what is edited meanwhile does not come in between."""
    run("git", "init", "--quiet", to)
    listed = ("git", "-C", checkout, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in run(*listed).split("\0")[:-1]:
        if (checkout / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(checkout / name, to / name)
    return to


def build(checkout: Path, what: str, out: Path, *options: str) -> list[Path]:
    """What `make rpm` or `make wheel` builds there; the sources of the RPM come last."""
    printed = run(sys.executable, checkout / "rpm/build.py", what, "--out", out, *options, SOURCE_DATE_EPOCH=EPOCH)
    return sorted((Path(line) for line in printed.splitlines()), key=lambda path: path.name.endswith(".src.rpm"))


def pythons() -> list[str]:
    """The option for each Python of this machine that the agent is tried with."""
    return [word for path in interpreters() for word in ("--python", path)]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout, from which everything is built."""
    return copied(CHECKOUT, tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="session")
def rpms(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The RPM and its source RPM."""
    return build(checkout, "rpm", tmp_path_factory.mktemp("rpm"), *pythons())


@pytest.fixture(scope="session")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(checkout, "wheel", tmp_path_factory.mktemp("wheel"))[0]


@pytest.fixture(scope="session")
def python_rpm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that provides what a system's python3 does, and holds nothing; to be installed into a root."""
    if os.geteuid() != 0:
        pytest.skip("needs root: rpm changes its root")
    top = tmp_path_factory.mktemp("stand-in")
    (top / "python3.spec").write_text(PYTHON_STAND_IN)
    run("rpmbuild", "-bb", "--quiet", "-D", f"_topdir {top}", top / "python3.spec")
    return next(top.glob("RPMS/noarch/*.rpm"))


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, rpms: list[Path], python_rpm: Path) -> Path:
    """An otherwise empty root into which rpm has installed the package, with nothing forced."""
    top = tmp_path_factory.mktemp("root")
    top.chmod(0o755)
    run("rpm", "--root", top, "-i", python_rpm, rpms[0])
    return top
