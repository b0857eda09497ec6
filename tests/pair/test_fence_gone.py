"""fence_gone: what the links must say before a site counts as off, on what corosync-cfgtool prints."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.cli.test_confirm import DOWN, LINKS

AGENT = Path(__file__).parents[2] / "containers/peer/fence_gone"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A corosync-cfgtool that prints `said`, and notes that it was asked; sleep takes no time."""
    for name, text in (("corosync-cfgtool", f'echo asked >>"{tmp_path}/asked"; cat "{tmp_path}/said"'), ("sleep", ":")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def fence(tools: Path, action: str, said: str | None) -> subprocess.CompletedProcess[str]:
    if said is not None:
        (tools / "said").write_text(said)
    env = {"PATH": f"{tools}:{os.environ['PATH']}"}
    return subprocess.run([AGENT], input=f"action={action}\nport=site-b\n", text=True, capture_output=True, env=env,
                          timeout=60)


def test_a_site_whose_links_are_all_down_may_count_as_off(tools: Path) -> None:
    assert fence(tools, "off", DOWN).returncode == 0
    assert (tools / "asked").read_text() == "asked\n"


@pytest.mark.parametrize("said", [LINKS.format("connected", "disconnected"), LINKS.format("connected", "connected"),
                                  None])
@pytest.mark.parametrize("action", ["off", "reboot"])
def test_one_link_that_is_connected_or_no_word_at_all_confirms_nothing(
        tools: Path, action: str, said: str | None) -> None:
    done = fence(tools, action, said)
    assert done.returncode == 1 and "it is not off, whatever its device said" in done.stderr
    assert len((tools / "asked").read_text().split()) > 70, "knet needs seconds to give a link up"


@pytest.mark.parametrize("action", ["on", "monitor", "status"])
def test_nothing_else_is_its_business(tools: Path, action: str) -> None:
    assert fence(tools, action, LINKS.format("connected", "connected")).returncode == 0
    assert not (tools / "asked").exists()


def test_its_metadata_is_xml_with_the_actions_that_pacemaker_wants(tools: Path) -> None:
    said = fence(tools, "metadata", None).stdout
    assert {one.get("name") for one in ElementTree.fromstring(said).iter("action")} >= {"off", "reboot", "monitor"}
