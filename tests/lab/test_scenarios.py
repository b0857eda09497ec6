"""The scenarios a pair must live through, each judged by the oracle; the numbers are those of docs/scenarios.md."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from k8sdeployment.pair.cib import property_value
from lab import pairing, record, waiting
from lab.calm import calm, explain, failures, quiet
from lab.oracle_facts import Run
from lab.service import answers, back
from lab.sites import Lab, Site
from lab.verdict_model import Expectations, Quiet
from tests.lab.conftest import Watch, held
from tests.lab.pairs import restored, wait_takeover, with_workloads

Watching = Callable[[], Watch]
WORKLOAD = pairing.WORKLOAD
# Seconds without an answer that count as none for a workload that must not be touched. Whether it was is told by I7;
# daemons that start beside it were seen to take both processors for 1.3 s.
KEPT = 2.0
# Seconds after which a Pacemaker that starts alone is in charge (dc-deadtime, 20 s) and does what it will do.
ELECTED = 25.0
# A directory of the host that the peer's pod cannot be started without.
HELD = "/var/lib/aos/conductor-state"


def rest(lab: Lab, seconds: float = 2.0) -> None:
    """Look on for a while: what must not happen needs time in which it could."""
    time.sleep(seconds)


def rejoined(lab: Lab, seconds: float = 120) -> None:
    waiting.until(lambda: quiet(lab), "both sites online again", seconds, lambda: explain(lab))


@contextmanager
def held_back(site: Site) -> Iterator[None]:
    """kubelet takes no file for a directory: the peer's next pod, settle included, is not started. Afterwards it wants
    a new one, for kubelet tries an old one again only after minutes."""
    site.run(["sh", "-c", f"mv {HELD} {HELD}.kept && touch {HELD}"])
    try:
        yield
    finally:
        if site.pid() is not None:
            site.run(["sh", "-c", f"rm {HELD} && mv {HELD}.kept {HELD}"])


def pods_on(runs: tuple[Run, ...], site: str) -> set[str]:
    return {run.container.pod for run in runs if run.site == site}


def test_01_planned_moves_never_overlap_and_are_quick(calm_pair: Lab, watch: Watching) -> None:
    """Scenario 1: a planned move hands over without overlap, without a fence, in at most 2.5 s without service."""
    wait_takeover(calm_pair)
    with watch() as seen:
        starts = [seen.told("site-a")]
        for target in ("site-b", "site-a"):
            starts.append(seen.told(target))
            pairing.move(calm_pair, WORKLOAD, target)
            back(calm_pair, target, 10)
        seen.expect(Expectations(starts=tuple(starts)))
        rest(calm_pair)
    verdict = seen.verdict(bound=2.5)
    held(verdict, "I1", "I2", "I3")
    assert len(verdict.outages) == 2 and not verdict.fences


def test_06_and_27_power_cut_of_the_active_site(calm_pair: Lab, watch: Watching) -> None:
    """Scenarios 6 and 27: the survivor fences, takes over; the fenced site boots with replicas 1 and stays down."""
    lab, site = calm_pair, calm_pair.sites["site-a"]
    with watch() as seen:
        rest(lab)
        starts = (seen.told("site-b"),)
        site.power("off")
        back(lab, "site-b", 30)
        rejoined(lab)
        seen.expect(Expectations(starts=starts))
        said = site.kubectl("logs", "-n", "aos-sno-pair", "peer-0", "-c", "settle")
        rest(lab, 5)
    assert "replicas were 1" in said, f"the site must have booted with replicas 1 in its etcd: {said}"
    verdict = seen.verdict(bound=15)
    held(verdict, "I1", "I2", "I3", "I4", "I8")
    assert [fence.site for fence in verdict.fences] == ["site-a"]
    assert verdict.boots, "the oracle must have seen the fenced site boot"


def test_07_power_cut_of_the_passive_site_leaves_the_service_alone(calm_pair: Lab, watch: Watching) -> None:
    """Scenario 7: the passive site dies and comes back; the workload's pod is the same one throughout."""
    lab = calm_pair
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        lab.sites["site-b"].power("off")
        waiting.until(lambda: not both_online(lab), "the loss being noticed", 30)
        rejoined(lab)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I4", "I7")
    assert len(pods_on(verdict.runs, "site-a")) == 1


