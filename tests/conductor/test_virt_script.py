"""fence_virt's wrapper: nothing is asked without a key, and a domain that nobody knows is not off."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "containers/peer/fence_virt"
# An agent that tells two domains, and else what it was told.
AGENT = """#!/bin/sh
[ $# -eq 0 ] || { echo "by hand: $*"; exit; }
said=$(cat)
case $said in
    *action=list*) echo 'one 8a2c4b1e on'; echo 'other 99d0 off' ;;
    *action=status*) printf '%s\\n' "$said"; exit 2 ;;
    *) printf '%s\\n' "$said" ;;
esac
"""
WORDS = "key_file=fence-b-1 host virt"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The wrapper with the agent above, and a libexec/secret that names a file of the test's."""
    (tmp_path / "key").write_text("shared")
    (tmp_path / "agent").write_text(AGENT)
    (tmp_path / "secret").write_text(f'#!/bin/sh\n[ "$*" = "--path fence-b-1 host virt" ] && echo {tmp_path}/key\n')
    text = SCRIPT.read_text().replace("/usr/libexec/aos/agents/fence_virt", f"{tmp_path}/agent")
    (tmp_path / "fence_virt").write_text(text.replace("/usr/libexec/aos/secret", f"{tmp_path}/secret"))
    for name in ("agent", "secret", "fence_virt"):
        (tmp_path / name).chmod(0o755)
    return tmp_path / "fence_virt"


def ask(script: Path, *lines: str) -> tuple[int, str]:
    """Exit code, and all that it said."""
    done = subprocess.run([script], input="".join(f"{line}\n" for line in lines), text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.strip()


def test_the_agent_is_told_everything_and_where_the_key_is(script: Path) -> None:
    told = ["ipaddr=203.0.113.9", "auth=sha512"]
    said = "\n".join([*told, f"key_file={script.parent}/key", "plug=one", "action="])
    assert ask(script, WORDS, *told, "plug=one", "action=off") == (0, f"{said}off")
    # As Pacemaker asks.
    assert ask(script, "action=on", *told, "plug=one", WORDS, "port=site-a") == (0, f"{said}on")
    assert ask(script, WORDS, *told, "plug=one") == (0, f"{said}reboot"), "as the agent does"
    assert ask(script, WORDS, *told, "action=monitor")[1].endswith("/key\naction=monitor")


def test_the_domain_must_be_named(script: Path) -> None:
    assert ask(script, WORDS, "ipaddr=203.0.113.9", "port=one", "action=off") == (
        1, "fence_virt: plug must name the domain")


def test_its_exit_code_is_the_agent_s(script: Path) -> None:
    assert ask(script, WORDS, "ipaddr=203.0.113.9", "plug=99d0", "action=status")[0] == 2


@pytest.mark.parametrize("action", ["status", "off", "on", "reboot"])
def test_a_domain_that_nobody_knows_is_not_off(script: Path, action: str) -> None:
    said = ask(script, WORDS, "ipaddr=203.0.113.9", "plug=on", f"action={action}")
    assert said == (1, "fence_virt: fence_virtd knows no domain on")


@pytest.mark.parametrize("line, why", [
    ("auth=none", "auth must be sha1, sha256 or sha512"), ("hash=None", "hash must be sha1, sha256 or sha512"),
    ("key_file=", "a key is missing; name its Secret by secretRef")])
def test_nothing_is_asked_without_a_key(script: Path, line: str, why: str) -> None:
    code, said = ask(script, WORDS, "ipaddr=203.0.113.9", "plug=one", line, "action=off")
    assert code == 1 and said.startswith(f"fence_virt: {why}")


def test_a_key_that_is_empty_or_gone_is_none(script: Path) -> None:
    (script.parent / "key").write_text("")
    assert ask(script, WORDS, "ipaddr=203.0.113.9", "plug=one")[1].endswith("/key holds no key")
    (script.parent / "key").unlink()
    assert ask(script, WORDS, "ipaddr=203.0.113.9", "plug=one")[1].endswith("/key holds no key")


def test_a_fence_virtd_that_does_not_prove_itself_is_told(script: Path) -> None:
    (script.parent / "agent").write_text("#!/bin/sh\necho 'Invalid response to challenge'\nexit 1\n")
    assert ask(script, WORDS, "ipaddr=203.0.113.9", "plug=one", "action=off") == (
        1, "fence_virt: fence_virtd does not tell its domains: Invalid response to challenge")


def test_ways_that_know_no_key_are_refused(script: Path) -> None:
    assert ask(script, WORDS, "serial_device=/dev/ttyS1", "plug=one")[1] == (
        "fence_virt: ipaddr or vsock must say where fence_virtd is: other ways know no key")


def test_its_metadata_is_the_agent_s(script: Path) -> None:
    assert ask(script, "action=metadata") == (0, "action=metadata")
    assert subprocess.run([script, "-o", "metadata"], capture_output=True, text=True).stdout == "by hand: -o metadata\n"
