"""Fencing by poison pill: a real sbd on a disk that both sites share, and an emulated watchdog for each.

The workload goes back and forth between the sites from test to test; each one begins wherever the one before left it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from k8sdeployment.pair import paths
from lab import pairing, pill, shell, waiting
from lab.calm import calm, explain
from lab.pill import Pill
from lab.service import answers, back
from lab.sites import Lab, Site
from lab.verdict_model import Expectations, Quiet, Verdict
from lab.watchdog import LIMIT
from tests.lab.conftest import Watch, held
from tests.lab.pairs import clean, peers, renewed, restored, uids, wait_devices, wait_takeover, with_workloads
from tests.lab.test_arbitrator import unheard
from tests.lab.test_changes import VICTIMS
from tests.lab.test_confirm import out_of_reach
from tests.lab.test_drill import drill
from tests.lab.test_lies import SHORT, last_recovery, unproven
from tests.lab.test_scenarios import KEPT, held_back, pods_on, rejoined, rest

Watching = Callable[..., Watch]
# The shared disk, as the peer's containers call it.
DISK = "/dev/snopair-pill"
# Seconds without service: the BMC's time-out and the message's time, 10 s each, and what any takeover takes.
TAKEOVER = 45.0
# sbd's processes give themselves titles: "sbd: inquisitor", "sbd: watcher: …".
SBD = "^sbd[: ]"
# What Pacemaker's log says of a pill of which it is not known that it is heard (fence_gone).
UNHEARD = "it is not known that the site hears its poison pill"
# Seconds within which the watchdog was fed last when sbd stopped, and within which it is looked at.
EARLY, LATE = 2.0, 3.0


def by_pill(lab: Lab, made: Pill) -> dict[str, Any]:
    """The lab's CR with one device more: first the BMC, then the poison pill."""
    whole = with_workloads(lab, fencing={"poisonPill": {"claim": made.claim, "watchdog": made.watchdog}})
    for site in whole["spec"]["sites"]:
        (bmc,) = site["fencing"]["devices"]
        site["fencing"]["devices"] = [{**bmc, "parameters": {**bmc["parameters"], **SHORT}}, {"agent": "fence_sbd"}]
    return whole


@dataclass(frozen=True)
class Switch:
    """What the oracle says of a pair's change of device, and whether the same pods run."""

    verdict: Verdict
    untouched: bool


@dataclass(frozen=True)
class Pilled:
    """The pair that fences by poison pill."""

    pill: Pill
    switch: Switch


@pytest.fixture(scope="module")
def pilled(pair: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pilled]:
    """Switched once for all tests, and back after the last."""
    restored(pair)
    calm(pair)
    made = pill.start(pair)
    try:
        seen = Watch(pair, tmp_path_factory.mktemp("pill") / "record.jsonl")
        yield Pilled(made, switched(pair, by_pill(pair, made), seen))
    finally:
        restored(pair)
        pill.stop(pair)


def switched(lab: Lab, whole: dict[str, Any], seen: Watch) -> Switch:
    """Give a calm pair a CR for which both peers are renewed, and wait until a takeover would work by it."""
    old, before = peers(lab), uids(lab)
    with seen:
        rest(lab)
        began = time.monotonic()
        pairing.change(lab, whole)
        waiting.until(renewed(lab, old), "both peers with sbd", 300, lambda: explain(lab))
        wait_devices(lab, whole)
        # The devices were in force before each site's peer had its sbd.
        pairing.cleanup(lab)
        rejoined(lab, 180)
        for condition in ("FencingProven", "PeerInSync", "TakeoverReady"):
            pairing.wait_for(lab, condition)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    return Switch(seen.verdict(bound=KEPT), uids(lab) == before)


def ready(lab: Lab, active: str) -> None:
    """The workload runs there, and would be taken over."""
    calm(lab, on=active)
    wait_takeover(lab)


def ended_first(verdict: Verdict, dead: str, heir: str, since: float) -> None:
    """By the oracle: whatever ran on the one site was gone before anything ran on the other."""
    ended = max(run.last for run in verdict.runs if run.site == dead and run.first < since)
    begun = min(run.first for run in verdict.runs if run.site == heir and run.first > since)
    assert ended < begun, (since, ended, begun)


# -- there -----------------------------------------------------------------------------------------------------------

