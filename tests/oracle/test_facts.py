"""What a record says before anybody judges."""
from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as some

from lab import oracle_facts as facts
from tests.oracle.history import START, History, Ran, did

tenths = some.integers(0, 200).map(lambda n: n / 10 + 0.05)


@settings(deadline=None)
@given(some.lists(some.tuples(tenths, tenths), max_size=4))
def test_runs_enclose_the_truth(spans: list[tuple[float, float]]) -> None:
    ran = [Ran("site-a", min(a, b), max(a, b), f"c{n}") for n, (a, b) in enumerate(spans) if a != b]
    found = {run.container.id: run for run in facts.runs(History(ran=ran).record())}
    for truth in ran:
        run = found[truth.id]
        start, end = truth.start + START, min(truth.end, 20) + START
        assert run.before <= start + 1e-3 and start - 1e-3 <= run.first
        assert run.last <= end + 1e-3 and end - 1e-3 <= run.after
    assert len(found) == len(ran)


@settings(deadline=None)
@given(some.lists(some.tuples(some.sampled_from(["site-a", "site-b"]), tenths, tenths), max_size=5))
def test_outages_are_the_times_nobody_answered(spans: list[tuple[str, float, float]]) -> None:
    served = [(site, min(a, b), max(a, b)) for site, a, b in spans]
    history = History(served=served)
    up = [any(start <= now < end for _, start, end in served) for now in history.times()]
    first = up.index(True) if True in up else len(up)
    changes = sum(1 for before, now in zip(up[first:], up[first + 1:]) if before and not now)
    found = facts.outages(history.record())
    handovers = [gone for gone in found if gone.end is not None and gone.seconds < 0.15]
    assert changes - 1 <= len(found) - len(handovers) <= changes
    for gone in found:
        inside = [now for now in history.times() if gone.start + 1e-3 < now + START < (gone.end or gone.until) - 1e-3]
        assert not any(start <= now < end for now in inside for _, start, end in served)


def test_an_outage_names_what_was_done_last_before_it() -> None:
    events = [did(1, "note"), did(4.0, "move", "site-b", "planned"), did(4.5, "bmc"), did(10, "power-off", "site-b")]
    history = History(served=[("site-a", 1, 5), ("site-b", 7, 10), ("site-a", 15, 20.5)], events=events)
    first, second = facts.outages(history.record())
    assert (first.after, second.after) == (events[1], events[3])
    assert abs(first.seconds - 2.1) < 1e-3 and abs(second.seconds - 5.1) < 1e-3


def test_before_the_first_answer_there_is_no_outage() -> None:
    assert facts.outages(History(served=[("site-a", 9, 20.5)]).record()) == []


def test_one_site_taking_over_while_the_other_still_answers_is_no_outage() -> None:
    assert facts.outages(History(served=[("site-a", 1, 9), ("site-b", 8, 20.5)]).record()) == []


def test_boots_are_told_apart_even_when_the_power_was_off_between_two_looks() -> None:
    history = History(off=[("site-a", 5.01, 5.02), ("site-b", 8, 10)])
    found = facts.boots(history.record())
    assert [(boot.site, boot.boot) for boot in found] == [("site-a", "boot-1"), ("site-b", "boot-1")]
    assert abs(found[1].on - START - 10) < 0.11 and found[1].off <= found[1].on


def test_every_pause_counts_also_inside_a_stretch() -> None:
    spells = facts.blind(History(asleep=[(3.0, 3.8)]).record())
    assert {(s.site, round(s.start - START, 1), round(s.end - START, 1)) for s in spells} >= {("site-a", 3.0, 3.8)}
    assert abs(facts.resolution(History(asleep=[(3.0, 3.8)]).record()) - 0.8) < 1e-3


def test_a_fence_is_told_by_the_bmc_s_orders_only() -> None:
    events = [
        did(1, "power-off", "site-a"), did(3, "bmc", "site-a", "on asked"),
        did(4, "bmc", "site-a", "on: the site runs"),
        did(6, "bmc", "site-b", "reset asked"), did(7, "bmc", "site-b", "off: the site is dead"),
        did(8, "bmc", "site-b", "on: the site runs"), did(9, "bmc", "site-b", "off asked"),
        did(9.5, "bmc", "site-b", "off asked"), did(10, "power-on", "site-b"), did(11, "bmc", "site-b", "off asked"),
    ]
    found = [(fence.site, fence.asked - START, fence.order) for fence in facts.fences(events)]
    assert found == [("site-a", 3, "on"), ("site-b", 6, "reset"), ("site-b", 9, "off"), ("site-b", 11, "off")]


def test_a_site_that_ended_itself_was_fenced_until_it_is_switched_on() -> None:
    events = [
        did(1, facts.SELF_FENCE, "site-b", "by reboot(2)"), did(2, "bmc", "site-b", "off asked"),
        did(3, "power-on", "site-b"), did(4, facts.SELF_FENCE, "site-b", "by reboot(2)"),
        did(5, "watchdog", "site-a", "silent for 5.1 s"), did(5.1, "power-off", "site-a"),
    ]
    found = [(fence.site, fence.asked - START, fence.order) for fence in facts.fences(events)]
    assert found == [("site-b", 1, "off"), ("site-b", 4, "off")]


def test_cut_links_add_up_and_heal() -> None:
    events = [did(1, "cut", detail="link 1"), did(2, "cut", detail="link 2"), did(3, "heal", detail="link 1")]
    assert [facts.cut_links(events, START + t) for t in (0.5, 1.5, 2.5, 3.5)] == [set(), {1}, {1, 2}, {2}]
