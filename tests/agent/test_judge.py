"""The policy, exhaustively: hand-written tables of what each situation must answer, and invariants over all inputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest

from k8sdeployment.agent.codes import (
    ALLOWED, DEGRADED, GENERIC, MONITOR, NOT_RUNNING, OK, PASSIVE, PROBE, Verdict, permitted)
from k8sdeployment.agent.judge import Past, View, by_permit, guarded, unguarded
from k8sdeployment.agent.parameters import Settings, load
from k8sdeployment.agent.permit import ABSENT, FOREIGN, GRANTED, STOPPED, STOPPING, UNSEEN

PATH = "/run/aos/permits/default/deployment/app"
STATES = (ABSENT, GRANTED, STOPPING, UNSEEN, STOPPED, FOREIGN)
ASK = None  # the permit alone does not decide: the API is asked


def settings(**values: object) -> Settings:
    return load({f"OCF_RESKEY_{name}": str(value) for name, value in {"deployment": "app", **values}.items()})


# -- the permit's state table (path x holders), for a probe and for a recurring monitor ----------------------------

STATE_TABLE = {
    # (state, held): (probe, monitor)
    (STOPPED, False): (NOT_RUNNING, NOT_RUNNING),
    (STOPPED, True): (GENERIC, GENERIC),
    (ABSENT, False): (NOT_RUNNING, NOT_RUNNING),
    (ABSENT, True): (GENERIC, GENERIC),
    (GRANTED, True): (OK, ASK),
    (GRANTED, False): (GENERIC, ASK),
    (STOPPING, True): (GENERIC, GENERIC),
    (STOPPING, False): (NOT_RUNNING, NOT_RUNNING),
    (UNSEEN, True): (GENERIC, GENERIC),
    (UNSEEN, False): (ASK, ASK),
    (FOREIGN, True): (GENERIC, GENERIC),
    (FOREIGN, False): (GENERIC, GENERIC),
}


def test_state_table_is_complete() -> None:
    assert set(STATE_TABLE) == set(itertools.product(STATES, (True, False)))


@pytest.mark.parametrize("action", [PROBE, PASSIVE, MONITOR])
@pytest.mark.parametrize("state,held", STATE_TABLE)
def test_what_the_permit_alone_decides(state: str, held: bool, action: str) -> None:
    expected = STATE_TABLE[state, held][action == MONITOR]
    verdict = by_permit(action, state, held, True, PATH)
    assert (verdict and verdict.code) == expected
    if expected == GENERIC:
        assert verdict and verdict.reason


@pytest.mark.parametrize("action", [PROBE, PASSIVE, MONITOR])
@pytest.mark.parametrize("state,held", STATE_TABLE)
def test_with_guard_auto_only_an_absent_permit_leaves_the_question_open(state: str, held: bool, action: str) -> None:
    """An absent permit may mean that the workload has no gate; everything else is as sure as with guard=required."""
    if (state, held) == (ABSENT, False):
        assert by_permit(action, state, held, False, PATH) is ASK
    else:
        assert by_permit(action, state, held, False, PATH) == by_permit(action, state, held, True, PATH)


def test_a_process_without_a_permit_is_called_so() -> None:
    verdict = by_permit(MONITOR, ABSENT, True, True, PATH)
    assert verdict is not None
    assert "runs without a permit" in verdict.reason and PATH in verdict.reason


# -- situations of a workload whose permit is granted: recurring monitor -------------------------------------------

class Row(NamedTuple):
    situation: str
    view: View
    expected: int
    deep: bool = False
    held: bool = True
    past: Past = Past()
    more: Mapping[str, object] = {}
    says: str = ""


AWAY = View(silent="10.0.0.1:6443 does not answer")
GRACE = {"unavailable_grace": "60s"}

GUARDED = [
    Row("spec is max", View(spec=1, available=1), OK),
    Row("spec is max, nothing available yet", View(spec=1), OK),
    Row("scaled to min, still held", View(spec=0), GENERIC, says="scaled"),
    Row("scaled to min, nobody left", View(spec=0), NOT_RUNNING, held=False, says="scaled"),
    Row("spec between min and max", View(spec=2, available=2), DEGRADED, more={"replica_max": 3}, says="2"),
    Row("spec beyond max", View(spec=5, available=5), DEGRADED, says="5"),
    Row("spec beyond max, drift=fail", View(spec=5, available=5), GENERIC, more={"drift": "fail"}),
    Row("deep: spec beyond max, drift=fail, partly available", View(spec=5, available=0), GENERIC, deep=True,
        more={"drift": "fail"}),
    Row("API away, witnessed", AWAY, DEGRADED, says="does not answer"),
    Row("API away for hours, witnessed", AWAY, DEGRADED, past=Past(confirmed=99999.0)),
    Row("deep: API away, witnessed", AWAY, DEGRADED, deep=True),
    Row("API away, nobody for a moment", AWAY, DEGRADED, held=False, past=Past(unheld=5.0), more=GRACE),
    Row("API away, nobody for long", AWAY, GENERIC, held=False, past=Past(unheld=60.0), more=GRACE),
    Row("API away, nobody, since when is unknown", AWAY, DEGRADED, held=False, more=GRACE),
    Row("deleted", View(missing=True), GENERIC, says="does not exist"),
    Row("deleted, deep", View(missing=True), GENERIC, deep=True),
    Row("stale: available is reported, nobody holds", View(spec=1, available=1), NOT_RUNNING, held=False,
        past=Past(unheld=60.0), more=GRACE, says="stale"),
    Row("stale, no grace at all, no memory", View(spec=1, available=1), NOT_RUNNING, held=False,
        more={"unavailable_grace": "0"}, says="stale"),
    Row("a container restarts: nobody for a moment", View(spec=1, available=1), OK, held=False,
        past=Past(unheld=2.0), more=GRACE),
    Row("deep: all there", View(spec=1, available=1), OK, deep=True),
    Row("deep: a surge", View(spec=1, available=2), OK, deep=True),
    Row("deep: part of it", View(spec=3, available=1), DEGRADED, deep=True, more={"replica_max": 3}, says="1 of 3"),
    Row("deep: stale generation", View(spec=1, available=1, current=False), DEGRADED, deep=True),
    Row("deep: paused", View(spec=1, available=1, paused=True), DEGRADED, deep=True, says="paused"),
    Row("level 0 does not care for availability", View(spec=1, available=0, current=False, paused=True), OK,
        past=Past(unavailable=9999.0)),
    Row("deep: nothing available, short", View(spec=1, trouble="pod a: CrashLoopBackOff"), DEGRADED, deep=True,
        past=Past(unavailable=60.0), more=GRACE, says="CrashLoopBackOff"),
    Row("deep: nothing available, long", View(spec=1, trouble="pod a: ImagePullBackOff"), GENERIC, deep=True,
        past=Past(unavailable=60.5), more=GRACE, says="ImagePullBackOff"),
    Row("deep: the template lost its gate", View(spec=1, available=1, gate_lost="no volume"), DEGRADED, deep=True,
        says="no volume"),
]


@pytest.mark.parametrize("row", GUARDED, ids=lambda row: row.situation)
def test_monitor_of_a_granted_workload(row: Row) -> None:
    verdict = guarded(settings(**row.more), row.deep, row.held, row.view, row.past)
    assert verdict.code == row.expected, verdict
    assert row.says in verdict.reason


# -- situations of a workload without a gate -----------------------------------------------------------------------

PROBES = [
    Row("scaled to min, no pod", View(spec=0, members=0), NOT_RUNNING),
    Row("scaled to min, pods present", View(spec=0, members=2), GENERIC, says="still there: 2"),
    Row("scaled to min, a pod terminating", View(spec=0, members=1, leaving=1), GENERIC),
    Row("min 1, exactly the one pod", View(spec=1, members=1), NOT_RUNNING,
        more={"replica_min": 1, "replica_max": 2}),
    Row("min 1, one of two pods terminating", View(spec=1, members=1, leaving=1), GENERIC,
        more={"replica_min": 1, "replica_max": 2}),
    Row("scaled up", View(spec=1, members=1), OK),
    Row("scaled up, nothing available", View(spec=1, members=0), OK),
    Row("API away", AWAY, GENERIC, says="does not answer"),
    Row("API away, just confirmed", AWAY, GENERIC, past=Past(confirmed=1.0)),
    Row("deleted, no pod", View(missing=True, members=0), NOT_RUNNING),
    Row("deleted, a pod is left", View(missing=True, members=1), GENERIC),
    Row("deleted, pods not counted", View(missing=True), GENERIC),
]

MONITORS = [
    Row("spec is max", View(spec=1, members=1), OK),
    Row("scaled to min, pods there", View(spec=0, members=1), GENERIC),
    Row("scaled to min, none left", View(spec=0, members=0), NOT_RUNNING),
    Row("scaled to min, not counted", View(spec=0), GENERIC),
    Row("between", View(spec=2, members=2), DEGRADED, more={"replica_max": 3}),
    Row("between, drift=fail", View(spec=2, members=2), GENERIC, more={"replica_max": 3, "drift": "fail"}),
    Row("API away, young", AWAY, DEGRADED, past=Past(confirmed=300.0), says="300s"),
    Row("API away, beyond the grace", AWAY, GENERIC, past=Past(confirmed=300.1), says="limit 300s"),
    Row("API away, never confirmed this boot", AWAY, GENERIC, says="since this boot"),
    Row("deleted", View(missing=True, members=0), GENERIC),
    Row("deep: nothing available for long", View(spec=1, members=1, trouble="pod a: FailedMount"), GENERIC, deep=True,
        past=Past(unavailable=61.0), says="FailedMount"),
]


@pytest.mark.parametrize("action", [PROBE, PASSIVE])
@pytest.mark.parametrize("row", PROBES, ids=lambda row: row.situation)
def test_probe_of_an_unguarded_workload(row: Row, action: str) -> None:
    verdict = unguarded(action, settings(**row.more), row.deep, row.view, row.past)
    assert verdict.code == row.expected, verdict
    assert row.says in verdict.reason


@pytest.mark.parametrize("row", MONITORS, ids=lambda row: row.situation)
def test_monitor_of_an_unguarded_workload(row: Row) -> None:
    verdict = unguarded(MONITOR, settings(**row.more), row.deep, row.view, row.past)
    assert verdict.code == row.expected, verdict
    assert row.says in verdict.reason


PASSIVES = [
    Row("API away, confirmed stopped", AWAY, NOT_RUNNING, past=Past(stopped=300.0), says="limit 300s"),
    Row("API away, confirmed stopped too long ago", AWAY, GENERIC, past=Past(stopped=300.1)),
    Row("API away, confirmed running, never stopped", AWAY, GENERIC, past=Past(confirmed=1.0)),
    Row("API there: what it says counts", View(spec=1, members=1), OK, past=Past(stopped=1.0)),
    Row("API there, pods left", View(spec=0, members=1), GENERIC, past=Past(stopped=1.0)),
]


@pytest.mark.parametrize("row", PASSIVES, ids=lambda row: row.situation)
def test_monitor_of_an_unguarded_workload_where_it_is_stopped(row: Row) -> None:
    """Anything but 7 there restarts the healthy copy on the other site: an API rollout alone must not."""
    verdict = unguarded(PASSIVE, settings(**row.more), row.deep, row.view, row.past)
    assert verdict.code == row.expected, verdict
    assert row.says in verdict.reason


def test_a_probe_never_lives_on_what_was_confirmed() -> None:
    """On a probe's word the workload is started elsewhere; that of an earlier monitor is too old for it."""
    assert unguarded(PROBE, settings(), False, AWAY, Past(stopped=1.0)).code == GENERIC


