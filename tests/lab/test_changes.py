"""A pair that changes while it runs: peers renewed, programs killed, sites apart; numbers of docs/scenarios.md."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lab import pairing, waiting
from lab.calm import explain
from lab.sites import Lab
from lab.verdict_model import Expectations, Quiet
from tests.lab.conftest import Watch, held
from tests.lab.pairs import (
    EVERYTHING, all_three, manifest, peers, renewed, renews_no_more, restored, uids, wait_settled, with_workloads,
    workload)
from tests.lab.test_scenarios import KEPT, rejoined, rest

Watching = Callable[..., Watch]
NEXT = pairing.PEER_IMAGE.replace(":dev", ":next")


# -- renewing the peer -------------------------------------------------------------------------------------------------

def test_a_new_image_and_a_new_token_roll_through_one_site_at_a_time(three: Lab, watch: Watching) -> None:
    """Both peers are renewed, never both away, and no workload is moved or restarted."""
    lab, before, old = three, uids(three), peers(three)
    for site in lab.sites.values():
        site.run(["ctr", "-n", "k8s.io", "images", "tag", "--force", pairing.PEER_IMAGE, NEXT])
    whole = all_three(lab, corosync={"token": "1500ms"})
    whole["spec"]["peer"]["image"] = NEXT
    with watch(*EVERYTHING) as seen:
        rest(lab)
        began = time.monotonic()
        pairing.change(lab, whole)
        waiting.until(lambda: renewed(lab, old)() and not _both_away(lab), "both peers renewed", 300,
                      lambda: explain(lab))
        wait_settled(lab, app="site-a", web="site-b", shop="site-b")
        seen.expect(Expectations(quiet=tuple(Quiet(site, began, time.monotonic()) for site in lab.sites)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert uids(lab) == before and not verdict.fences
    assert all(renews_no_more(site, whole) for site in lab.sites.values())


def _both_away(lab: Lab) -> bool:
    """AssertionError when no site has a running Pacemaker; else False."""
    assert pairing.pair_status(lab) is not None, "both peers were away at once"
    return False


# -- kill -9 at random moments -----------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Kill:
    """One random moment: what changes, and who is killed where so many seconds later."""

    change: str
    delay: float
    victim: str
    site: str


VICTIMS = {
    "operator": "k8sdeployment.operator",
    "conductor": "k8sdeployment.conductor$",
    "API server": "^kube-apiserver",
}


def moments(seed: int, many: int) -> list[Kill]:
    """Reproducible, each victim and each change in turn."""
    dice = random.Random(seed)
    victims, changes = list(VICTIMS), ["set up", "workloads", "token"]
    dice.shuffle(victims)
    dice.shuffle(changes)
    reach = {"set up": 25.0, "workloads": 12.0, "token": 40.0}
    sites = ("site-a", "site-b")
    turns = [(victims[number % 3], changes[(number + number // 3) % 3]) for number in range(many)]
    return [Kill(change, round(dice.uniform(0, reach[change]), 1), victim, dice.choice(sites))
            for victim, change in turns]


def test_kills_at_random_moments_leave_a_pair_that_converges(
        calm_pair: Lab, watch: Watching, request: pytest.FixtureRequest) -> None:
    """Operator, conductor or API server killed while the pair is set up or changed: it comes into force all the same,
    and no workload ran twice or was fenced for it."""
    lab, many = calm_pair, request.config.getoption("--kills")
    seed = request.config.getoption("--kills-seed")
    seed = random.randrange(10_000) if seed is None else seed
    for site in lab.sites.values():
        pairing.kubectl(site, "apply", "--server-side", "-f", "-", input=json.dumps(manifest("web")))
    try:
        for kill in moments(seed, many):
            print(f"seed {seed}: {kill}", flush=True)
            with watch("default/app", "default/web") as seen:
                _changed(lab, kill)
            verdict = seen.verdict()
            held(verdict, "I1", "I3")
            assert not verdict.fences
    finally:
        restored(lab)


def _changed(lab: Lab, kill: Kill) -> None:
    """Begin a change, kill, and wait until it is in force."""
    site, begin = lab.sites[kill.site], time.monotonic()
    token = 1000 + random.Random(str(kill)).randrange(1, 500)
    whole = {"set up": lambda: with_workloads(lab), "workloads": lambda: with_workloads(lab, workload("web")),
             "token": lambda: with_workloads(lab, corosync={"token": f"{token}ms"})}[kill.change]()
    if kill.change == "set up":
        _take_down(lab)
        begin = time.monotonic()
    old = peers(lab)
    pairing.change(lab, whole)
    time.sleep(max(0.0, kill.delay - (time.monotonic() - begin)))
    site.run(["pkill", "-KILL", "-o", "-f", VICTIMS[kill.victim]], check=False)
    if kill.change == "token":
        waiting.until(renewed(lab, old), "both peers renewed", 300, lambda: explain(lab))
    in_force(lab, whole)


def _take_down(lab: Lab) -> None:
    for site in lab.sites.values():
        pairing.kubectl(site, "delete", "snopair", "pair", "-n", pairing.NAMESPACE, "--wait=false")
    for site in lab.sites.values():
        pairing.kubectl(site, "wait", "--for=delete", "snopair/pair", "-n", pairing.NAMESPACE, "--timeout=120s",
                        timeout=130)


def in_force(lab: Lab, whole: dict[str, Any]) -> None:
    """Until the CR is in force on both sites: workloads where they belong, both hold the same, all conditions well."""
    work = {one["name"]: one["preferredSite"] for one in whole["spec"]["workloads"]}
    for site in lab.sites.values():
        site.wait_api()
    wait_settled(lab, **work)
    for name in ("Available", "TakeoverReady", "FencingProven"):
        pairing.wait_for(lab, name)


# -- the sites apart ---------------------------------------------------------------------------------------------------

def test_11_one_link_of_two_lost(calm_pair: Lab, watch: Watching) -> None:
    """Scenario 11: nothing moves and nobody is fenced; both sites show the lost link."""
    lab = calm_pair
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        lab.cut(1)
        pairing.wait_for(lab, "Degraded", timeout=60)
        said = [pairing.condition(site, "Degraded")[1] for site in lab.sites.values()]
        lab.heal()
        pairing.wait_for(lab, "Degraded", "False", timeout=60)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert not verdict.fences
    assert all("link 0" in words for words in said), f"the lab's first link is Corosync's link 0: {said}"


def test_32_the_cr_changed_on_one_site_during_a_split(calm_pair: Lab, watch: Watching) -> None:
    """Scenario 32: the change waits until both hold it, the status names the field; then it is in force on both."""
    lab, whole = calm_pair, with_workloads(calm_pair, corosync={"token": "1000ms"})
    whole["spec"]["workloads"][0]["failback"] = "Automatic"
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        lab.cut()
        waiting.until(lambda: _alone(lab), "site-b fenced", 60)
        pairing.change(lab, whole, "site-a")
        lab.heal()
        rejoined(lab, 180)
        pairing.wait_for(lab, "PeerInSync", "False", timeout=60)
        said = pairing.condition(lab.sites["site-b"], "PeerInSync")[1]
        pairing.change(lab, whole, "site-b")
        pairing.wait_for(lab, "PeerInSync")
        waiting.until(lambda: len(_configurations(lab)) == 1, "one configuration", 60)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I4", "I7")
    assert "failback" in said, said
    pairing.change(lab, pairing.document(lab))
    pairing.wait_for(lab, "PeerInSync")


def _alone(lab: Lab) -> bool:
    view = pairing.pair_status(lab)
    return bool(view and not view.nodes["site-b"].online and view.nodes["site-b"].clean)


def _configurations(lab: Lab) -> set[str]:
    query = ["cibadmin", "--query", "--local", "--scope=configuration"]
    return {site.peer(query) for site in lab.sites.values()}