def both_online(lab: Lab) -> bool:
    view = pairing.pair_status(lab)
    return bool(view and view.all_online())


def split(lab: Lab, watch: Watching, active: str, winner: str = "site-a") -> Watch:
    """Scenario 10: cut every link; exactly one side is fenced. By itself the favoured site-a wins wherever the workload
    is; where that wins, nobody touches the workload."""
    calm(lab, on=active)
    kept, loser = active == winner, next(name for name in lab.sites if name != winner)
    with watch() as seen:
        rest(lab)
        starts = (seen.told("site-a"), seen.told("site-b"))
        began = time.monotonic()
        lab.cut()
        waiting.until(lambda: any(event.what == "bmc" for event in _news(lab, began)), "a fence", 60)
        lab.heal()
        back(lab, winner, 60)
        rejoined(lab)
        untouched = (Quiet(winner, began, time.monotonic()),) if kept else ()
        seen.expect(Expectations(starts=starts, quiet=untouched))
        rest(lab)
    verdict = seen.verdict(bound=KEPT if kept else 20)
    held(verdict, "I1", "I2", "I3", "I4", *(("I7",) if kept else ()))
    assert [fence.site for fence in verdict.fences] == [loser]
    if kept:
        assert len(pods_on(verdict.runs, winner)) == 1 and not pods_on(verdict.runs, loser)
    return seen


def _news(lab: Lab, since: float) -> list[record.Event]:
    lines = (lab.state_dir / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [event for event in map(record.parse_event, lines) if event.mono >= since]


def test_10_split_with_the_workload_on_the_favoured_site(calm_pair: Lab, watch: Watching) -> None:
    """One fence, and the winner's service is never interrupted."""
    split(calm_pair, watch, "site-a")


def test_10_split_with_the_workload_on_the_other_site(calm_pair: Lab, watch: Watching) -> None:
    """One fence; the service is back on the winner."""
    split(calm_pair, watch, "site-b")


def test_10_split_that_the_site_with_the_workload_wins(calm_pair: Lab, watch: Watching) -> None:
    """Scenario 10, with activeDelay: it wins although the other one has the longer delay; one fence, and the service is
    never interrupted. Afterwards Pacemaker knows of no such delay any more."""
    lab = calm_pair
    try:
        pairing.change(lab, with_workloads(lab, fencing={"activeDelay": "8s"}))
        _follows(lab, "8s")
        split(lab, watch, "site-b", winner="site-b")
    finally:
        restored(lab)
    _follows(lab, None)


def _follows(lab: Lab, wait: str | None) -> None:
    """Until both sites know that they wait so long before they fence the one that runs more."""
    def told(site: Site) -> bool:
        cib = ElementTree.fromstring(site.peer(["cibadmin", "--query", "--local"]))
        return property_value(cib, "priority-fencing-delay") == wait
    waiting.until(lambda: all(map(told, lab.sites.values())), f"an activeDelay of {wait}", 60, lambda: explain(lab))


def test_16_api_of_the_active_site_down_for_a_minute_is_degraded_only(calm_pair: Lab, watch: Watching) -> None:
    """Scenario 16 (60 s): no fence, no restart; Pacemaker shows the workload degraded, with the reason."""
    lab, site = calm_pair, calm_pair.sites["site-a"]
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        site.api("stop")
        said = waiting.until(lambda: _degraded(lab), "a degraded monitor", 40, lambda: explain(lab))
        rest(lab, max(0.0, 60 - (time.monotonic() - began)))
        site.api("start")
        site.wait_ready()
        # Pacemaker shows the last degraded result until it is cleaned up, though later ones are good.
        pairing.cleanup(lab)
        waiting.until(lambda: quiet(lab), "a pair without failures", 60, lambda: explain(lab))
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    assert "API is away" in said
    held(seen.verdict(bound=KEPT), "I1", "I2", "I3", "I7")


def _degraded(lab: Lab) -> str:
    """What Pacemaker shows of a monitor that answered 190 (degraded); "" when it shows none."""
    return "\n".join(failure for failure in failures(lab) if "OCF_DEGRADED" in failure)


def test_24_a_person_scales_the_passive_site_up(calm_pair: Lab, watch: Watching) -> None:
    """Scenario 24: kubelet refuses the pod, the workload stays on one site, and the API shows why."""
    lab, passive = calm_pair, calm_pair.sites["site-b"]
    with watch() as seen:
        passive.kubectl("scale", "deployment", WORKLOAD, "--replicas=1")
        said = waiting.until(lambda: _refusal(lab), "kubelet's refusal", 60)
        rest(lab, 10)
        assert not answers(passive)
        passive.kubectl("scale", "deployment", WORKLOAD, "--replicas=0")
        rest(lab)
    assert "is not a file" in said or "hostPath type check failed" in said
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3")
    assert not pods_on(verdict.runs, "site-b")


def _refusal(lab: Lab) -> str:
    return lab.sites["site-b"].kubectl(
        "get", "events", "--field-selector", "reason=FailedMount", "-o", "jsonpath={.items[*].message}")


def test_08_both_off_and_both_on_together(calm_pair: Lab, watch: Watching) -> None:
    """Nobody has seen anybody: they meet, and the workload runs on its preferred site, once and without a fence."""
    lab = calm_pair
    with watch() as seen:
        rest(lab)
        for site in lab.sites.values():
            site.power("off")
        for site in lab.sites.values():
            site.power("on")
        starts = (seen.told("site-a"),)
        back(lab, "site-a", 180)
        rejoined(lab)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=120)
    held(verdict, "I1", "I2", "I3", "I4")
    assert not verdict.fences


