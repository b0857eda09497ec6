"""Whatever Pacemaker hands to the alert agent becomes one whole line of JSON, also when many alerts come at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k8sdeployment.pair.recovery import Alert, parse

AGENT = Path(__file__).parents[2] / "containers/peer/libexec/alert"
FIELDS = ("kind", "node", "task", "rsc", "rc", "target_rc", "desc", "interval", "exec_time")
TIMES = ("timestamp_epoch", "timestamp_usec")
MOST = 180
# Bytes that bash gathers for one write, the fewest of the two shells.
SHELL_BUFFER = 4096
SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]
# Everything that an environment can hold.
WORDS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=400) | st.binary(
    max_size=400).map(lambda data: os.fsdecode(data.replace(b"\0", b"")))


def start(shell: str, file: Path, values: dict[str, str]) -> subprocess.Popen[bytes]:
    given = {f"CRM_alert_{name}": value for name, value in values.items()}
    return subprocess.Popen([shell, str(AGENT)], stderr=subprocess.PIPE,
                            env={"PATH": os.environ["PATH"], **given, "CRM_alert_recipient": str(file)})


def written(file: Path) -> list[dict[str, str]]:
    """The file's lines, each of which is JSON."""
    text = file.read_text(encoding="utf-8", errors="replace")
    assert text.endswith("\n")
    return [json.loads(line) for line in text[:-1].split("\n")]


def kept(value: str) -> str:
    """What is told of a value: no control characters, and its beginning."""
    data = bytes(byte for byte in os.fsencode(value) if byte >= 32 and byte != 127)
    return data[:MOST].decode(errors="replace")


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.sampled_from((*FIELDS, *TIMES)), WORDS))
def test_any_values_become_one_line_of_json(shell: str, tmp_path: Path, values: dict[str, str]) -> None:
    file = tmp_path / "alerts.jsonl"
    file.unlink(missing_ok=True)
    process = start(shell, file, values)
    assert process.communicate()[1] == b"" and process.returncode == 0
    (line,) = written(file)
    told = {name: kept(values[name]) for name in FIELDS if name == "kind" and name in values or values.get(name)}
    assert {name: line[name] for name in told} == told
    assert set(line) == {"kind", "time", *told}


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(node=WORDS, desc=WORDS, milliseconds=st.integers(0, 10 ** 9))
def test_the_reader_gets_back_what_was_kept(shell: str, tmp_path: Path, node: str, desc: str,
                                            milliseconds: int) -> None:
    file = tmp_path / "alerts.jsonl"
    file.unlink(missing_ok=True)
    start(shell, file, {"kind": "node", "node": node, "desc": desc, "exec_time": str(milliseconds),
                        "timestamp_epoch": "1795771393", "timestamp_usec": "4711"}).communicate()
    (line,) = file.read_text(encoding="utf-8", errors="replace").rstrip("\n").split("\n")
    alert = parse(line)
    assert alert == Alert("node", 1795771393.004711, kept(node), kept(desc), exec_time=milliseconds)


@pytest.mark.parametrize("shell", SHELLS)
def test_many_at_once_do_not_mix_their_lines(shell: str, tmp_path: Path) -> None:
    """The longest lines there can be: every character of every value escaped."""
    file = tmp_path / "alerts.jsonl"
    many = [{name: letter + '"' * 500 for name in FIELDS} for letter in "abcdefghijkl"]
    for _ in range(2):
        for process in [start(shell, file, values) for values in many]:
            assert process.communicate()[1] == b"" and process.returncode == 0
    lines = written(file)
    assert sorted(line["kind"][0] for line in lines) == sorted("abcdefghijkl" * 2)
    # Two writes in quick succession would mix too seldom to be seen here; a longer line would be more than one.
    assert max(len(line) for line in file.read_bytes().split(b"\n")) + 1 < SHELL_BUFFER
    assert all({line[name][0] for name in FIELDS} == {line["kind"][0]} for line in lines)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("recipient", [{}, {"CRM_alert_recipient": ""}])
def test_an_alert_without_a_recipient_fails_and_says_so(shell: str, tmp_path: Path, recipient: dict[str, str]) -> None:
    done = subprocess.run([shell, str(AGENT)], capture_output=True, cwd=tmp_path, check=False,
                          env={"PATH": os.environ["PATH"], "CRM_alert_kind": "node", **recipient})
    assert done.returncode != 0 and b"CRM_alert_recipient" in done.stderr
    assert done.stdout == b"" and list(tmp_path.iterdir()) == []


def test_a_real_alert_is_understood_by_its_reader(tmp_path: Path) -> None:
    """Values as Pacemaker 2.1.5 hands them over."""
    file = tmp_path / "alerts.jsonl"
    values = {"kind": "fencing", "node": "site-a", "task": "reboot", "rc": "0", "timestamp_epoch": "1795771393",
              "timestamp_usec": "4711", "desc": "Operation reboot of site-a by site-b for \"controld\": OK"}
    start("sh", file, values).communicate()
    alert = parse(file.read_text())
    assert alert is not None
    assert (alert.kind, alert.node, alert.rc, alert.when) == ("fencing", "site-a", "0", 1795771393.004711)
