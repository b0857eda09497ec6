"""A third vote, by a real corosync-qnetd: how a pair comes to it, what it decides, and scenario 33, its loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab import pairing, waiting
from lab.calm import awake, calm, explain
from lab.errors import LabError
from lab.service import answers, back
from lab.sites import Lab, Site
from lab.verdict_model import Expectations, Quiet
from tests.lab.conftest import Watch, held
from tests.lab.pairs import CONVERGE, peers, renewed, renews_no_more, restored, uids, wait_takeover, with_workloads
from tests.lab.test_scenarios import ELECTED, KEPT, pods_on, rejoined, rest

Watching = Callable[..., Watch]
# Seconds until a site knows that an arbitrator says nothing any more, and its conductor has told it.
NOTICED = 60


def arbitrated_cr(lab: Lab) -> dict[str, Any]:
    """The lab's CR with the third vote."""
    return with_workloads(lab, quorum={"mode": "Arbitrator", "arbitrator": {
        "host": lab.arbitrator.address, "secretRef": {"name": "arbitrator"}}})


def give_secret(lab: Lab) -> None:
    """What a person does before the switch: the arbitrator's Secret, on both sites."""
    secret = lab.arbitrator.secret("pair")
    for site in lab.sites.values():
        pairing.kubectl(site, "apply", "--server-side", "--force-conflicts", "-f", "-", input=secret)


def in_force(lab: Lab, whole: dict[str, Any]) -> None:
    """Until both peers run with the CR's votes and could take over."""
    waiting.until(lambda: all(renews_no_more(site, whole) for site in lab.sites.values()), "both peers renewed",
                  CONVERGE, lambda: explain(lab))
    rejoined(lab, 180)
    wait_takeover(lab)


def votes(site: Site) -> str:
    """Corosync's own words; it says by its exit code whether there is quorum, too."""
    return site.peer(["sh", "-c", "corosync-quorumtool -s || true"], container="corosync")


def voting(site: Site, total: int) -> None:
    """Until it counts so many votes."""
    waiting.until(lambda: f"Total votes:      {total}" in votes(site), f"{total} votes on {site.name}", 30,
                  lambda: votes(site))


def lacks_secret(site: Site) -> None:
    """Until it says so."""
    waiting.until(lambda: "Secret arbitrator is missing" in str(pairing.resource(site).get("status")),
                  f"{site.name} saying what is missing", 60)


def quorate(site: Site) -> bool:
    return "Quorate:          Yes" in votes(site)


def lose_both(lab: Lab, gone: Site, left: Site) -> None:
    """The arbitrator and a site at once, until the other site knows that it has one vote of three."""
    lab.arbitrator.power("off")
    gone.power("off")
    waiting.until(lambda: not quorate(left), "quorum lost", 60)


@pytest.fixture
def arbitrated(pair: Lab) -> Lab:
    """The pair with the third vote, in its ordinary state. It stays so until a test's `calm_pair` sets it back."""
    lab, whole = pair, arbitrated_cr(pair)
    lab.arbitrator.power("on")
    awake(lab)
    if not all(renews_no_more(site, whole) for site in lab.sites.values()):
        restored(lab)
        give_secret(lab)
        pairing.change(lab, whole)
        in_force(lab, whole)
    calm(lab)
    wait_takeover(lab)
    return lab


@contextmanager
def unheard(*sites: Site, by: str) -> Iterator[None]:
    """What these sites send to the arbitrator is lost, and nobody is told."""
    def rule(verb: str, site: Site) -> None:
        site.run(["iptables", verb, "OUTPUT", "-d", by, "-j", "DROP"], check=verb == "-A")
    for site in sites:
        rule("-A", site)
    try:
        yield
    finally:
        for site in sites:
            if site.pid() is not None:
                rule("-D", site)


def degraded(site: Site) -> str:
    """What the site's conductor says is broken."""
    try:
        status, message = pairing.condition(site, "Degraded")
    except LabError:
        return ""
    return message if status == "True" else ""


def notices(*sites: Site) -> None:
    """Until each of them says that it misses the arbitrator."""
    for site in sites:
        _notices(site)


def _notices(site: Site) -> None:
    waiting.until(lambda: "arbitrator" in degraded(site), f"{site.name} missing the arbitrator", NOTICED,
                  lambda: degraded(site))