def test_12_the_loser_of_a_split_boots_while_it_lasts(calm_pair: Lab, watch: Watching) -> None:
    """It has no quorum before it has seen the other one: it fences nobody and starts nothing."""
    lab, loser = calm_pair, calm_pair.sites["site-b"]
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        lab.cut()
        waiting.until(lambda: loser.pid() is None, "the fence of site-b", 60)
        waiting.until(lambda: loser.pid() is not None, "the fenced site powered on", 60)
        waiting.until(lambda: _inert(loser), "its Pacemaker without quorum", 120)
        rest(lab, ELECTED)
        assert _inert(loser) and not answers(loser)
        lab.heal()
        rejoined(lab)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I4", "I7", "I8")
    assert [fence.site for fence in verdict.fences] == ["site-b"]


def _inert(site: Site) -> bool:
    """Whether its Pacemaker runs and may decide nothing."""
    said = site.peer(["crm_mon", "--one-shot", "--output-as=xml"], check=False)
    return 'with_quorum="false"' in said


def test_28_a_fenced_site_whose_peer_is_held_back(calm_pair: Lab, watch: Watching,
                                                  request: pytest.FixtureRequest) -> None:
    """Scenario 28: it boots with replicas in its etcd and nobody to tell it; its workload does not start."""
    lab, lost = calm_pair, calm_pair.sites["site-a"]
    wait_takeover(lab)
    with watch() as seen:
        rest(lab)
        starts = (seen.told("site-b"),)
        with held_back(lost):
            lost.power("off")
            back(lab, "site-b", 60)
            waiting.until(lambda: lost.pid() is not None, "the fenced site powered on", 60)
            lost.wait_ready()
            rest(lab, request.config.getoption("--held"))
            said = lost.kubectl("get", "deployment", WORKLOAD, "-o", "jsonpath={.spec.replicas}")
            assert said == "1" and not answers(lost)
        pairing.kubectl(lost, "delete", "pod", "peer-0", "-n", pairing.NAMESPACE, "--wait=false")
        rejoined(lab, 180)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=30)
    held(verdict, "I1", "I2", "I4", "I8")
    assert len(pods_on(verdict.runs, "site-a")) == 1