# -- invariants over every combination -----------------------------------------------------------------------------

ALL_SETTINGS = [settings(replica_min=least, replica_max=most, drift=drift, unavailable_grace=grace)
                for (least, most), drift, grace in itertools.product(
                    ((0, 1), (0, 2), (1, 3)), ("degraded", "fail"), ("0", "60s"))]


def views() -> Iterator[View]:
    yield View(silent="why")
    for members, leaving in ((-1, 0), (0, 0), (1, 0), (1, 1), (2, 1)):
        yield View(missing=True, members=members, leaving=leaving)
        for spec, available, current, paused, lost in itertools.product(
                (0, 1, 2, 3, 4), (0, 1, 3), (True, False), (True, False), ("", "lost")):
            yield View(spec=spec, available=available, current=current, paused=paused, members=members,
                       leaving=leaving, gate_lost=lost)


VIEWS = list(views())
AGES = (None, 10.0, 301.0)


class Case(NamedTuple):
    action: str
    settings: Settings
    deep: bool
    held: bool
    view: View
    past: Past
    verdict: Verdict


def guarded_cases() -> Iterator[Case]:
    pasts = [Past(unheld=unheld, unavailable=unavailable) for unheld, unavailable in itertools.product(AGES, AGES)]
    for known, deep, held, view, past in itertools.product(ALL_SETTINGS, (False, True), (False, True), VIEWS, pasts):
        yield Case(MONITOR, known, deep, held, view, past, guarded(known, deep, held, view, past))


