"""fence_gone: what the links must say before a site counts as off, on what corosync-cfgtool prints."""

from __future__ import annotations

import os
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.cli.test_confirm import DOWN, LINKS

AGENT = Path(__file__).parents[2] / "containers/peer/fence_gone"
SENTENCE = "the device said off, but a link to the site is still connected"
SILENCE = "the device said off, but Corosync does not tell whether the links to the site are down"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A corosync-cfgtool that prints `said` and ends with `code`, and notes that it was asked."""
    program = tmp_path / "corosync-cfgtool"
    program.write_text(f"#!/bin/sh\ncd {tmp_path}; echo asked >>asked; cat said; exit $(cat code)")
    program.chmod(0o755)
    (tmp_path / "code").write_text("0")
    return tmp_path


def fence(tools: Path, action: str, said: str, *words: str) -> subprocess.CompletedProcess[str]:
    """With its parameters as Pacemaker gives them, or as arguments."""
    (tools / "said").write_text(said)
    given = "" if words else f"action={action}\nport=site-b\nnodename=site-b\npatience=1\n"
    env = {"PATH": f"{tools}:{os.environ['PATH']}"}
    return subprocess.run([AGENT, *words], input=given, text=True, capture_output=True, env=env, timeout=60)


@pytest.mark.parametrize("said", [DOWN, DOWN.partition("LINK ID 1")[0]])
def test_a_site_whose_links_are_all_down_may_count_as_off(tools: Path, said: str) -> None:
    assert fence(tools, "off", said).returncode == 0
    assert (tools / "asked").read_text() == "asked\n"


@pytest.mark.parametrize("said", [LINKS.format("connected", "disconnected"), LINKS.format("disconnected", "connected"),
                                  LINKS.format("connected", "connected")])
@pytest.mark.parametrize("action", ["off", "reboot"])
def test_one_link_that_is_connected_confirms_nothing(tools: Path, action: str, said: str) -> None:
    done = fence(tools, action, said)
    assert (done.returncode, done.stderr.strip()) == (1, SENTENCE)
    assert len((tools / "asked").read_text().split()) > 1, "knet needs a while to give a link up"


@pytest.mark.parametrize("said, code", [
    ("", 0),                                                        # Corosync does not answer, and it ends well
    (DOWN, 1),                                                      # it failed
    ("Local node ID 1, transport knet\n", 0),
    (LINKS.format("localhost", "localhost"), 0),                    # nothing about the other site
    (LINKS.format("disconnected", "who knows"), 0)])                # a word of a version that nobody knows yet
def test_what_does_not_tell_confirms_nothing(tools: Path, said: str, code: int) -> None:
    (tools / "code").write_text(str(code))
    done = fence(tools, "off", said)
    assert (done.returncode, done.stderr.strip()) == (2, SILENCE)


def test_it_is_as_patient_as_it_is_told(tools: Path) -> None:
    began = time.monotonic()
    assert fence(tools, "off", LINKS.format("connected", "connected"), "--action=off", "--patience=3").returncode == 1
    assert 2 < time.monotonic() - began < 20


def test_a_link_that_goes_down_meanwhile_is_seen(tools: Path) -> None:
    (tools / "later").write_text(DOWN)
    program = tools / "corosync-cfgtool"
    program.write_text(program.read_text().replace("; exit", "; cp later said; exit"))
    assert fence(tools, "off", LINKS.format("connected", "connected")).returncode == 0
    assert (tools / "asked").read_text() == "asked\nasked\n"


@pytest.mark.parametrize("action", ["on", "monitor", "status"])
def test_nothing_else_is_its_business(tools: Path, action: str) -> None:
    assert fence(tools, action, LINKS.format("connected", "connected")).returncode == 0
    assert not (tools / "asked").exists()


def test_its_metadata_is_xml_with_what_pacemaker_and_pcs_want(tools: Path) -> None:
    said = ElementTree.fromstring(fence(tools, "", "", "-o", "metadata").stdout)
    assert {one.get("name") for one in said.iter("action")} >= {"off", "reboot", "monitor"}
    assert {one.get("name") for one in said.iter("parameter")} == {"action", "port", "patience"}
