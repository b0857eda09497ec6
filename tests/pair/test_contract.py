"""What pcs, Pacemaker's scheduler and Corosync, the real ones of the peer image, make of the values rendered here."""

from __future__ import annotations

import json
import os
import shlex
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from docker.models.containers import Container

from k8sdeployment.pair import pacemaker
from k8sdeployment.pair.corosync import corosync_conf
from k8sdeployment.pair.merge import bare, merge
from k8sdeployment.pair.model import SNOPair
from lab import paths
from lab.build import images
from lab.engine import borrowed
from tests.pair.sample import pair
from tests.pair.test_merge import GOLDEN

# "lab", because the image has to be built for them: minutes on a fresh machine.
pytestmark = [pytest.mark.contract, pytest.mark.lab]

# Two sites that are online and run nothing yet.
EMPTY = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" have-quorum="1" epoch="1" num_updates="0" admin_epoch="0">
  <configuration>
    <crm_config/>
    <nodes><node id="1" uname="site-a"/><node id="2" uname="site-b"/></nodes>
    <resources/>
    <constraints/>
  </configuration>
  <status>
    <node_state id="1" uname="site-a" in_ccm="true" crmd="online" join="member" expected="member"/>
    <node_state id="2" uname="site-b" in_ccm="true" crmd="online" join="member" expected="member"/>
  </status>
</cib>
"""
BATCH = "/usr/lib/ocf/lib/aos/k8sdeployment/conductor/pcs_batch.py"


class Image:
    """A container of the peer image in which commands are run."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._made: dict[tuple[pacemaker.Argv, ...], str] = {}

    def run(self, *steps: tuple[str, ...]) -> str:
        """What the steps, one after the other, wrote; they must all succeed."""
        code, output = self._container.exec_run(["sh", "-ec", "\n".join(map(shlex.join, steps))])
        assert isinstance(output, bytes)
        text = output.decode()
        assert code == 0, text
        return text

    def write(self, file: str, text: str) -> None:
        """Write a file inside."""
        self.run(("sh", "-c", f'printf %s "$1" > {file}', "sh", text))

    def pcs(self, commands: Iterable[pacemaker.Argv]) -> None:
        """Run commands of pcs as the conductor does, which loads pcs once for all of them."""
        self.write("/tmp/commands", json.dumps(list(commands)))
        self.run(("sh", "-c", f"/usr/bin/python3 -Es {BATCH} </tmp/commands"))

    def configured(self, of: SNOPair) -> str:
        """The name of a CIB file that holds the pair; made once for equal pairs, for pcs takes its time."""
        commands = tuple(pacemaker.configure(of, "FILE"))
        if commands not in self._made:
            file = f"/tmp/{len(self._made)}.xml"
            self.write(file, EMPTY)
            self.pcs(pacemaker.configure(of, file))
            self._made[commands] = file
        return self._made[commands]

    def after(self, file: str, *events: str) -> tuple[str, str]:
        """The site on which the scheduler has `web` started after the events, and the file with that status."""
        later = f"{file}+"
        self.run(("crm_simulate", "--xml-file", file, "--simulate", "--quiet", "--save-output", later, *events))
        found = self.run(("crm_simulate", "--xml-file", later))
        line = next(line for line in found.splitlines() if "(ocf:aos:k8sdeployment)" in line)
        return line.split()[-1], later


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


def test_pcs_takes_every_command_and_pacemaker_finds_no_fault(image: Image) -> None:
    file = image.configured(pair())
    assert image.run(("crm_verify", "--xml-file", file, "--verbose")) == ""


def test_the_merge_s_own_sample_is_what_pcs_makes(image: Image) -> None:
    """golden/wanted.xml, with which test_merge.py works. Regenerate with AOS_GOLDEN=write when a change is meant."""
    made = image.run(("cat", image.configured(pair())))
    if os.environ.get("AOS_GOLDEN") == "write":
        GOLDEN.write_text(made)
    sample, now = ElementTree.parse(GOLDEN).getroot(), ElementTree.fromstring(made)
    assert merge(sample, now, "").changes == () == merge(now, sample, "").changes