def test_a_live_pair_takes_the_shared_disk(pair: Lab, pilled: Pilled) -> None:
    """Both peers are renewed with sbd beside them; no workload is touched, nobody is fenced, both hear the disk."""
    verdict = pilled.switch.verdict
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences and pilled.switch.untouched and not pods_on(verdict.runs, "site-b")
    for site in pair.sites.values():
        assert pairing.condition(site, "FencingProven")[0] == "True"
        said = site.peer(["sbd", "-d", DISK, "dump"], container="sbd")
        assert re.search(r"\(watchdog\) *: 5$", said, re.MULTILINE), said
        assert re.search(r"\(msgwait\) *: 10$", said, re.MULTILINE), said
        slots = [line.split()[1:3] for line in site.peer(["sbd", "-d", DISK, "list"], container="sbd").splitlines()]
        assert sorted(slots) == [["site-a", "clear"], ["site-b", "clear"]]


# -- the disk is lost ------------------------------------------------------------------------------------------------

@contextmanager
def wiped(disk: str, saved: Path) -> Iterator[None]:
    """The disk without sbd's header, and nothing else of it touched: the sector behind it holds who is on the disk."""
    _sector(disk, str(saved), "iflag=direct")
    try:
        _sector("/dev/zero", disk, "oflag=direct")
        yield
    finally:
        _sector(str(saved), disk, "oflag=direct")


def _sector(source: str, target: str, flag: str) -> None:
    shell.run(["dd", f"if={source}", f"of={target}", "bs=512", "count=1", "conv=notrunc,fsync", flag])


def test_a_disk_without_its_header_is_found_and_ends_nobody(
        pair: Lab, pilled: Pilled, watch: Watching, tmp_path: Path) -> None:
    """A drill and the next proof name the device; sbd lives on by Pacemaker's word, and so does the workload."""
    lab, site, name = pair, pair.sites["site-a"], "fence-site-b-2 (fence_sbd)"
    ready(lab, "site-a")
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        with wiped(pilled.pill.disk, tmp_path / "header"):
            code, said = drill(site)
            assert code == 1 and f"{name}: it does not tell" in said, said
            _prove_anew(site)
            waiting.until(lambda: unproven(site).startswith(name), "the device named in the status", 90,
                          lambda: str(pairing.condition(site, "FencingProven")))
            rest(lab, 2 * LIMIT)
        pairing.wait_for(lab, "FencingProven")
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences and not verdict.boots and not pods_on(verdict.runs, "site-b")


def _prove_anew(site: Site) -> None:
    """What was proven is asked again after minutes only, except by a conductor that has just begun."""
    site.run(["pkill", "-KILL", "-o", "-f", VICTIMS["conductor"]])


# -- a site is lost --------------------------------------------------------------------------------------------------

def test_power_cut_of_the_active_site(pair: Lab, pilled: Pilled, watch: Watching) -> None:
    """Its BMC has no power either. Nobody hears the message; when its time is over the site counts as ended."""
    lab, lost = pair, pair.sites["site-a"]
    ready(lab, "site-a")
    with watch() as seen:
        rest(lab)
        starts, began = (seen.told("site-b"),), time.monotonic()
        with out_of_reach((lab.sites["site-b"], lost)):
            lost.power("off")
            back(lab, "site-b", 90)
        lost.power("on")
        rejoined(lab, 180)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=TAKEOVER)
    held(verdict, "I1", "I2", "I3", "I4", "I8")
    assert not verdict.fences and pairing.where(lab) == "site-b"
    ended_first(verdict, "site-a", "site-b", began)


def test_the_loser_of_a_split_ends_itself(pair: Lab, pilled: Pilled, watch: Watching) -> None:
    """No way between the sites but the disk. The favoured site's message is read; it takes over, and says by what."""
    lab, winner, loser = pair, pair.sites["site-a"], pair.sites["site-b"]
    ready(lab, "site-b")
    alive, before = winner.pid(), last_recovery(winner)
    with watch() as seen:
        rest(lab)
        starts, began = (seen.told("site-a"),), time.monotonic()
        with (unheard(winner, by=loser.management), unheard(loser, by=winner.management),
              out_of_reach((winner, loser), (loser, winner))):
            lab.cut()
            waiting.until(lambda: loser.pid() is None, "the loser's end", 60, lambda: explain(lab))
            back(lab, "site-a", 90)
            assert loser.pid() is None, "nobody switches it on"
        lab.heal()
        loser.power("on")
        rejoined(lab, 180)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=TAKEOVER)
    held(verdict, "I1", "I2", "I3", "I4", "I8")
    assert [fence.site for fence in verdict.fences] == ["site-b"] and winner.pid() == alive
    assert not [event for event in seen.events() if event.what == "power-off"], "it was no watchdog either"
    ended_first(verdict, "site-b", "site-a", began)
    told = waiting.until(lambda: found if (found := last_recovery(winner)) != before else {},
                         "the recovery on record", 30)
    assert (told["origin"], told["target"], told["fencedBy"]) == ("site-b", "site-a", "fence-site-b-2")


