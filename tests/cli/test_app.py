"""The program as a whole: names, exit codes, completion."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from docs.tables import ROOT
from k8sdeployment.cli import codes
from k8sdeployment.cli.app import VERBS, main, snopair
from k8sdeployment.cli.verb import Verb
from tests.cli.test_view import status
from tests.cli.tools import Tools, world


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name), found


ALL = dict(commands(snopair))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_verb_speaks_json_and_explains_itself(path: tuple[str, ...]) -> None:
    verb = ALL[path]
    assert isinstance(verb, Verb) and verb.help
    options = {option.name: option for option in verb.params if isinstance(option, click.Option)}
    assert isinstance(options["output"].type, click.Choice)
    assert all(option.help for name, option in options.items() if name != "help" and not verb.hidden)


def test_no_option_takes_a_secret() -> None:
    """What stands in the arguments of a process, every user of the machine reads."""
    options = {option.opts[0] for verb in ALL.values() for option in verb.params if isinstance(option, click.Option)}
    assert {one for one in options if re.search("pass|secret|key|token", one)} == {"--fence-password-file", "--token"}


def test_an_unknown_verb_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stauts"]) == codes.USAGE
    assert "No such command 'stauts'" in capsys.readouterr().err
    assert main(["status", "--colour"]) == codes.USAGE
    assert main(["--help"]) == codes.OK
    assert "Exit codes:" in capsys.readouterr().out


def test_an_interrupt_has_its_own_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt
    assert main(["status"], world(interrupted, tmp_path)) == codes.INTERRUPTED
    assert capsys.readouterr().err == "\nsnopair: interrupted\n"


@pytest.mark.parametrize("words, shown", [(["-o", "json"], '"verdict": "look"'), ([], "default/web")])
def test_watching_looks_again_until_it_is_interrupted(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], shown: str) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt
    tools = Tools("running", "standby")
    obj = dataclasses.replace(world(tools, tmp_path / "none"), wait=wait)
    assert main(["status", "--watch", "--every", "5", *words], obj) == codes.INTERRUPTED
    out = capsys.readouterr().out
    assert waits == [5.0] * 3 and shown in out and "is in standby" in out
    assert not words or len(out.splitlines()) == 3


def test_every_exit_code_of_an_error_has_a_meaning() -> None:
    kinds = [codes.SnopairError, *codes.SnopairError.__subclasses__()]
    assert {kind.code for kind in kinds} <= set(codes.MEANINGS)


def test_verbs_are_loaded_alone() -> None:
    """Listing their names loads none: each is a name of a module."""
    done = subprocess.run([sys.executable, "-c", "import sys, k8sdeployment.cli.app; print(*sys.modules)"],
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    assert not {f"k8sdeployment.cli.{module}" for module in VERBS.values()} & set(done.stdout.split())


# -- completion ----------------------------------------------------------------------------------------------------

def completed(obj: object, *words: str, begun: str = "") -> list[str]:
    found = ShellComplete(snopair, {"obj": obj}, "snopair", "_SNOPAIR_COMPLETE").get_completions(list(words), begun)
    return [one.value for one in found]


def test_verbs_workloads_and_sites_are_completed(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text(json.dumps(status()))
    here = world(Tools("running"), tmp_path / "status.json")
    assert completed(here, begun="m") == ["move", "maintenance", "must-gather"]
    assert completed(here, "move", begun="w") == ["web"]
    assert completed(here, "move", "web") == ["site-a", "site-b"]

    def kubectl(argv: list[str], seconds: float, text: str | None = None) -> str:
        assert "--context=x" in argv and seconds <= 3
        return '{"items": [{"spec": {"sites": [{"name": "far-a"}, {"name": "far-b"}], "workloads": []}}]}'
    far = world(kubectl, tmp_path / "none", here=False)
    assert completed(far, "evict", "--context", "x") == ["far-a", "far-b"]
    assert completed(world(Tools("dead"), tmp_path / "none", here=False), "evict") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shells_scripts(shell: str) -> None:
    done = CliRunner().invoke(snopair, ["completion", shell])
    assert done.exit_code == 0 and f"_SNOPAIR_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_takes_its_script() -> None:
    script = CliRunner().invoke(snopair, ["completion", "bash"]).stdout
    done = subprocess.run(["bash", "-c", f"{script}\ncomplete -p snopair"], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("snopair")
