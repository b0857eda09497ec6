"""What the other tests of this room read is what the peer image's own tools print, and take.

`AOS_GOLDEN=write` with these tests writes the files below `seen/` anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8sdeployment.cli import deeds
from k8sdeployment.pair import pacemaker
from k8sdeployment.pair.status import CRM_MON
from lab import paths
from lab.build import images
from lab.engine import borrowed
from tests.cli.tools import CASES, SEEN, WORKLOADS
from tests.pair.sample import pair
from tests.pair.test_contract import EMPTY, Image

# "lab", because the image has to be built for them: minutes on a fresh machine.
pytestmark = [pytest.mark.contract, pytest.mark.lab]

DECIDED = EMPTY.replace('have-quorum="1"', 'have-quorum="1" dc-uuid="1"')


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with borrowed(paths.cache_dir() / "contract-engine") as engine:
        images.build_all(engine, print)
        container = engine.client.containers.run(
            images.PEER, ["sleep", "600"], detach=True, network_mode="none", hostname="site-a.example.org")
        try:
            yield Image(container)
        finally:
            container.remove(force=True)


@pytest.fixture(scope="module")
def running(image: Image) -> str:
    """A CIB file in which both sites are online and every workload runs."""
    file = "/tmp/base.xml"
    image.write("/tmp/empty.xml", DECIDED)
    image.run(("cp", "/tmp/empty.xml", file))
    image.pcs(pacemaker.configure(pair(workloads=WORKLOADS), file))
    image.run(("crm_simulate", "--xml-file", file, "--simulate", "--quiet", "--save-output", file))
    return file


def plain(text: str) -> str:
    """Without what changes from one day to the next."""
    text = re.sub(r'(last-rc-change|last-run)="\d+"', r'\1="1795766400"', text)
    text = re.sub(r'(last_update time|last-rc-change)="[A-Z][^"]*"', r'\1="Fri Nov 27 08:00:00 2026"', text)
    noise = "transition-key|transition-magic|exit-reason|cib-last-written|update-\\w+|crm-debug-origin"
    return re.sub(rf' ({noise})="[^"]*"', "", text)


def golden(name: str, text: str) -> None:
    file = SEEN / name
    if os.environ.get("AOS_GOLDEN") == "write":
        Path(file).write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_what_the_tests_read_is_what_the_tools_print(image: Image, running: str, name: str) -> None:
    file = f"/tmp/{name}.xml"
    image.run(("cp", running, file), *(tuple(word.replace("FILE", file) for word in step) for step in CASES[name]))
    golden(f"{name}.cib.xml", plain(image.run(("cat", file))))
    golden(f"{name}.mon.xml", plain(image.run(("env", f"CIB_file={file}", *CRM_MON))))


def test_what_a_dead_pacemaker_says(image: Image) -> None:
    golden("dead.mon.xml", image.run(("sh", "-c", " ".join(CRM_MON) + " 2>/dev/null || true")))


def test_a_constraint_that_a_move_left_is_taken_away_and_no_other(image: Image, running: str) -> None:
    """Made by the tool that pcs uses, under the name by which `deeds` knows it."""
    file = "/tmp/left.xml"
    image.run(("cp", running, file), ("env", f"CIB_file={file}", "crm_resource", "--resource", "db", "--move", "--node",
                                      "site-a"))
    before = image.run(("cat", file))
    assert 'id="cli-prefer-db"' in before
    image.run(("env", f"CIB_file={file}", *deeds.without("cli-prefer-db")))
    after = image.run(("cat", file))
    assert "cli-prefer" not in after and after.count("<rsc_location") == before.count("<rsc_location") - 1


def test_a_site_is_given_back_by_taking_its_standby_away(image: Image, running: str) -> None:
    file = "/tmp/back.xml"
    image.run(("cp", running, file))
    on_file = ("env", f"CIB_file={file}", "crm_attribute", "--node", "site-b", "--name", "standby")
    image.run((*on_file, "--update", "on"))
    assert 'standby="true"' in image.run(("env", f"CIB_file={file}", *CRM_MON))
    image.run((*on_file, "--delete"))
    assert 'standby="true"' not in image.run(("env", f"CIB_file={file}", *CRM_MON))
