"""Commands run in order, each in a process of its own, and the first that fails ends them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from k8sdeployment.conductor import pcs_batch

# Stands for pcs, whose own part is seen in tests/pair/test_contract.py and on the lab.
APP = """
STATE = []

def main(words):
    STATE.append(words)
    print(len(STATE), *words, flush=True)
    if words[0] == "fail":
        raise SystemExit(3)
    if words[0] == "die":
        raise RuntimeError("a fault of pcs")
"""


@pytest.fixture
def pcs(tmp_path: Path) -> Path:
    (tmp_path / "pcs").mkdir()
    (tmp_path / "pcs/__init__.py").touch()
    (tmp_path / "pcs/app.py").write_text(APP)
    return tmp_path


def batch(path: Path, *commands: list[str], programs: str = "/usr/bin:/bin") -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, pcs_batch.__file__], input=json.dumps(commands), text=True, timeout=30,
                          capture_output=True, env={"PYTHONPATH": str(path), "PATH": programs})
    return done.returncode, done.stdout.splitlines()


def test_each_command_finds_pcs_as_it_was_loaded(pcs: Path) -> None:
    assert batch(pcs, ["pcs", "one"], ["pcs", "two", "words"]) == (0, ["1 one", "1 two words"])


@pytest.mark.parametrize("word, code", [("fail", 3), ("die", 1)])
def test_the_first_that_fails_ends_them(pcs: Path, word: str, code: int) -> None:
    assert batch(pcs, ["pcs", "one"], ["pcs", word], ["pcs", "two"]) == (code, ["1 one", f"1 {word}"])


def test_without_pcs_in_this_python_its_program_is_called(tmp_path: Path) -> None:
    program = tmp_path / "pcs"
    program.write_text('#!/bin/sh\necho "program $*"\n[ "$1" != fail ]\n')
    program.chmod(0o755)
    assert batch(tmp_path / "nothing", ["pcs", "one"], ["pcs", "fail"], ["pcs", "two"],
                 programs=f"{tmp_path}:/usr/bin:/bin") == (1, ["program one", "program fail"])