def unguarded_cases() -> Iterator[Case]:
    pasts = [Past(confirmed=confirmed, unavailable=gone) for confirmed, gone in itertools.product(AGES, AGES)]
    for action, known, deep, view, past in itertools.product((PROBE, PASSIVE, MONITOR), ALL_SETTINGS, (False, True),
                                                             VIEWS, pasts):
        yield Case(action, known, deep, False, view, past, unguarded(action, known, deep, view, past))


def check_common(case: Case) -> None:
    code, reason = case.verdict.code, case.verdict.reason
    assert code in ALLOWED[case.action], case
    if code in (GENERIC, DEGRADED):
        assert reason, "an operator is told why"
    assert "\n" not in reason
    if case.view.missing:
        assert code not in (OK, DEGRADED), case
    if code == OK and case.action == MONITOR:
        assert_all_there(case)
    if not case.view.silent and not case.view.missing and case.settings.drift == "fail" and case.action == MONITOR:
        assert code != DEGRADED or case.view.spec == case.settings.replica_max, "drift=fail is never a success"


def assert_all_there(case: Case) -> None:
    view, most = case.view, case.settings.replica_max
    assert not view.silent and view.spec == most, case
    if case.deep:
        assert view.available >= most and view.current and not view.paused and not view.gate_lost, case


