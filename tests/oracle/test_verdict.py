"""The verdict: broken only on evidence, held only where shown, else not judged and why."""
from __future__ import annotations

from itertools import cycle, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lab import oracle_facts as facts
from lab.record import Event
from lab.verdict import judge
from lab.verdict_model import Expectations, Fact, Finding, Outcome, Quiet, Start, Verdict
from tests.oracle.history import SITES, START, History, Ran, did

HELD, BROKEN, NOT_JUDGED = Outcome.HELD, Outcome.BROKEN, Outcome.NOT_JUDGED
LENGTH = 12.0


def finding(verdict: Verdict, name: str) -> Finding:
    return next(found for found in verdict.findings if found.invariant == name)


def expect(**what: object) -> Event:
    return did(0, "expect", detail=Expectations(**what).as_json())  # type: ignore[arg-type]


# I1: generated histories against a brute-force look at the truth

hundredths = some.integers(0, int(LENGTH * 100)).map(lambda n: n / 100 + 0.005)


@some.composite
def histories(draw: some.DrawFn) -> History:
    spans = draw(some.lists(some.tuples(some.sampled_from(SITES), hundredths, hundredths), max_size=4))
    ran = [Ran(site, min(a, b), max(a, b), f"c{n}") for n, (site, a, b) in enumerate(spans)]
    pauses = cycle(draw(some.lists(some.floats(0.03, draw(some.sampled_from([0.2, 1.2]))), min_size=1, max_size=7)))
    looks = [0.0]
    while looks[-1] < LENGTH:
        looks.append(min(looks[-1] + next(pauses), LENGTH))
    return History(ran=ran, length=LENGTH, looks=looks, complete=draw(some.booleans()))


def true_overlap(ran: list[Ran]) -> float:
    """The longest time that containers truly ran on both sites at once."""
    pairs = [(a, b) for a, b in product(ran, ran) if a.site < b.site]
    return max((min(a.end, b.end) - max(a.start, b.start) for a, b in pairs), default=0.0)


@settings(max_examples=300, deadline=None)
@given(histories())
def test_at_most_one_agrees_with_the_truth(history: History) -> None:
    verdict = judge(history.record())
    outcome, overlap = verdict.outcome("I1"), true_overlap(list(history.ran))
    caught = any({r.site for r in history.ran if r.at(now)} == set(SITES) for now in history.times())
    assert (outcome is BROKEN) == caught, "broken when, and only when, a look caught both sites running"
    if outcome is BROKEN:
        assert overlap > 0
    if outcome is HELD:
        assert overlap <= verdict.resolution + 1e-6
        assert verdict.resolution <= facts.LONGEST_GAP + 1e-6
        assert history.complete


def test_both_sites_at_once_is_broken_and_said_with_names_and_seconds() -> None:
    verdict = judge(History(ran=[Ran("site-a", 2, 9, "one"), Ran("site-b", 6, 12, "two")]).record())
    found = finding(verdict, "I1")
    assert found.outcome is BROKEN
    assert "ran on both sites for at least 2.90 s from +6.0 s on" in found.evidence
    assert "app-one on site-a" in found.evidence and "app-two on site-b" in found.evidence


def test_two_containers_of_one_site_do_not_overlap() -> None:
    assert judge(History(ran=[Ran("site-a", 2, 9, "one"), Ran("site-a", 3, 9, "two")]).record()).outcome("I1") is HELD


def test_a_container_nobody_could_attribute_counts_for_every_workload() -> None:
    ran = [Ran("site-a", 2, 9, "one"), Ran("site-b", 6, 12, "two", workload="?")]
    assert judge(History(ran=ran).record()).outcome("I1") is BROKEN


def test_a_handover_faster_than_the_oracle_looks_is_not_judged() -> None:
    verdict = judge(History(ran=[Ran("site-a", 2, 5.05, "one"), Ran("site-b", 5.06, 9, "two")]).record())
    assert verdict.outcome("I1") is NOT_JUDGED
    assert "faster than the oracle looks" in finding(verdict, "I1").evidence


def test_an_oracle_that_slept_gives_no_verdict() -> None:
    verdict = judge(History(ran=[Ran("site-a", 1, 20)], asleep=[(8, 8.6)]).record(), bound=5)
    for name in ("I1", "I8"):
        assert verdict.outcome(name) is NOT_JUDGED
    assert "did not see site-a for 0.60 s from +8.0 s on" in finding(verdict, "I1").evidence


def test_a_pause_of_half_a_second_is_still_good() -> None:
    assert judge(History(ran=[Ran("site-a", 1, 20)], asleep=[(8, 8.5)]).record()).outcome("I1") is HELD