def lone(lab: Lab, gone: str) -> bool:
    """Whether the other site is taken for off."""
    view = pairing.pair_status(lab)
    return bool(view and view.quorate and not view.nodes[gone].online and view.nodes[gone].clean)


# -- there -------------------------------------------------------------------------------------------------------------

def test_a_pair_waits_for_the_arbitrators_secret(calm_pair: Lab, watch: Watching) -> None:
    """Without the Secret no peer is renewed: its new pod would never start, and the site would be fenced."""
    lab, old = calm_pair, peers(calm_pair)
    for site in lab.sites.values():
        pairing.kubectl(site, "delete", "secret", "arbitrator", "-n", pairing.NAMESPACE, "--ignore-not-found")
    with watch() as seen:
        pairing.change(lab, arbitrated_cr(lab))
        for site in lab.sites.values():
            lacks_secret(site)
        rest(lab, 6)
        assert peers(lab) == old
        pairing.change(lab, pairing.document(lab))
        pairing.wait_for(lab, "PeerInSync")
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3")
    assert not verdict.fences and peers(lab) == old


def test_a_live_pair_takes_an_arbitrator(calm_pair: Lab, watch: Watching) -> None:
    """Both peers are renewed, one after the other; no workload is moved or restarted, nobody is fenced."""
    give_secret(calm_pair)
    switched(calm_pair, watch, arbitrated_cr(calm_pair), 3)


def switched(lab: Lab, watch: Watching, whole: dict[str, Any], total: int) -> None:
    """Give a calm pair other votes, so many in all, while the oracle looks on."""
    old, before = peers(lab), uids(lab)
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        pairing.change(lab, whole)
        waiting.until(renewed(lab, old), "both peers renewed", 300, lambda: explain(lab))
        in_force(lab, whole)
        for site in lab.sites.values():
            voting(site, total)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences and uids(lab) == before


# -- scenario 33: the arbitrator is away -------------------------------------------------------------------------------

def test_33_the_arbitrator_lost_moves_nothing(arbitrated: Lab, watch: Watching) -> None:
    """Two votes of three are left: both sites say what they miss, and nothing else happens."""
    lab = arbitrated
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        lab.arbitrator.power("off")
        notices(*lab.sites.values())
        rest(lab, 6)
        assert all(quorate(site) for site in lab.sites.values())
        lab.arbitrator.power("on")
        pairing.wait_for(lab, "TakeoverReady", timeout=NOTICED)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences and not pods_on(verdict.runs, "site-b")


@pytest.mark.parametrize("side", ["site-a", "site-b"])
def test_33_the_arbitrator_out_of_reach_of_one_side_moves_nothing(
        arbitrated: Lab, watch: Watching, side: str) -> None:
    """The sites see each other, so that the one that is cut off has the other's vote."""
    lab = arbitrated
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        with unheard(lab.sites[side], by=lab.arbitrator.address):
            notices(lab.sites[side])
            rest(lab, 6)
            assert all(quorate(site) for site in lab.sites.values())
        pairing.wait_for(lab, "TakeoverReady", timeout=NOTICED)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences and not pods_on(verdict.runs, "site-b")


def test_33_lost_together_with_the_active_site_is_not_taken_over(arbitrated: Lab, watch: Watching) -> None:
    """Nobody starts anything, nobody is fenced, and the status says why; once the arbitrator is back, it goes on."""
    lab, lost, survivor = arbitrated, arbitrated.sites["site-a"], arbitrated.sites["site-b"]
    with watch() as seen:
        rest(lab)
        lose_both(lab, lost, survivor)
        waiting.until(lambda: "the arbitrator" in pairing.condition(survivor, "PeerOnline")[1], "the reason", 60,
                      lambda: str(pairing.condition(survivor, "PeerOnline")))
        rest(lab, 6)
        assert not answers(survivor) and lost.pid() is None, "it was fenced, for the fence would have switched it on"
        starts = (seen.told("site-b"),)
        lab.arbitrator.power("on")
        back(lab, "site-b", 90)
        rejoined(lab, 180)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=300)
    held(verdict, "I1", "I2", "I8")
    assert [fence.site for fence in verdict.fences] == ["site-a"] and pairing.where(lab) == "site-b"


