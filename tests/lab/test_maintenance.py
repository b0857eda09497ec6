"""Work on a running pair: the peer taken away on purpose, a site emptied, maintenance; numbers of docs/scenarios.md."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import pairing, waiting
from lab.calm import explain, failures, quiet
from lab.service import answers, back
from lab.sites import Lab, Site
from lab.verdict_model import Expectations, Quiet
from tests.lab.conftest import Watch, held
from tests.lab.pairs import clean, pod_uid, wait_takeover
from tests.lab.test_scenarios import KEPT, both_online, pods_on, rejoined, rest

Watching = Callable[[], Watch]
WORKLOAD = pairing.WORKLOAD
ROOT = Path(__file__).parents[2]


@pytest.fixture
def maintained(calm_pair: Lab) -> Iterator[Lab]:
    """The calm pair, with maintenance mode on; off at the end whatever happened."""
    pairing.snopair(calm_pair.sites["site-b"], "maintenance", "on")
    yield calm_pair
    view = pairing.pair_status(calm_pair)
    if view is None or view.maintenance:
        pairing.snopair(calm_pair.sites["site-b"], "maintenance", "off", "--force")


def leave(site: Site) -> str:
    """Delete the site's peer; the UID of the pod that goes. Returns at once."""
    gone = pod_uid(site)
    pairing.kubectl(site, "delete", "pod", "peer-0", "-n", pairing.NAMESPACE, "--wait=false")
    return gone


def test_03_peer_of_the_passive_site_deleted(calm_pair: Lab, watch: Watching) -> None:
    """Scenario 3: the passive site leaves in order and comes back; nobody notices."""
    with watch() as seen:
        rest(calm_pair)
        began, site = time.monotonic(), calm_pair.sites["site-b"]
        gone = leave(site)
        waiting.until(lambda: clean(calm_pair, "site-b", "site-a") is False, "site-b leaving", 60)
        waiting.until(lambda: pod_uid(site) not in ("", gone), "a new peer", 60)
        rejoined(calm_pair)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(calm_pair)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences


def test_04_peer_of_the_active_site_restarted_on_purpose(maintained: Lab, watch: Watching) -> None:
    """Scenario 4: under maintenance the peer of the active site goes and comes back; its workload notices nothing."""
    lab, site = maintained, maintained.sites["site-a"]
    with watch() as seen:
        rest(lab)
        began, gone = time.monotonic(), leave(site)
        waiting.until(lambda: clean(lab, "site-a", "site-b") is None, "site-a leaving uncleanly", 60)
        waiting.until(lambda: pod_uid(site) not in ("", gone), "a new peer", 60)
        rejoined(lab)
        pairing.snopair(site, "maintenance", "off")
        rest(lab, 5)
        waiting.until(lambda: quiet(lab), "a pair without failures", 60, lambda: explain(lab))
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences and pairing.where(lab) == "site-a"


def test_04_maintenance_ended_before_the_peer_is_back(maintained: Lab, watch: Watching) -> None:
    """Scenario 4's twin: whoever ends maintenance too early gets a fence, and never a second copy."""
    lab, site, other = maintained, maintained.sites["site-a"], maintained.sites["site-b"]
    with watch() as seen:
        rest(lab)
        starts = (seen.told("site-b"),)
        lab.event("fault", "site-a", "its peer deleted under maintenance, which is then ended at once")
        leave(site)
        waiting.until(lambda: clean(lab, "site-a", "site-b") is None, "site-a leaving uncleanly", 60)
        assert answers(site), "the workload must still run there, else this shows nothing"
        pairing.snopair(other, "maintenance", "off", "--force")
        back(lab, "site-b", 60)
        rejoined(lab)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=20)
    held(verdict, "I1", "I2", "I3", "I4", "I8")
    assert [fence.site for fence in verdict.fences] == ["site-a"]
    fenced, taken = verdict.fences[0].asked, min(run.first for run in verdict.runs if run.site == "site-b")
    assert fenced < taken


