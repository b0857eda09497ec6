"""Python 3.9, which RHEL 9 and its CoreOS have: asked of a tool that knows it, and of itself where there is one."""

from __future__ import annotations

import configparser
import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.paths import cache_dir
from tests.agent.kernel import CHECKOUT, interpreters

from .conftest import run

# What runs on hosts and builders: the agent, the peer pod's settle, what the build of the RPM runs; and the agent's
# tests, that they can be run there, too.
SHIPPED = ("k8sdeployment/__init__.py", "k8sdeployment/agent", "k8sdeployment/conductor", "ocf/k8sdeployment",
           "rpm/check.py", "docs/manpage.py", "docs/tables.py", "tests/agent")
# The agent's tests that run it as a process of its own. All others call its code, but for test_main, which asks every
# Python of the machine as it is.
OUTSIDE = tuple(f"tests/agent/test_{name}.py" for name in ("start", "stop", "monitor"))
INSIDE = ("tests/agent", *(f"--ignore={path}" for path in (*OUTSIDE, "tests/agent/test_main.py")))


# -- vermin --------------------------------------------------------------------------------------------------------

def newer_than_3_9(*paths: object) -> str:
    """What vermin finds there that Python 3.9 has not, in syntax or library; "" when there is nothing."""
    command = [str(Path(sys.executable).with_name("vermin")), "--target=3.9-", "--violations", "--quiet",
               "--no-parse-comments", *map(str, paths)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    return done.stdout if done.returncode else ""


def test_what_is_shipped_uses_no_newer_library_or_syntax() -> None:
    assert newer_than_3_9(*SHIPPED) == ""


@pytest.mark.parametrize("source", [
    "from itertools import pairwise", "zip('a', 'b', strict=True)", "import tomllib", "from datetime import UTC",
    "match 1:\n    case 1:\n        pass", "try:\n    pass\nexcept* OSError:\n    pass",
    "import os\nos.EFD_NONBLOCK", "import sys\nsys.stdlib_module_names",
])
def test_what_is_newer_is_found(tmp_path: Path, source: str) -> None:
    (tmp_path / "newer.py").write_text(source + "\n")
    assert newer_than_3_9(tmp_path / "newer.py")


# -- the agent's own tests -----------------------------------------------------------------------------------------

def environment_of(python: str) -> Path:
    """A virtual environment of that Python in the project's cache, with pytest in it; returns its python."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(CHECKOUT / "setup.cfg")
    wanted = config["options.extras_require"]["oldest"].split()
    key = hashlib.sha256(" ".join([python, *wanted]).encode()).hexdigest()[:12]
    top = cache_dir() / "venvs" / f"oldest-{key}"
    top.parent.mkdir(parents=True, exist_ok=True)
    with open(top.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (top / "complete").exists():
            run(python, "-m", "venv", "--clear", top)
            run(top / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)
            (top / "complete").touch()
    return top / "bin/python"


def passed(*tests: str) -> str:
    """What pytest says of these of the agent's tests, run by Python 3.9, which they run the agent with, too."""
    if len(interpreters()) == 1:
        pytest.skip("no Python 3.9")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    command = [str(environment_of(interpreters()[1])), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p",
               "tests.packaging.oldest", "-m", "not lab", *tests]
    done = subprocess.run(command, cwd=CHECKOUT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_agents_code_passes_its_tests_on_a_real_one() -> None:
    assert " passed" in passed(*INSIDE)


@pytest.mark.lab
def test_the_agents_process_passes_its_tests_on_a_real_one() -> None:
    """Half a minute: start, stop and monitor as Pacemaker runs them."""
    assert " passed" in passed(*OUTSIDE)