def test_33_lost_together_with_the_active_site_until_a_person_confirms(arbitrated: Lab, watch: Watching) -> None:
    """No arbitrator will come: a person makes sure that the other site is off, and says so."""
    lab, lost, survivor = arbitrated, arbitrated.sites["site-a"], arbitrated.sites["site-b"]
    with watch() as seen:
        rest(lab)
        lose_both(lab, lost, survivor)
        rest(lab, 5)
        assert not answers(survivor)
        starts = (seen.told("site-b"),)
        pairing.snopair(survivor, "confirm", "site-a", timeout=120)
        back(lab, "site-b", 60)
        lost.power("on")
        rejoined(lab, 180)
        lab.arbitrator.power("on")
        wait_takeover(lab)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=300)
    held(verdict, "I1", "I2", "I8")
    assert not verdict.fences and pairing.where(lab) == "site-b"
    assert all("Total votes:      3" in votes(site) and "Quorum:           2" in votes(site)
               for site in lab.sites.values())


def test_33_lost_together_with_the_passive_site_stops_until_one_of_them_is_back(
        arbitrated: Lab, watch: Watching) -> None:
    """A site that might be the lonely half of a split stops; two sites that see each other need no arbitrator."""
    lab, active, other = arbitrated, arbitrated.sites["site-a"], arbitrated.sites["site-b"]
    with watch() as seen:
        rest(lab)
        starts = [seen.told("site-a")]
        lose_both(lab, other, active)
        waiting.until(lambda: not answers(active), "the workload stopped", 60)
        rest(lab, 6)
        assert not answers(active) and other.pid() is None
        starts += [seen.told("site-a"), seen.told("site-b")]
        other.power("on")
        rejoined(lab, 240)
        waiting.until(lambda: any(map(answers, lab.sites.values())), "the service back", 60)
        seen.expect(Expectations(starts=tuple(starts)))
        rest(lab)
    verdict = seen.verdict(bound=400)
    held(verdict, "I1", "I2", "I8")
    assert not verdict.fences


# -- what it is for ----------------------------------------------------------------------------------------------------

def test_the_favoured_site_lost_is_taken_over(arbitrated: Lab, watch: Watching) -> None:
    """With the arbitrator's vote the other one goes on: one fence, and the service is back."""
    lab = arbitrated
    with watch() as seen:
        rest(lab)
        starts = (seen.told("site-b"),)
        lab.sites["site-a"].power("off")
        back(lab, "site-b", 45)
        rejoined(lab, 180)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=30)
    held(verdict, "I1", "I2", "I3", "I4", "I8")
    assert [fence.site for fence in verdict.fences] == ["site-a"]


@pytest.mark.parametrize("active", ["site-a", "site-b"])
def test_a_split_with_the_arbitrator_in_reach(arbitrated: Lab, watch: Watching, active: str) -> None:
    """The favoured site goes on, the other one is fenced once; booted while the links are cut, it starts and fences
    nothing, for the arbitrator's vote stays where it is."""
    lab, kept = arbitrated, active == "site-a"
    calm(lab, on=active)
    with watch() as seen:
        rest(lab)
        starts = (seen.told("site-a"), seen.told("site-b"))
        began = time.monotonic()
        lab.cut()
        waiting.until(lambda: lone(lab, "site-b"), "site-b fenced", 60, lambda: explain(lab))
        back(lab, "site-a", 60)
        loser = lab.sites["site-b"]
        waiting.until(lambda: loser.pid() is not None and "running" in loser.peer(
            ["crmadmin", "--quiet", "--pacemakerd"], check=False), "the loser's Pacemaker", 180)
        rest(lab, ELECTED)
        assert not quorate(loser) and not answers(loser) and quorate(lab.sites["site-a"])
        lab.heal()
        rejoined(lab, 180)
        seen.expect(Expectations(starts=starts, quiet=(Quiet("site-a", began, time.monotonic()),) if kept else ()))
        rest(lab)
    verdict = seen.verdict(bound=KEPT if kept else 30)
    held(verdict, "I1", "I2", "I3", "I4", *(("I7",) if kept else ()))
    assert [fence.site for fence in verdict.fences] == ["site-b"] and pairing.where(lab) == "site-a"


# -- and back ----------------------------------------------------------------------------------------------------------

def test_a_live_pair_lets_go_of_its_arbitrator(arbitrated: Lab, watch: Watching) -> None:
    switched(arbitrated, watch, pairing.document(arbitrated), 2)