def test_looks_that_prove_nothing_are_no_looks() -> None:
    history = History(ran=[Ran("site-a", 1, 20)], unsure=[("site-b", 8, 8.6)])
    assert judge(history.record()).outcome("I1") is NOT_JUDGED


def test_an_oracle_that_stopped_early_or_began_late_gives_no_verdict() -> None:
    ran = [Ran("site-a", 1, 20)]
    assert judge(History(ran=ran, asleep=[(19, 21)]).record()).outcome("I1") is NOT_JUDGED
    assert judge(History(ran=ran, asleep=[(-1, 0.8)]).record()).outcome("I1") is NOT_JUDGED


def test_a_record_cut_short_never_says_held() -> None:
    history = History(ran=[Ran("site-a", 1, 20)], served=[("site-a", 1, 20)], complete=False, events=[
        expect(bound=9.0, quiet=(Quiet("site-a", START + 2, START + 5),))])
    outcomes = {found.invariant: found.outcome for found in judge(history.record()).findings}
    assert set(outcomes.values()) == {NOT_JUDGED}


def test_what_was_seen_to_break_stays_broken_in_a_record_cut_short() -> None:
    history = History(ran=[Ran("site-a", 2, 9, "one"), Ran("site-b", 6, 12, "two")], complete=False)
    assert judge(history.record()).outcome("I1") is BROKEN


def test_a_workload_never_seen_running_is_not_judged() -> None:
    assert "never seen running" in finding(judge(History().record()), "I1").evidence


def test_an_oracle_that_looks_at_the_wrong_place_is_found_out() -> None:
    history = History(ran=[Ran("site-a", 1, 5)], served=[("site-a", 1, 5), ("site-b", 7, 12)])
    found = finding(judge(history.record()), "I1")
    assert found.outcome is NOT_JUDGED and "site-b served from +7.0 s on" in found.evidence


# I2

OUTAGE = [("site-a", 1.0, 5.05), ("site-b", 8.05, 20.1)]


@pytest.mark.parametrize("bound, outcome, words", [
    (4.0, HELD, "1 time without service, the longest 3.1 s"),
    (3.0, BROKEN, "no service for 3.1 s from +5.0 s on (bound 3 s)"),
    (None, NOT_JUDGED, "no bound was given; the longest time without service was 3.1 s"),
])
def test_back_soon(bound: float | None, outcome: Outcome, words: str) -> None:
    found = finding(judge(History(served=OUTAGE, ran=[Ran("site-a", 1, 5)]).record(), bound=bound), "I2")
    assert found.outcome is outcome and words in found.evidence


def test_a_service_still_away_at_the_end_is_late_once_the_bound_is_over() -> None:
    record = History(served=[("site-a", 1, 5.05)]).record()
    assert "was not back at the end" in finding(judge(record, bound=4), "I2").evidence
    assert judge(record, bound=4).outcome("I2") is BROKEN
    assert judge(record, bound=40).outcome("I2") is NOT_JUDGED


def test_a_service_that_never_answered_is_not_judged() -> None:
    assert judge(History().record(), bound=4).outcome("I2") is NOT_JUDGED


# I3 and I4

def fence(seconds: float, site: str) -> list[Event]:
    return [did(seconds, "bmc", site, "off asked"), did(seconds + 0.3, "bmc", site, "off: the site is dead"),
            did(seconds + 0.6, "bmc", site, "on asked"), did(seconds + 0.9, "bmc", site, "on: the site runs")]


SPLIT = [did(1, "cut", detail="link 1"), did(2, "cut", detail="link 2")]


@pytest.mark.parametrize("events, needless, loop", [
    ([], HELD, HELD),
    ([did(3, "power-off", "site-a"), did(8, "bmc", "site-a", "on asked")], HELD, HELD),
    ([did(3, "power-off", "site-a"), *fence(8, "site-b")], BROKEN, HELD),
    ([did(3, "api-stop", "site-a"), *fence(8, "site-a")], BROKEN, HELD),
    ([*SPLIT, *fence(5, "site-b")], HELD, HELD),
    ([*SPLIT, *fence(5, "site-b"), *fence(9, "site-a")], HELD, BROKEN),
    ([did(1, "cut", detail="link 1 and 2"), *fence(5, "site-a")], HELD, HELD),
    ([did(1, "cut", detail="link 1"), *fence(5, "site-a")], BROKEN, HELD),
    ([*SPLIT, did(3, "heal", detail="link 1 and 2"), did(4, "cut", detail="link 2"), *fence(5, "site-a")],
     BROKEN, HELD),
    ([*fence(5, "site-a")], BROKEN, HELD),
    ([did(3, "fault", "site-a", "daemon killed"), *fence(5, "site-a")], HELD, HELD),
    ([did(3, "fault", "site-a", "daemon killed"), *fence(5, "site-b")], BROKEN, HELD),
    ([did(3, "power-off", "site-a"), did(5, "bmc", "site-a", "off asked"), did(6, "bmc", "site-a", "off asked")],
     HELD, HELD),
    ([did(3, "power-off", "site-a"), *fence(5, "site-a"), *fence(9, "site-a")], HELD, BROKEN),
    ([did(2, "power-off", "site-a"), did(3, "power-on", "site-a"), did(9, "bmc", "site-a", "status: on")], HELD, HELD),
])
def test_fences(events: list[Event], needless: Outcome, loop: Outcome) -> None:
    verdict = judge(History(events=events).record())
    assert (verdict.outcome("I3"), verdict.outcome("I4")) == (needless, loop), [f.evidence for f in verdict.findings]