def test_pacemaker_takes_what_the_merge_makes(image: Image) -> None:
    """All at once into a bare cluster, and with a person's own settings beside it."""
    wanted = ElementTree.parse(GOLDEN).getroot()
    first = merge(bare(wanted), wanted, "0123456789abcdef").cib
    image.write("/tmp/merged.xml", ElementTree.tostring(first, encoding="unicode"))
    assert image.run(("crm_verify", "--xml-file", "/tmp/merged.xml", "--verbose")) == ""
    image.run(("pcs", "-f", "/tmp/merged.xml", "resource", "disable", "web"),
              ("pcs", "-f", "/tmp/merged.xml", "constraint", "location", "web", "avoids", "site-b=50"))
    second = merge(ElementTree.fromstring(image.run(("cat", "/tmp/merged.xml"))), wanted, "0123456789abcdef")
    assert second.changes == ()


PREFERS_B = pair(workloads=[{"name": "web", "preferredSite": "site-b"}])
GOES_BACK = pair(workloads=[{"name": "web", "preferredSite": "site-a", "failback": "Automatic"}])


@pytest.mark.parametrize("of, place", [(pair(), "site-a"), (PREFERS_B, "site-b")])
def test_the_workload_starts_on_its_preferred_site(image: Image, of: SNOPair, place: str) -> None:
    assert image.after(image.configured(of))[0] == place


@pytest.mark.parametrize("of, place", [(pair(), "site-b"), (GOES_BACK, "site-a")])
def test_a_preferred_site_that_comes_back_takes_over_only_where_it_was_told_to(
        image: Image, of: SNOPair, place: str) -> None:
    _, running = image.after(image.configured(of))
    there, taken_over = image.after(running, "--node-fail", "site-a")
    assert there == "site-b"
    assert image.after(taken_over, "--node-up", "site-a")[0] == place


def test_the_other_site_is_fenced_before_its_workload_starts_here(image: Image) -> None:
    _, running = image.after(image.configured(pair()))
    lines = image.run(("crm_simulate", "--xml-file", running, "--simulate", "--node-fail", "site-a")).splitlines()
    fence = next(number for number, line in enumerate(lines) if "Fencing site-a (reboot)" in line)
    start = next(number for number, line in enumerate(lines) if "web" in line and "start on site-b" in line)
    assert fence < start


def spread(*places: str, **spec: Any) -> SNOPair:
    """A pair with one workload for each place, which is where it would rather run."""
    works = [{"name": f"w{number}", "preferredSite": place} for number, place in enumerate(places)]
    return pair(workloads=works, **spec)


def waits(image: Image, of: SNOPair, lost: str) -> str | None:
    """How long the survivor's scheduler has the fence of a lost site wait, beside that site's own delay."""
    file = image.configured(of)
    image.run(("crm_simulate", "--xml-file", file, "--simulate", "--quiet", "--save-output", f"{file}.run"),
              ("crm_simulate", "--xml-file", f"{file}.run", "--simulate", "--quiet", "--node-fail", lost,
               "--save-graph", f"{file}.graph"))
    graph = ElementTree.fromstring(image.run(("cat", f"{file}.graph")))
    (fence,) = graph.iterfind(".//action_set/crm_event[@operation='stonith']")
    attributes = fence.find("attributes")
    assert fence.get("on_node") == lost and attributes is not None
    return attributes.get("CRM_meta_priority_fencing_delay")


FOLLOWS = {"activeDelay": "20s"}


@pytest.mark.parametrize("active, passive", [("site-a", "site-b"), ("site-b", "site-a")])
def test_the_site_that_runs_more_of_the_workloads_is_fenced_later(image: Image, active: str, passive: str) -> None:
    """Whichever site it is."""
    of = spread(active, passive, active, fencing=FOLLOWS)
    assert image.run(("crm_verify", "--xml-file", image.configured(of), "--verbose")) == ""
    assert (waits(image, of, active), waits(image, of, passive)) == ("20", "0")