def test_a_site_whose_sbd_hangs_is_ended_by_its_watchdog(pair: Lab, pilled: Pilled, watch: Watching) -> None:
    """It would read no message any more. Its watchdog does not wait for one, and the workload is taken over after."""
    lab, lost = pair, pair.sites["site-a"]
    ready(lab, "site-a")
    with watch() as seen:
        rest(lab)
        starts, began = (seen.told("site-b"),), time.monotonic()
        lab.event("fault", "site-a", "its sbd hangs")
        with out_of_reach((lab.sites["site-b"], lost)):
            lost.run(["pkill", "-STOP", "-f", SBD])
            waiting.until(lambda: lost.pid() is None, "the end of site-a", 60)
            back(lab, "site-b", 90)
        lost.power("on")
        rejoined(lab, 180)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=TAKEOVER)
    held(verdict, "I1", "I2", "I3", "I4", "I8")
    silent = next(event.mono for event in seen.events() if event.site == "site-a" and event.what == "watchdog"
                  and event.detail.startswith("silent"))
    assert LIMIT - EARLY < silent - began < LIMIT + LATE
    assert not verdict.fences, "it did not end itself"
    ended_first(verdict, "site-a", "site-b", began)


def test_a_site_whose_peer_went_in_maintenance_does_not_count_as_ended(
        pair: Lab, pilled: Pilled, watch: Watching) -> None:
    """In maintenance a peer may let go of its watchdog with the workload running. With all links cut then, and
    maintenance ended, nobody is left to hear the pill: nothing starts before another device has switched it off."""
    lab, active, passive = pair, pair.sites["site-b"], pair.sites["site-a"]
    ready(lab, "site-b")
    before = _unheard(passive)
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        with (unheard(passive, by=active.management), unheard(active, by=passive.management),
              out_of_reach((passive, active), (active, passive))):
            pairing.snopair(passive, "maintenance", "on")
            waiting.until(lambda: not _known(passive, "site-b"), "site-a counting on site-b's sbd no more", 30)
            with held_back(active):
                pairing.kubectl(active, "delete", "pod", "peer-0", "-n", pairing.NAMESPACE, "--wait=false")
                waiting.until(lambda: not active.run(["pgrep", "-f", SBD], check=False), "the end of sbd", 60)
                lab.cut()
                waiting.until(lambda: clean(lab, "site-b", "site-a") is not True, "the loss being noticed", 30)
                pairing.snopair(passive, "maintenance", "off", "--force")
                waiting.until(lambda: _unheard(passive) > before, "the pill that nobody heard", 120)
                assert answers(active) and not answers(passive)
        starts = (seen.told("site-a"),)
        back(lab, "site-a", 90)
        lab.heal()
        pairing.wait_online(lab, 240)
        pairing.cleanup(lab)  # the fence that failed
        rejoined(lab)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=TAKEOVER)
    held(verdict, "I1", "I2", "I4", "I8")
    assert [fence.site for fence in verdict.fences] == ["site-b"]
    ended_first(verdict, "site-b", "site-a", began)


def _known(site: Site, other: str) -> bool:
    return bool(site.peer(["ls", f"{paths.HEARD}/{other}"], check=False))


def _unheard(site: Site) -> int:
    """How often the site's Pacemaker was refused a pill's word."""
    return site.peer(["cat", paths.LOG]).count(UNHEARD)


# -- and back --------------------------------------------------------------------------------------------------------

def test_a_live_pair_lets_go_of_the_shared_disk(pair: Lab, pilled: Pilled, watch: Watching) -> None:
    lets_go(pair, watch, LIMIT)


def lets_go(lab: Lab, watch: Watching, limit: float) -> None:
    """IPMI again: the peers are renewed, sbd ends without its watchdog cutting anybody, the workload stays."""
    ready(lab, pairing.where(lab) or "site-a")
    active, before = pairing.where(lab), uids(lab)
    assert active is not None
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        restored(lab)
        rejoined(lab, 180)
        rest(lab, limit + LATE)
        seen.expect(Expectations(quiet=(Quiet(active, began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences and not verdict.boots and uids(lab) == before
    told = {event.site: event.detail for event in seen.events() if event.what == "watchdog"}
    assert told == {"site-a": "disarmed", "site-b": "disarmed"}, told