# I5 and I6

@pytest.mark.parametrize(
    "fact, outcome", [(Fact(True, "seen"), HELD), (Fact(False, "seen"), BROKEN), (None, NOT_JUDGED)])
def test_other_witnesses_facts_are_taken_as_given(fact: Fact | None, outcome: Outcome) -> None:
    verdict = judge(History(events=[expect(healed=fact, says_why=fact)]).record())
    assert verdict.outcome("I5") is outcome and verdict.outcome("I6") is outcome


# I7

@pytest.mark.parametrize("ran, outcome", [
    ([Ran("site-b", 1, 20)], HELD),
    ([Ran("site-b", 1, 6, "one"), Ran("site-b", 6.5, 20, "two")], BROKEN),
    ([Ran("site-b", 1, 6)], BROKEN),
    ([Ran("site-b", 6, 20)], BROKEN),
    ([Ran("site-a", 1, 20)], BROKEN),
    ([Ran("site-b", 1, 4, "one"), Ran("site-b", 4.5, 20, "two")], HELD),
    ([Ran("site-b", 1, 20, "one"), Ran("site-b", 6, 7, "two")], BROKEN),
])
def test_the_healthy_is_left_alone(ran: list[Ran], outcome: Outcome) -> None:
    quiet = expect(quiet=(Quiet("site-b", START + 5, START + 15),))
    assert judge(History(ran=ran, events=[quiet]).record()).outcome("I7") is outcome


# I8

OFF = [("site-a", 5.0, 8.05)]


@pytest.mark.parametrize("ran, starts, outcome", [
    ([], (), HELD),
    ([Ran("site-a", 1, 5)], (), HELD),
    ([Ran("site-a", 12, 14)], (), BROKEN),
    ([Ran("site-a", 12, 14)], (Start("site-a", START + 11),), HELD),
    ([Ran("site-a", 12, 14)], (Start("site-a", START + 13),), BROKEN),
    ([Ran("site-a", 12, 14)], (Start("site-b", START + 11),), BROKEN),
    ([Ran("site-a", 12, 14)], (Start("site-a", START + 2),), BROKEN),
    ([Ran("site-a", 9, 10, "one"), Ran("site-a", 12, 14, "two")], (Start("site-a", START + 11),), BROKEN),
    ([Ran("site-b", 9, 14)], (), HELD),
])
def test_a_site_stays_down_until_told(ran: list[Ran], starts: tuple[Start, ...], outcome: Outcome) -> None:
    found = finding(judge(History(ran=ran, off=OFF, events=[expect(starts=starts)]).record()), "I8")
    assert found.outcome is outcome, found.evidence


def test_no_power_on_no_verdict_on_staying_down() -> None:
    assert judge(History(ran=[Ran("site-a", 1, 9)]).record()).outcome("I8") is NOT_JUDGED


def test_the_first_boot_of_a_site_that_was_off_counts_too() -> None:
    history = History(ran=[Ran("site-b", 4, 9)], off=[("site-b", 0, 2.0)])
    assert judge(history.record()).outcome("I8") is BROKEN


@given(some.builds(
    Expectations, bound=some.none() | some.floats(0, 99), quiet=some.just(()), says_why=some.none(),
    starts=some.tuples(some.builds(Start, some.text(), some.floats(0, 9))),
    healed=some.none() | some.builds(Fact, some.booleans(), some.text())))
def test_expectations_survive_the_record(expected: Expectations) -> None:
    assert Expectations.of([Event(0, "expect", None, expected.as_json())]) == expected


def test_later_expectations_replace_earlier_ones() -> None:
    found = Expectations.of([expect(bound=1.0), expect(healed=Fact(True, "x")), expect(bound=2.0)])
    assert (found.bound, found.healed) == (2.0, Fact(True, "x"))
