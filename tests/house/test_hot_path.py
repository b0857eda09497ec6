"""What the frequent monitor of the passive site may load: its cost is a bare interpreter's and little more."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..agent.cluster import environment, permit_at
from ..agent.kernel import CHECKOUT, interpreters, needs_host, tmpfs

EXECUTABLE = CHECKOUT / "ocf" / "k8sdeployment"
INTERVAL = {"OCF_RESKEY_CRM_meta_interval": "10000"}
# The agent's own modules that a decision by the permit alone needs, and the few of the standard library under them.
OWN = {"", ".agent", ".agent.codes", ".agent.deadline", ".agent.ground", ".agent.judge", ".agent.main", ".agent.memory",
       ".agent.monitor", ".agent.parameters", ".agent.permit", ".agent.scene", ".agent.witness"}
ALLOWED = {"k8sdeployment" + name for name in OWN} | {
    "os", "stat", "_stat", "posixpath", "genericpath", "os.path", "_collections_abc", "errno", "fcntl", "__future__",
    "__main__", "gc", "_frozen_importlib", "_imp", "_thread", "_warnings", "_weakref", "builtins", "sys", "codecs"}


def loaded(python: str, *argv: str, env: dict[str, str] | None = None) -> tuple[int, set[str]]:
    """Exit code and every module that a process imported."""
    done = subprocess.run([python, "-IS", "-X", "importtime", *argv], env=env or {}, capture_output=True, text=True,
                          timeout=30)
    return done.returncode, set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE)) - {"package"}


def beyond_bare(python: str, *argv: str, env: dict[str, str]) -> tuple[int, set[str]]:
    """The same, less what the bare interpreter loads."""
    code, names = loaded(python, *argv, env=env)
    return code, names - loaded(python, "-c", "pass")[1]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    with tmpfs(tmp_path / "aos") as mounted:
        yield mounted


@needs_host
@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).name)
@pytest.mark.parametrize("more", [INTERVAL, {}, {**INTERVAL, "OCF_CHECK_LEVEL": "10"}],
                         ids=["shallow", "probe", "deep"])
def test_a_stopped_workloads_monitor(directory: Path, python: str, more: dict[str, str]) -> None:
    permit = permit_at(directory)
    permit.withdraw()
    permit.mark_stopped()
    code, names = beyond_bare(python, str(EXECUTABLE), "monitor", env=environment("", directory) | more)
    assert code == 7
    assert names <= ALLOWED, names - ALLOWED


@needs_host
def test_a_probe_of_a_granted_permit(directory: Path) -> None:
    permit = permit_at(directory)
    permit.announce()
    with permit.locked():
        permit.grant()
    code, names = beyond_bare(interpreters()[0], str(EXECUTABLE), "monitor", env=environment("", directory))
    assert code == 1, "nobody holds it"
    assert names <= ALLOWED, names - ALLOWED


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).name)
def test_metadata_loads_its_declarations_alone(python: str) -> None:
    code, names = beyond_bare(python, str(EXECUTABLE), "meta-data", env={})
    assert code == 0
    assert {name for name in names if name.startswith("k8sdeployment")} == {
        "k8sdeployment", "k8sdeployment.agent", "k8sdeployment.agent.main", "k8sdeployment.agent.codes",
        "k8sdeployment.agent.metadata", "k8sdeployment.agent.parameters"}
    assert not names & {"ssl", "socket", "json", "re", "typing", "dataclasses", "collections", "enum", "email"}


def test_the_measure_sees_what_is_loaded() -> None:
    """An import within a function is seen as well: this test can fail."""
    _, names = loaded(interpreters()[0], "-c", "def f():\n    import json\nf()")
    assert {"json", "re"} <= names
