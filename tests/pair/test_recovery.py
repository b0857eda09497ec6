"""Recoveries from alerts, as the alert agent wrote them on a site that took over."""

from __future__ import annotations

import json

import pytest

from k8sdeployment.pair.recovery import MOST, Alert, losses, parse, recoveries

NAMES = {"web": "web", "w-3db": "3db"}
OTHER = {"site-a": "site-b", "site-b": "site-a"}
T = 1_700_000_000.0


def lost(when: float, node: str = "site-a") -> Alert:
    return Alert("node", T + when, node, "lost")


def fenced(when: float, node: str = "site-a", rc: str = "0", task: str = "reboot") -> Alert:
    """As Pacemaker 2.1.5 tells it: what was done stands in the description alone."""
    words = f"Operation {task} of {node} by site-b for pacemaker-controld.3785@site-b: OK (ref=9a154702)"
    return Alert("fencing", T + when, node, words, "st_notify_fence", rc=rc)


def started(when: float, rsc: str = "web", node: str = "site-b", rc: str = "0", took: int = 800) -> Alert:
    return Alert("resource", T + when, node, "ok", "start", rsc, rc, exec_time=took)


def test_a_power_cut_told_in_seconds() -> None:
    alerts = [lost(0), fenced(2.5), started(4.0), started(5.0, "w-3db", took=500)]
    web, db = sorted(recoveries(alerts, NAMES, OTHER, {T + 2.5: "fence-site-a-1"}), key=lambda one: one.workload,
                     reverse=True)
    assert (web.workload, web.origin, web.target, web.fenced_by) == ("web", "site-a", "site-b", "fence-site-a-1")
    assert (web.fenced_seconds, web.started_seconds, web.available_seconds) == (2.5, 3.2, 4.0)
    assert (db.workload, db.started_seconds, db.available_seconds) == ("3db", 4.5, 5.0)


@pytest.mark.parametrize("alerts", [
    [lost(0), started(4.0)],                                # left in order, or not fenced yet
    [lost(0), fenced(2.5)],                                 # nothing was there to take over
    [lost(0), fenced(2.5, rc="1"), started(4.0)],           # the fence failed
    [lost(0), fenced(2.5, task="on"), started(4.0)],        # switched on by somebody
    [lost(0), fenced(2.5), started(4.0, node="site-a")],    # a start on the site that was lost
    [lost(0), fenced(2.5), started(4.0, "somebody-s")],
    [lost(0), fenced(2.5), started(4.0, rc="1")],
    [lost(0), fenced(2.5), started(5000.0)],                # a move of the next day
    [started(-1.0), lost(0), fenced(2.5)]])
def test_what_is_no_recovery(alerts: list[Alert]) -> None:
    assert recoveries(alerts, NAMES, OTHER, {}) == []


def test_a_site_whose_stop_failed_is_fenced_without_being_lost() -> None:
    (found,) = recoveries([fenced(1.0), lost(1.2), started(3.0)], NAMES, OTHER, {})
    assert found.fenced_seconds == 0.0 and found.available_seconds == 2.0 and found.fenced_by == ""


def test_a_person_s_word_is_told_as_such() -> None:
    words = "Operation off of site-a by a human for stonith_admin.779@site-b: OK (ref=9a154702)"
    (found,) = recoveries([lost(0), Alert("fencing", T + 60, "site-a", words, "st_notify_fence", rc="0"), started(62)],
                          NAMES, OTHER, {T + 60: "fence-site-a-1"})
    assert (found.fenced_by, found.fenced_seconds, found.available_seconds) == ("a person", 60.0, 62.0)


def test_a_start_that_failed_first_counts_when_it_succeeds() -> None:
    (found,) = recoveries([lost(0), fenced(2), started(10, rc="1"), started(30)], NAMES, OTHER, {})
    assert found.available_seconds == 30.0


def test_each_start_belongs_to_the_latest_loss_before_it() -> None:
    alerts = [lost(0), fenced(2), started(4), lost(600, "site-b"), fenced(602, "site-b"), started(604, node="site-a")]
    assert [(one.origin, one.available_seconds) for one in recoveries(alerts, NAMES, OTHER, {})] == [
        ("site-b", 4.0), ("site-a", 4.0)]


def test_only_the_last_ones_are_kept() -> None:
    alerts = [one for index in range(50) for one in (
        lost(index * 100.0), fenced(index * 100.0 + 1), started(index * 100.0 + 2))]
    found = recoveries(alerts, NAMES, OTHER, {})
    assert len(found) == MOST and found[0].detected > found[-1].detected


def test_losses_of_a_site_that_joined_again_before_its_fence() -> None:
    assert [loss.when for loss in losses([lost(0), lost(50), fenced(52)])] == [T + 50]


def test_a_line_is_read_as_the_alert_agent_writes_it() -> None:
    line = json.dumps({"kind": "resource", "time": "1700000000.250000", "node": "site-b", "desc": "ok", "task": "start",
                       "rsc": "web", "rc": "0", "interval": "0", "exec_time": "812"})
    assert parse(line) == Alert("resource", 1700000000.25, "site-b", "ok", "start", "web", "0", "0", 812)


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"kind": "node"}', '{"kind": "node", "time": "x"}'])
def test_a_line_that_was_cut_short_is_none(line: str) -> None:
    assert parse(line) is None