def test_every_guarded_combination() -> None:
    """Never "not running" while somebody holds the permit; a silent API alone never fails what is witnessed."""
    for case in guarded_cases():
        check_common(case)
        if case.held:
            assert case.verdict.code != NOT_RUNNING, case
            if case.view.silent:
                assert case.verdict.code == DEGRADED, case
        elif case.view.silent:
            assert case.verdict.code in (DEGRADED, GENERIC), "no API, no witness: never a success, never a free start"


def test_every_unguarded_combination() -> None:
    """Never "not running" while a pod may run; what a silent API cannot tell is never assumed to be well."""
    for case in unguarded_cases():
        check_common(case)
        if case.verdict.code == NOT_RUNNING:
            assert nothing_can_run(case), case
        if case.view.silent:
            young = case.past.confirmed is not None and case.past.confirmed <= case.settings.api_grace
            assert case.verdict.code == (DEGRADED if young and case.action == MONITOR else GENERIC), case


def nothing_can_run(case: Case) -> bool:
    view = case.view
    least = 0 if view.missing else case.settings.replica_min
    asked_for = 0 if view.missing else view.spec
    return not view.silent and asked_for <= case.settings.replica_min and 0 <= view.members <= least \
        and not view.leaving


def test_every_path_state_keeps_to_the_allowed_codes_and_never_frees_what_is_held() -> None:
    for action, state, held, sure in itertools.product((PROBE, PASSIVE, MONITOR), STATES, (True, False), (True, False)):
        verdict = by_permit(action, state, held, sure, PATH)
        if verdict is None:
            assert state == GRANTED and action == MONITOR or (state, held) == (UNSEEN, False) \
                or (state, held, sure) == (ABSENT, False, False)
            continue
        assert verdict.code in ALLOWED[action]
        assert not (held and verdict.code == NOT_RUNNING)
        assert verdict.code != DEGRADED


# -- the last gate: which codes an action may answer at all --------------------------------------------------------

@pytest.mark.parametrize("code", range(256))
def test_dangerous_codes_never_leave(code: int) -> None:
    """2 and 5 from a probe are read as "not running", 6 stops the resource everywhere, a failed stop fences."""
    assert permitted(PROBE, code) == (code if code in (0, 1, 7) else 1)
    assert permitted(MONITOR, code) == (code if code in (0, 1, 7, 190) else 1)
    assert permitted(PASSIVE, code) == (code if code in (0, 1, 7) else 1)
    assert permitted("start", code) == (code if code in (0, 1, 4, 5, 6) else 1)
    assert permitted("stop", code) == (0 if code == 0 else 1)
    assert permitted("validate-all", code) == (code if code in (0, 1, 2, 4, 5, 6) else 1)
    assert permitted("promote", code) == 3
