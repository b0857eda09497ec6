"""Fence devices that do not do what they should: one that confirms what it did not do, one that nobody answers for."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from k8sdeployment.pair import paths
from k8sdeployment.pair.lies import LIED
from lab import pairing, waiting
from lab.calm import calm
from lab.errors import LabError
from lab.service import answers, back
from lab.sites import Lab, Site
from lab.verdict_model import Expectations, Quiet
from tests.lab.conftest import Watch, held
from tests.lab.pairs import restored, wait_devices
from tests.lab.test_scenarios import KEPT, pods_on, rest

Watching = Callable[..., Watch]
# The agent has to say nothing within this time, so that the next device has its turn.
SHORT = {"pcmk_off_timeout": "10s", "pcmk_off_retries": "1", "pcmk_reboot_timeout": "10s", "pcmk_reboot_retries": "1",
         "pcmk_monitor_timeout": "10s", "pcmk_monitor_retries": "1", "ipmitool_timeout": "1"}
DEAD = "fence-site-b-2 (fence_ipmilan): fence_ipmilan failed (1): "


def armed_with(lab: Lab, site: int, devices: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> None:
    """Give a site other fence devices, made of its own one, and wait until they are in force."""
    whole = pairing.document(lab)
    fencing = whole["spec"]["sites"][site]["fencing"]
    fencing["devices"] = devices(fencing["devices"][0])
    pairing.change(lab, whole)
    wait_devices(lab, whole)


def put_right(lab: Lab) -> None:
    """The lab's own devices again, and what Pacemaker remembers of the others forgotten."""
    restored(lab)
    pairing.cleanup(lab)


# -- a device that lies ----------------------------------------------------------------------------------------------

@contextmanager
def lying(site: Site) -> Iterator[None]:
    """Its device, of whatever kind, confirms what it is told to do, and does nothing."""
    site.bmc_lies(True)
    try:
        yield
    finally:
        site.bmc_lies(False)


@pytest.fixture
def righted(calm_pair: Lab) -> Iterator[Lab]:
    """The pair, put right afterwards."""
    try:
        yield calm_pair
    finally:
        put_right(calm_pair)


def test_a_device_that_lies_starts_nothing_twice_and_is_named(righted: Lab, watch: Watching) -> None:
    """site-b is told to fence the site that serves, and a drill does so, too: its BMC says that it is off. It counts
    again once it has fenced for real."""
    lab, site, other = righted, righted.sites["site-a"], righted.sites["site-b"]
    with lying(site), watch() as seen:
        rest(lab)
        began = time.monotonic()
        lied(site, other, "fence-site-a-1 (fence_ipmilan)")
        assert _proven(site), "its own devices are not concerned"
        rest(lab, 5)
        assert answers(site) and not answers(other)
        drill = drilled(other)
        assert not drill["good"] and "fence-site-a-1 said that site-a is off, but a link to it is still connected" in (
            drill["message"]), drill
        rest(lab, 5)
        assert answers(site) and not answers(other)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I7")
    assert not verdict.fences and not pods_on(verdict.runs, "site-b")
    drill = drilled(other)
    assert drill["good"], drill
    waiting.until(lambda: _proven(other), "the device counting again", 60)


def lied(target: Site, by: Site, device: str) -> None:
    """Have a site told to fence the other one, whose device lies: that is not believed, and the device named."""
    with pytest.raises(LabError, match=f"Couldn't fence {target.name}"):
        by.peer(["stonith_admin", "--reboot", target.name, "--timeout", "60"], timeout=150)
    said = waiting.until(lambda: unproven(by), "the lie in the status", 30)
    assert f"{device}: {LIED}" in said


def drilled(site: Site) -> dict[str, Any]:
    """What a drill that fences the other site says, also when it finds a fault. Forced: a liar is no proven device."""
    found: dict[str, Any] = json.loads(site.peer(
        ["snopair", "drill", "--fence", "--takeover", "--force", "-o", "json"], container="conductor", timeout=400,
        check=False))
    return found


def unproven(site: Site) -> str:
    """Why the site's conductor takes fencing for not proven; "" while it does not."""
    truth, message = pairing.condition(site, "FencingProven")
    return message if truth == "False" else ""


def _proven(site: Site) -> bool:
    return pairing.condition(site, "FencingProven")[0] == "True"


# -- a device that is dead, in one level with another; a second level ------------------------------------------------

