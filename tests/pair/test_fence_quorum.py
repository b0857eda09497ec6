"""fence_quorum: when a site that is told nothing counts as ended."""

from __future__ import annotations

import os
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from k8sdeployment.pair import guard
from tests.conductor.test_guard import NO, SAID, TWO_NODE, YES

AGENT = Path(__file__).parents[2] / "containers/peer/fence_quorum"
MEMBER = SAID.format(nodes=2, quorate="Yes", quorum="2  ", flags="Quorate Qdevice ")
UNGUARDED = "it is not known that the site's watchdog guards it: it may run on without quorum"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A corosync-quorumtool that prints `said`, and the file of a conductor that knows the site guarded."""
    program = tmp_path / "corosync-quorumtool"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/said; exit 1")
    program.chmod(0o755)
    (tmp_path / "said").write_text(YES)
    known(tmp_path, time.monotonic())
    return tmp_path


def known(tools: Path, when: float) -> None:
    (tools / "site-b").write_text(f"{when:.0f}\n")


def begin(tools: Path, action: str = "off", silence: str = "1", patience: str = "2") -> "subprocess.Popen[str]":
    asked = {"action": action, "port": "site-b", "guarded": str(tools / "site-b"), "silence": silence,
             "patience": patience}
    begun = subprocess.Popen([AGENT], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env={"PATH": f"{tools}:{os.environ['PATH']}"})
    assert begun.stdin is not None
    begun.stdin.write("".join(f"{name}={value}\n" for name, value in asked.items()))
    begun.stdin.close()
    begun.stdin = None
    return begun


def fence(tools: Path, action: str = "off", silence: str = "1", patience: str = "2") -> tuple[int, str]:
    begun = begin(tools, action, silence, patience)
    _, said = begun.communicate(timeout=60)
    return begun.returncode, said.strip()


@pytest.mark.parametrize("action", ["off", "reboot"])
def test_a_guarded_site_has_ended_once_the_time_is_over(tools: Path, action: str) -> None:
    began = time.monotonic()
    assert fence(tools, action, silence="2") == (0, "") and time.monotonic() - began >= 2


@pytest.mark.parametrize("said, why", [
    (MEMBER, "the site is a member still, and may have quorum"),
    (NO, "this site has no quorum, so the other one may have it"),
    (TWO_NODE, "this site has no quorum, so the other one may have it"), ("", "this site has no quorum, so the other")])
def test_nothing_is_confirmed_while_the_other_site_may_have_quorum(tools: Path, said: str, why: str) -> None:
    (tools / "said").write_text(said)
    code, told = fence(tools)
    assert code == 1 and told.startswith(why)


def test_the_time_begins_anew_when_the_site_was_a_member_in_between(tools: Path) -> None:
    begun, began = begin(tools, silence="3", patience="20"), time.monotonic()
    time.sleep(1)
    (tools / "said").write_text(MEMBER)
    time.sleep(1.5)
    assert begun.poll() is None
    (tools / "said").write_text(YES)
    assert begun.wait(30) == 0 and time.monotonic() - began >= 5


@pytest.mark.parametrize("when", [None, -guard.STALE - 5, 60])
def test_a_site_of_which_nobody_knows_that_it_is_guarded_may_run_on(tools: Path, when: float | None) -> None:
    if when is None:
        (tools / "site-b").unlink()
    else:
        known(tools, time.monotonic() + when)
    assert fence(tools) == fence(tools, "status") == (1, UNGUARDED)


def test_it_is_no_longer_guarded_while_it_is_waited_for(tools: Path) -> None:
    begun = begin(tools, silence="30", patience="1")
    time.sleep(1)
    (tools / "site-b").unlink()
    assert begun.wait(20) == 1


def test_whatever_it_is_not_told_confirms_nothing(tools: Path) -> None:
    assert fence(tools, silence="soon")[0] == fence(tools, "sleep")[0] == 1
    assert fence(tools, "status") == fence(tools, "monitor") == fence(tools, "on") == (0, "")


def test_its_metadata_is_xml_and_its_numbers_are_the_pair_s() -> None:
    said = subprocess.run([AGENT, "-o", "metadata"], capture_output=True, text=True, timeout=20, check=True).stdout
    names = {one.get("name") for one in ElementTree.fromstring(said).iter("parameter")}
    assert {"guarded", "silence", "patience"} <= names
    assert f"COROSYNC, AGAIN, STALE = 5, 0.5, {guard.STALE}\n" in AGENT.read_text()
