"""Where a person must say that a site is off: `failover: Confirm`, both sites lost, no fence device in reach."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lab import pairing, waiting
from lab.calm import explain
from lab.errors import LabError
from lab.service import answers, back
from lab.sites import Lab, Site
from lab.verdict_model import Expectations, Quiet
from tests.lab.conftest import Watch, held
from tests.lab.pairs import armed, clean, settled, wait_takeover, with_workloads
from tests.lab.test_scenarios import KEPT, pods_on, rejoined, rest

Watching = Callable[..., Watch]


@pytest.fixture
def confirming(calm_pair: Lab) -> Lab:
    """The pair in which a person decides on every takeover. The next test's `calm_pair` sets it back."""
    lab = calm_pair
    pairing.change(lab, with_workloads(lab, failover={"mode": "Confirm"}))
    waiting.until(lambda: armed(lab, "confirm-") and settled(lab, app="site-a"),
                  "the person's word in place of the devices", 120, lambda: explain(lab))
    pairing.wait_for(lab, "PeerInSync")
    return lab


@contextmanager
def out_of_reach(*ways: tuple[Site, Site]) -> Iterator[None]:
    """For each (from, to): `to`'s BMC does not answer `from` any more, until the end or the next boot."""
    def rule(verb: str, site: Site, other: Site) -> None:
        site.run(["iptables", verb, "OUTPUT", "-d", other.plan.bmc, "-j", "DROP"], check=verb == "-A")
    for site, other in ways:
        rule("-A", site, other)
    try:
        yield
    finally:
        for site, other in ways:
            if site.pid() is not None:
                rule("-D", site, other)


def refused(site: Site, *words: str) -> str:
    """The sentence with which snopair refuses."""
    with pytest.raises(LabError, match="code 4") as said:
        pairing.snopair(site, *words)
    return str(said.value)


def test_09_both_off_and_one_back_starts_nothing_until_confirmed(calm_pair: Lab, watch: Watching) -> None:
    """It cannot know whether the other one runs: it waits, says what to do, and goes on once a person has said so."""
    lab, back_again, gone = calm_pair, calm_pair.sites["site-b"], calm_pair.sites["site-a"]
    with watch() as seen:
        rest(lab)
        for site in lab.sites.values():
            site.power("off")
        back_again.power("on")
        waiting.until(lambda: pairing.pair_status(lab), "Pacemaker on the site that is back", 120)
        waiting.until(lambda: "snopair confirm site-a" in _peer(back_again), "the status saying what to do", 60)
        rest(lab, 5)
        assert not answers(back_again)
        starts = (seen.told("site-b"),)
        said = pairing.snopair(back_again, "confirm", "site-a", timeout=120)
        back(lab, "site-b", 60)
        gone.power("on")
        rejoined(lab, 180)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    assert "counts as off by your word" in said
    verdict = seen.verdict(bound=300)
    held(verdict, "I1", "I2", "I8")
    assert not verdict.fences and pairing.where(lab) == "site-b"


def _peer(site: Site) -> str:
    try:
        return pairing.condition(site, "PeerOnline")[1]
    except LabError:
        return ""


def test_14_split_with_no_bmc_in_reach_moves_nothing_and_heals(calm_pair: Lab, watch: Watching) -> None:
    """Nobody can be fenced: the workload stays where it is, and the links that come back are all it needs."""
    lab, site, other = calm_pair, calm_pair.sites["site-a"], calm_pair.sites["site-b"]
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        with out_of_reach((site, other), (other, site)):
            lab.cut()
            waiting.until(lambda: clean(lab, "site-b", "site-a") is None and clean(lab, "site-a", "site-b") is None,
                          "the split", 60)
            rest(lab, 8)
            lab.heal()
            pairing.wait_online(lab, 120)
            rest(lab, 5)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab, 5)
        assert pairing.wait_online(lab, 10) < 5
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences and not pods_on(verdict.runs, "site-b")