@pytest.mark.parametrize("lost", ["site-a", "site-b"])
def test_the_sites_own_delays_decide_where_both_run_as_many_and_where_nothing_else_is_asked_for(
        image: Image, lost: str) -> None:
    assert waits(image, spread("site-a", "site-b", fencing=FOLLOWS), lost) == "0"
    assert waits(image, pair(), lost) is None


BOUND = pair(workloads=[{"name": "db", "preferredSite": "site-b"},
                        {"name": "web", "after": ["db"], "together": ["db"]}])


def test_a_device_whose_start_failed_is_not_started_again_at_once(image: Image) -> None:
    file = image.configured(pair())
    first = image.run(("crm_simulate", "--xml-file", file, "--simulate", "--op-fail", "fence-site-b-1_start_0@site-a=1",
                       "--save-output", "/tmp/failed.xml"))
    assert "fence-site-b-1  start on site-a" in first
    then = image.run(("crm_simulate", "--xml-file", "/tmp/failed.xml", "--simulate"))
    assert "fence-site-b-1  start" not in then and "fence-site-b-1\t(stonith:fence_ipmilan):\t Stopped" in then, then


def test_order_and_togetherness(image: Image) -> None:
    """web follows db to its site, starts after it and stops before it."""
    file = image.configured(BOUND)
    assert image.run(("crm_verify", "--xml-file", file, "--verbose")) == ""
    begun = image.run(("crm_simulate", "--xml-file", file, "--simulate", "--save-output", f"{file}.run"))
    assert actions(begun, "start") == [("db", "site-b"), ("web", "site-b")]
    image.run(("pcs", "-f", f"{file}.run", "constraint", "location", "db", "avoids", "site-b=INFINITY"))
    moved = image.run(("crm_simulate", "--xml-file", f"{file}.run", "--simulate"))
    assert actions(moved, "stop") == [("web", "site-b"), ("db", "site-b")]


def actions(simulated: str, sort: str) -> list[tuple[str, str]]:
    """Workload and site of the actions of one sort, in the order in which the scheduler has them done."""
    words = [line.split("Resource action:")[1].split() for line in simulated.splitlines() if "Resource action:" in line]
    return [(name, act[-1]) for name, *act in words if act[0] == sort and not name.startswith(("fence-", "gone-"))]


def test_without_quorum_everything_stops(image: Image) -> None:
    _, running = image.after(image.configured(pair()))
    image.run(("sed", "-i", 's/have-quorum="1"/have-quorum="0"/', running))
    assert image.after(running)[0] == "Stopped"


def test_corosync_takes_its_file(image: Image) -> None:
    image.write("/tmp/corosync.conf", corosync_conf(pair()))
    image.run(("sh", "-c", "head -c 256 /dev/urandom > /tmp/authkey"),
              ("sed", "-i", "s,/etc/corosync/authkey,/tmp/authkey,", "/tmp/corosync.conf"))
    image.run(("corosync", "-t", "-c", "/tmp/corosync.conf"))


def test_ipmitool_is_given_the_file_and_never_a_password(image: Image) -> None:
    image.run(("sh", "-c", "printf '#!/bin/sh\\necho \"$@\"\\n' > /tmp/ipmitool && chmod +x /tmp/ipmitool"))
    image.run(("sh", "-c", "sed s,/usr/bin/ipmitool,/tmp/ipmitool, /usr/libexec/aos/ipmitool > /tmp/patched"))
    file = "/etc/aos/fencing/bmc/password"
    told = image.run(("sh", "/tmp/patched", "-U", "fence", "-P", file, "-C", "3", "chassis", "power"))
    assert told.split() == ["-U", "fence", "-f", file, "-C", "3", "chassis", "power"]
    refused = image.run(("sh", "-c", "sh /tmp/patched -P hunter2 chassis 2>&1 || true"))
    assert "must name the file" in refused and "hunter2" not in refused


def test_the_agent_is_where_pacemaker_looks_for_it(image: Image) -> None:
    metadata = image.run(("crm_resource", "--show-metadata", "ocf:aos:k8sdeployment"))
    assert 'resource-agent name="k8sdeployment"' in metadata