def test_02_the_active_site_emptied_and_given_back(calm_pair: Lab, watch: Watching) -> None:
    """Scenario 2: evict and return; the workload stays where it went, since its failback is Manual."""
    lab, site = calm_pair, calm_pair.sites["site-a"]
    wait_takeover(lab)
    with watch() as seen:
        starts = (seen.told("site-b"),)
        pairing.snopair(site, "evict", "site-a")
        back(lab, "site-b", 10)
        began = time.monotonic()
        pairing.snopair(site, "return", "site-a")
        rest(lab, 5)
        seen.expect(Expectations(starts=starts, quiet=(Quiet("site-b", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=5)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences and pairing.where(lab) == "site-b"


def test_31_changes_by_hand_under_maintenance(maintained: Lab, watch: Watching) -> None:
    """Scenario 31: what a person stops under maintenance stays down; when it ends the cluster finds out and repairs."""
    lab, site = maintained, maintained.sites["site-a"]
    with watch() as seen:
        rest(lab)
        before = len(pods_on(seen.verdict().runs, "site-a"))
        site.kubectl("scale", "deployment", WORKLOAD, "--replicas=0")
        waiting.until(lambda: not answers(site), "the workload stopping", 30)
        rest(lab, 25)
        assert not any(map(answers, lab.sites.values())), "maintenance must leave alone what a person stopped"
        starts = (seen.told("site-a"), seen.told("site-b"))
        pairing.snopair(site, "maintenance", "off")
        waiting.until(lambda: any(map(answers, lab.sites.values())), "the workload back", 60, lambda: explain(lab))
        seen.expect(Expectations(starts=starts))
        rest(lab, 5)
    verdict = seen.verdict(bound=90)
    held(verdict, "I1", "I2", "I3")
    assert before == 1 and not verdict.fences
    assert failures(lab) == () or all("monitor" in one for one in failures(lab))


def test_a_peer_that_goes_while_its_workload_is_unmanaged(calm_pair: Lab, watch: Watching) -> None:
    """What Pacemaker would not stop must not be left behind in order: the site is fenced before anything starts."""
    lab, site, other = calm_pair, calm_pair.sites["site-a"], calm_pair.sites["site-b"]
    other.peer(["pcs", "resource", "unmanage", WORKLOAD])
    try:
        with watch() as seen:
            rest(lab)
            starts = (seen.told("site-b"),)
            lab.event("fault", "site-a", "its peer deleted while its workload is unmanaged")
            leave(site)
            waiting.until(lambda: clean(lab, "site-a", "site-b") is None, "site-a leaving uncleanly", 60)
            other.peer(["pcs", "resource", "manage", WORKLOAD])
            back(lab, "site-b", 60)
            rejoined(lab)
            seen.expect(Expectations(starts=starts))
            rest(lab)
    finally:
        other.peer(["pcs", "resource", "manage", WORKLOAD])
    verdict = seen.verdict(bound=30)
    held(verdict, "I1", "I2", "I4")
    assert [fence.site for fence in verdict.fences] == ["site-a"]
    assert verdict.fences[0].asked < min(run.first for run in verdict.runs if run.site == "site-b")


def handover(call: str) -> list[str]:
    """A command of the host's own unit, as systemd would run it."""
    unit = (ROOT / "deploy/host/aos-handover.service").read_text()
    (line,) = [line.partition("=")[2] for line in unit.splitlines() if line.startswith(f"{call}=")]
    return shlex.split(line)


def hands_over(lab: Lab, passive: Site) -> None:
    """Stop the passive site's unit: returns once it has left in order, by the other site's word."""
    passive.run(handover("ExecStop"), timeout=120)
    (other,) = lab.sites.keys() - {passive.name}
    waiting.until(lambda: clean(lab, passive.name, other) is False, f"{passive.name} leaving", 30)


def test_a_reboot_hands_over_first_and_is_not_fenced(calm_pair: Lab, watch: Watching) -> None:
    """The host's unit stops: the site hands its workload over, leaves in order, stays away; then the power goes."""
    lab, site = calm_pair, calm_pair.sites["site-a"]
    wait_takeover(lab)
    with watch() as seen:
        rest(lab)
        starts = (seen.told("site-b"),)
        try:
            site.run(handover("ExecStop"), timeout=120)
            assert not answers(site), "it ran on when the unit's stop was done"
            assert clean(lab, "site-a", "site-b") is False, "left in order"
            back(lab, "site-b", 10)  # the other one may still be starting it
            rest(lab, 5)
            site.power("off")
            rest(lab, 5)
        finally:
            _rebooted(site)
        rejoined(lab, 180)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=10)
    held(verdict, "I1", "I2", "I3", "I8")
    assert not verdict.fences and pairing.where(lab) == "site-b"


def _rebooted(site: Site) -> None:
    """Whatever failed: the site comes back without the mark by which it stays away."""
    if site.pid() is not None:
        site.run(["rm", "-f", "/run/aos/leaving"])
    else:
        site.power("on")


def test_a_shutdown_that_does_not_come_is_taken_back(calm_pair: Lab, watch: Watching) -> None:
    """The host's unit stops and starts again, as when somebody tries it out: the site joins again by itself."""
    lab, site = calm_pair, calm_pair.sites["site-b"]
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        hands_over(lab, site)
        site.run(handover("ExecStart"))
        rejoined(lab)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences


def test_20_site_joins_while_its_api_is_away(calm_pair: Lab, watch: Watching) -> None:
    """Scenario 20: it leaves in order, and joins without its API. Nobody is fenced or restarted, and it starts nothing.

    A killed Corosync would be back before or after the other site's fence, by chance; and a site that boots without its
    API has no peer pod, since its kubelet asks the API for it.
    """
    lab, joining = calm_pair, calm_pair.sites["site-b"]
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        hands_over(lab, joining)
        joining.api("stop")
        joining.run(handover("ExecStart"))
        waiting.until(lambda: both_online(lab), "site-b joining without its API", 120, lambda: explain(lab))
        rest(lab, 15)
        assert both_online(lab), "it did not stay without its API"
        joining.api("start")
        rejoined(lab, 180)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences and not pods_on(verdict.runs, "site-b")