def dead(bmc: dict[str, Any]) -> dict[str, Any]:
    """A BMC at whose address nobody answers."""
    nobody = f"{bmc['parameters']['ip'].rpartition('.')[0]}.250"
    return {**bmc, "parameters": {**bmc["parameters"], **SHORT, "ip": nobody}}


def hung(lab: Lab, watch: Watching) -> dict[str, Any]:
    """The recovery on record, after site-b's Corosync hangs and its workload goes on: it runs on site-a, once."""
    lost, survivor = lab.sites["site-b"], lab.sites["site-a"]
    before = last_recovery(survivor)
    with watch() as seen:
        rest(lab)
        starts = (seen.told("site-a"),)
        lab.event("fault", "site-b", "its Corosync hangs")
        lost.peer(["sh", "-c", "kill -STOP $(pidof corosync)"], container="corosync")
        back(lab, "site-a", 150)
        pairing.wait_online(lab, 180)
        seen.expect(Expectations(starts=starts))
        rest(lab, 5)
    verdict = seen.verdict(bound=120)
    held(verdict, "I1", "I2", "I3", "I4", "I8")
    assert [fence.site for fence in verdict.fences] == ["site-b"]
    assert len(pods_on(verdict.runs, "site-a")) == 1 and pairing.where(lab) == "site-a"
    told: dict[str, Any] = waiting.until(lambda: found if (found := last_recovery(survivor)) != before else {},
                                         "the recovery on record", 30)
    assert (told["origin"], told["target"]) == ("site-b", "site-a")
    return told


@pytest.fixture
def half_dead(calm_pair: Lab) -> Iterator[Lab]:
    """The workload runs on site-b. Its first level is its BMC together with a device that nobody answers for, the
    second level is the BMC again. The pair is never without failures: the start of the dead device stays failed in
    Pacemaker."""
    calm(calm_pair, on="site-b")
    try:
        armed_with(calm_pair, 1, lambda bmc: [{**bmc, "level": 1}, {**dead(bmc), "level": 1}, {**bmc, "level": 2}])
        yield calm_pair
    finally:
        put_right(calm_pair)


def test_a_level_of_which_one_device_is_dead_confirms_nothing_and_the_next_one_does(
        half_dead: Lab, watch: Watching) -> None:
    """The site is off after the first device, and nothing starts until the second level has said so."""
    lab, survivor = half_dead, half_dead.sites["site-a"]
    said = waiting.until(
        lambda: unproven(survivor) if _good(survivor) == {"fence-site-b-1", "fence-site-b-3"} else "",
        "the dead device named in the status, the others proven", 150,
        lambda: str(pairing.condition(survivor, "FencingProven")))
    assert said.startswith(DEAD) and "fence-site-b-1" not in said and "fence-site-b-3" not in said, said
    # The agent puts the time into what it says.
    assert any(one.startswith(f"fencing is not proven: {DEAD}") for one in _status(survivor)["attention"])
    assert _proven(lab.sites["site-b"]), "it can fence site-a"
    waiting.until(lambda: pairing.condition(survivor, "TakeoverReady")[0] == "True", "the second level to count", 30,
                  lambda: str(pairing.condition(survivor, "TakeoverReady")))
    begin = len(survivor.peer(["cat", paths.LOG]))
    assert hung(lab, watch)["fencedBy"] == "fence-site-b-3"
    did = re.findall(r"Operation 'off' \[\d+\] targeting site-b using (\S+) returned (\d+)",
                     survivor.peer(["cat", paths.LOG])[begin:])
    assert did[0] == ("fence-site-b-1", "0") and did[-1] == ("gone-site-b-3", "0"), did
    assert ("fence-site-b-2", "0") not in did and "gone-site-b-1.2" not in dict(did), did


def _status(site: Site) -> dict[str, Any]:
    """What `snopair status` says on this site; its exit code tells only that there is something to look at."""
    found: dict[str, Any] = json.loads(site.peer(["snopair", "status", "-o", "json"], container="conductor",
                                                 check=False))
    return found


def _good(site: Site) -> set[str]:
    """The devices whose last proof was good."""
    return set(_status(site)["fencing"]["devices"])


def last_recovery(site: Site) -> dict[str, Any]:
    """The newest that this site has on record; {} while there is none."""
    found = json.loads(pairing.snopair(site, "history", "-o", "json"))["recoveries"]
    return dict(found[0]) if found else {}