def test_14_the_active_site_lost_and_no_bmc_in_reach_until_confirmed(calm_pair: Lab, watch: Watching) -> None:
    """The survivor waits; a person switches the lost site off by hand, and says so."""
    lab, lost, survivor = calm_pair, calm_pair.sites["site-a"], calm_pair.sites["site-b"]
    wait_takeover(lab)
    with watch() as seen:
        rest(lab)
        with out_of_reach((survivor, lost)):
            lost.power("off")
            waiting.until(lambda: clean(lab, "site-a", "site-b") is None, "the loss", 60)
            rest(lab, 5)
            assert not answers(survivor)
            starts = (seen.told("site-b"),)
            said = pairing.snopair(survivor, "confirm", "site-a", timeout=200)
            back(lab, "site-b", 60)
        lost.power("on")
        # Not `rejoined`: Pacemaker remembers the fences that failed, and rightly so.
        pairing.wait_online(lab, 180)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    assert "counts as off by your word" in said
    told = json.loads(pairing.snopair(survivor, "history", "-o", "json"))["recoveries"][0]
    assert (told["origin"], told["fencedBy"]) == ("site-a", "a person")
    verdict = seen.verdict(bound=300)
    held(verdict, "I1", "I2", "I8")
    assert not verdict.fences and pairing.where(lab) == "site-b"


def test_15_the_bmc_out_of_reach_for_the_favoured_site_alone(calm_pair: Lab, watch: Watching) -> None:
    """Who should win cannot shoot; the other one does, when its wait is over. One fence, never two copies."""
    lab, favoured, other = calm_pair, calm_pair.sites["site-a"], calm_pair.sites["site-b"]
    with watch() as seen:
        rest(lab)
        starts = (seen.told("site-b"),)
        with out_of_reach((favoured, other)):
            lab.cut()
            back(lab, "site-b", 60)
            lab.heal()
        rejoined(lab, 180)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=30)
    held(verdict, "I1", "I2", "I4", "I8")
    assert [fence.site for fence in verdict.fences] == ["site-a"]


def test_confirm_a_split_moves_nothing_and_a_person_takes_over(confirming: Lab, watch: Watching) -> None:
    """Nothing is fenced by itself; the word is refused while the other site is on; with --fence it is switched off."""
    lab, lost, survivor = confirming, confirming.sites["site-a"], confirming.sites["site-b"]
    with watch() as seen:
        rest(lab)
        assert "is alive" in refused(survivor, "confirm", "site-a")
        began = time.monotonic()
        lab.cut()
        waiting.until(lambda: clean(lab, "site-a", "site-b") is None, "the split", 60)
        waiting.until(lambda: "snopair confirm site-a" in _peer(survivor), "the status saying what to do", 60)
        rest(lab, 8)
        assert "fence-site-a-1 says that its power is on" in refused(survivor, "confirm", "site-a")
        assert answers(lost) and not answers(survivor)
        kept = Quiet("site-a", began, time.monotonic())
        starts = (seen.told("site-b"),)
        pairing.snopair(survivor, "confirm", "site-a", "--fence", timeout=120)
        back(lab, "site-b", 60)
        lab.heal()
        lost.power("on")
        rejoined(lab, 180)
        seen.expect(Expectations(starts=starts, quiet=(kept,)))
        rest(lab)
    verdict = seen.verdict(bound=60)
    held(verdict, "I1", "I2", "I7", "I8")
    assert [fence.site for fence in verdict.fences] == ["site-a"]


def test_confirm_a_lost_site_that_comes_back_by_itself_needs_no_word(confirming: Lab, watch: Watching) -> None:
    """The links come back: the pair is whole again, nothing was moved or fenced."""
    lab = confirming
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        lab.cut()
        waiting.until(lambda: clean(lab, "site-a", "site-b") is None, "the split", 60)
        rest(lab, 5)
        lab.heal()
        pairing.wait_online(lab, 180)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences
