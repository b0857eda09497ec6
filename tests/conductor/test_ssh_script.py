"""libexec/ssh: the proven key before the Secret's own, whatever else the fence agent says; no password is tried."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "containers/peer/libexec/ssh"
GIVEN = "/etc/aos/fencing/host/ssh-privatekey"
# As fence_virsh writes it, after pexpect has split it.
WORDS = ["root@203.0.113.9", "-i", GIVEN, "-p", "22", "-t", '/bin/bash -c "PS1=\\\\[EXPECT\\\\]# /bin/bash --norc"']
OURS = ["-o", "IdentitiesOnly=yes", "-o", "PreferredAuthentications=publickey", "-o", "ConnectTimeout=10"]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script with its proven keys below a directory of the test's, and an ssh that says its words."""
    (tmp_path / "proven/fence-b-1").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    text = SCRIPT.read_text()
    assert text.count("/etc/aos/proven/") == 1
    (tmp_path / "ssh").write_text(text.replace("/etc/aos/proven/", f"{tmp_path}/proven/"))
    for made in (tmp_path / "bin/ssh", tmp_path / "ssh"):
        made.chmod(0o755)
    return tmp_path / "ssh"


def said(script: Path, *words: str) -> list[str]:
    env = {**os.environ, "PATH": f"{script.parent}/bin:{os.environ['PATH']}"}
    return subprocess.run([script, *words], capture_output=True, text=True, check=True, env=env).stdout.splitlines()


def test_the_secrets_own_key_while_none_was_proven(script: Path) -> None:
    assert said(script, "fence-b-1", *WORDS) == said(script, "--new", "fence-b-1", *WORDS) == [*OURS, *WORDS]


def test_what_was_proven_comes_first_unless_the_new_one_shall_be(script: Path) -> None:
    proven = script.parent / "proven/fence-b-1/ssh-privatekey"
    proven.write_text("key")
    assert said(script, "fence-b-1", *WORDS) == [*OURS, *(str(proven) if word == GIVEN else word for word in WORDS)]
    assert said(script, "--new", "fence-b-1", *WORDS) == [*OURS, *WORDS]
    assert said(script, "fence-c-1", *WORDS) == [*OURS, *WORDS], "another device's"
