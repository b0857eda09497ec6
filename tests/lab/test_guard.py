"""Fencing by the loss of quorum: a poison pill without a disk; sbd and arbitrator are real, the watchdogs emulated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from k8sdeployment.pair import guard
from lab import pairing, pill, waiting
from lab.calm import calm, explain
from lab.pill import Pill
from lab.service import back
from lab.sites import Lab, Site
from lab.verdict_model import Expectations
from tests.lab.conftest import Watch, held
from tests.lab.pairs import restored
from tests.lab.test_arbitrator import arbitrated_cr, give_secret
from tests.lab.test_confirm import out_of_reach
from tests.lab.test_lies import SHORT, last_recovery
from tests.lab.test_pill import Switch, ended_first, lets_go, ready, switched
from tests.lab.test_scenarios import pods_on, rejoined, rest

Watching = Callable[..., Watch]
# Seconds: the membership and the guard, the watchdog, a late look.
END = 3 + guard.REFUSED + guard.ANSWER + guard.WATCHDOG + 20
# Without service: the BMC's time-out, what the survivor waits, the look for life, and what any takeover takes.
TAKEOVER = 120.0


def by_quorum(lab: Lab, made: Pill) -> dict[str, Any]:
    """The lab's CR with the third vote and one device more: first the BMC, then the watchdog of the site itself."""
    whole = arbitrated_cr(lab)
    whole["spec"]["fencing"] = {**whole["spec"].get("fencing", {}), "poisonPill": {"watchdog": made.watchdog}}
    for site in whole["spec"]["sites"]:
        (bmc,) = site["fencing"]["devices"]
        site["fencing"]["devices"] = [{**bmc, "parameters": {**bmc["parameters"], **SHORT}}, {"agent": "fence_quorum"}]
    return whole


@pytest.fixture(scope="module")
def guarded(pair: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    """The pair with it in force, and back to the lab's own CR after the last test."""
    restored(pair)
    calm(pair)
    made = pill.start(pair, disk=False)
    try:
        give_secret(pair)
        yield switched(pair, by_quorum(pair, made), Watch(pair, tmp_path_factory.mktemp("guard") / "record.jsonl"))
    finally:
        restored(pair)
        pill.stop(pair)


def test_a_live_pair_is_guarded_by_its_watchdogs(pair: Lab, guarded: Switch) -> None:
    """Both peers are renewed with arbitrator and sbd beside them; no workload is touched, nobody is fenced."""
    held(guarded.verdict, "I1", "I2", "I3", "I7")
    assert not guarded.verdict.fences and guarded.untouched and not pods_on(guarded.verdict.runs, "site-b")


def test_the_loser_of_a_split_is_ended_by_its_watchdog_though_its_controller_hangs(
        pair: Lab, guarded: Switch, watch: Watching) -> None:
    """So Pacemaker stops nothing there, and its configuration still says that there is quorum. The workload runs until
    the end, and nowhere else before."""
    lab, winner, loser = pair, pair.sites["site-a"], pair.sites["site-b"]
    ready(lab, "site-b")
    alive, before = winner.pid(), last_recovery(winner)
    with watch() as seen:
        rest(lab)
        starts, began = (seen.told("site-a"),), time.monotonic()
        with out_of_reach((winner, loser), (loser, winner)):
            lab.event("fault", "site-b", "its controller hangs")
            loser.run(["pkill", "-STOP", "-f", "/pacemaker-controld"])
            lab.cut()
            waiting.until(lambda: loser.pid() is None, "the loser's end", END, lambda: explain(lab))
            back(lab, "site-a", TAKEOVER)
        lab.heal()
        loser.power("on")
        rejoined(lab, 240)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=TAKEOVER)
    held(verdict, "I1", "I2", "I4", "I8")
    assert winner.pid() == alive
    ended_first(verdict, "site-b", "site-a", began)
    told = waiting.until(lambda: found if (found := last_recovery(winner)) != before else {},
                         "the recovery on record", 30)
    assert (told["origin"], told["target"], told["fencedBy"]) == ("site-b", "site-a", "fence-site-b-2")


@contextmanager
def unmanaged(site: Site) -> Iterator[None]:
    """Pacemaker leaves the workload alone, by that site's word."""
    site.peer(["pcs", "resource", "unmanage", pairing.WORKLOAD])
    try:
        yield
    finally:
        site.peer(["pcs", "resource", "manage", pairing.WORKLOAD])


def test_a_peer_that_goes_in_a_split_while_something_unmanaged_runs_does_not_let_go_of_the_watchdog(
        pair: Lab, guarded: Switch, watch: Watching) -> None:
    """Pacemaker has not stopped the workload, and the winner counts on the site's end. Nor does the site's next peer
    feed the watchdog."""
    lab, winner, loser = pair, pair.sites["site-a"], pair.sites["site-b"]
    ready(lab, "site-b")
    with watch() as seen:
        rest(lab)
        starts, began = (seen.told("site-a"),), time.monotonic()
        with out_of_reach((winner, loser), (loser, winner)), unmanaged(winner):
            lab.event("fault", "site-b", "its peer pod is deleted")
            pairing.kubectl(loser, "delete", "pod", "peer-0", "-n", pairing.NAMESPACE, "--wait=false")
            lab.cut()
            waiting.until(lambda: loser.pid() is None, "the loser's end", END, lambda: explain(lab))
        back(lab, "site-a", TAKEOVER)
        lab.heal()
        loser.power("on")
        rejoined(lab, 240)
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=TAKEOVER)
    held(verdict, "I1", "I2", "I4", "I8")
    ended_first(verdict, "site-b", "site-a", began)


def test_a_live_pair_lets_go_of_its_watchdogs(pair: Lab, guarded: Switch, watch: Watching) -> None:
    lets_go(pair, watch, guard.WATCHDOG)
