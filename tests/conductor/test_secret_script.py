"""libexec/secret: the proven value before the Secret's own, and its file's name for programs that read it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "containers/peer/libexec/secret"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script with both places below a directory of the test's."""
    for place, where, value in (("given", "bmc", "from the Secret"), ("proven", "fence-b-1", "proven")):
        (tmp_path / place / where).mkdir(parents=True)
        (tmp_path / place / where / "password").write_text(value)
    text = SCRIPT.read_text()
    assert text.count("/etc/aos/proven/") == 1 and text.count("/etc/aos/fencing/") == 1
    made = tmp_path / "secret"
    text = text.replace("/etc/aos/proven/", f"{tmp_path}/proven/")
    made.write_text(text.replace("/etc/aos/fencing/", f"{tmp_path}/given/"))
    made.chmod(0o755)
    return made


def said(script: Path, *words: str) -> str:
    return subprocess.run([script, *words, "fence-b-1", "bmc", "password"], capture_output=True, text=True,
                          check=True).stdout


def test_what_was_proven_comes_first(script: Path) -> None:
    here = script.parent
    assert said(script) == "proven" and said(script, "--path") == f"{here}/proven/fence-b-1/password\n"
    assert said(script, "--new") == "from the Secret"
    assert said(script, "--new", "--path") == f"{here}/given/bmc/password\n"


def test_the_secrets_own_while_nothing_was_proven(script: Path) -> None:
    (script.parent / "proven/fence-b-1/password").unlink()
    assert said(script) == "from the Secret" and said(script, "--path") == f"{script.parent}/given/bmc/password\n"


def test_no_secret_is_a_failure_and_no_empty_password(script: Path) -> None:
    (script.parent / "proven/fence-b-1/password").unlink()
    (script.parent / "given/bmc/password").unlink()
    with pytest.raises(subprocess.CalledProcessError):
        said(script)
