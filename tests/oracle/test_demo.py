"""The demo's own parts: what it reads from etcd, how it exits, how it waits."""
from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as some
from rich.console import Console

from lab.demo import status
from lab.demo_checks import fields, stored_replicas
from lab.demo_screen import Screen
from lab.demo_snopair import latest, sees
from lab.demo_steps import back_on, boot_of, fence_of, running, serving
from lab.errors import LabError
from lab.report import Measure
from lab.verdict import judge
from lab.verdict_model import Expectations, Fact, Quiet
from tests.oracle.history import START, History, Ran, did


def varint(value: int) -> bytes:
    more, low = divmod(value, 128)
    return bytes([low | 128]) + varint(more) if more else bytes([low])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


@given(some.integers(0, 2 ** 31 - 1), some.binary(max_size=300))
def test_replicas_are_found_where_kubernetes_stores_them(replicas: int, noise: bytes) -> None:
    spec = field(1, replicas) + field(2, noise)
    stored = b"k8s\0" + field(1, noise) + field(2, field(1, noise) + field(2, spec) + field(3, noise))
    assert stored_replicas(stored) == replicas


def test_replicas_left_out_are_zero() -> None:
    assert stored_replicas(b"k8s\0" + field(2, field(1, b"meta") + field(2, field(2, b"selector")))) == 0


@given(some.binary(max_size=40))
def test_anything_else_is_refused_or_a_number(noise: bytes) -> None:
    for stored in (noise, b"k8s\0" + noise):
        try:
            assert isinstance(stored_replicas(stored), int)
        except ValueError:
            pass


def test_a_message_cut_short_is_refused() -> None:
    with pytest.raises(ValueError, match="cut short"):
        next(fields(field(2, b"0123456789")[:-1]))


STORY = History(
    ran=[Ran("site-a", 1, 6, "one"), Ran("site-b", 9, 20.5, "two")], off=[("site-a", 6, 8.05)],
    served=[("site-a", 1, 6), ("site-b", 9.05, 20.5)],
    events=[did(6, "power-off", "site-a"), did(7.9, "bmc", "site-a", "on asked")],
)


def test_the_steps_read_the_record_as_it_stands() -> None:
    seen = STORY.record()
    assert running(seen) == serving(seen) == {"site-b"}
    gone = back_on(seen, "site-b", START + 6)
    assert gone is not None and abs(gone.seconds - 3.2) < 0.01
    assert back_on(seen, "site-a", START + 6) is None and back_on(seen, "site-b", START + 12) is None
    fence, boot = fence_of(seen, "site-a", START + 6), boot_of(seen, "site-a", START + 6)
    assert fence is not None and boot is not None and fence.asked < boot.on
    assert fence_of(seen, "site-b", START) is None and boot_of(seen, "site-a", START + 12) is None


FACTS = Expectations(bound=9, quiet=(Quiet("site-b", START + 11, START + 19),), healed=Fact(True, "x"),
                     says_why=Fact(True, "y"))


@pytest.mark.parametrize("expected, code", [
    (FACTS, 0),
    (Expectations(bound=9), 2),
    (Expectations(bound=1), 1),
])
def test_exit_status_by_the_verdict(expected: Expectations, code: int) -> None:
    told = did(19, "expect", detail=expected.as_json())
    history = History(ran=STORY.ran, off=STORY.off, served=STORY.served, events=[*STORY.events, told])
    assert status(judge(history.record())) == code, judge(history.record()).findings


@pytest.mark.parametrize("lost, runs_on, right", [
    ("offline", "site-b", True), ("unclean", "site-b", True), ("joining", "site-b", True),
    ("online", "site-b", False), ("offline", "", False), ("offline", "site-a", False),
])
def test_the_survivor_s_status_must_say_both(lost: str, runs_on: str, right: bool) -> None:
    told = {"sites": [{"name": "site-a", "state": lost}, {"name": "site-b", "state": "online"}],
            "workloads": [{"name": "app", "site": runs_on}]}
    assert sees(told, "site-b", "site-a") is right and not sees({}, "site-b", "site-a")


WHOLE = {"workload": "app", "origin": "site-a", "target": "site-b", "fencedBy": "fence-site-a-1", "fencedSeconds": 0.6,
         "availableSeconds": 3.1}


def test_the_last_recovery_alone_counts_and_only_whole() -> None:
    back = WHOLE | {"origin": "site-b", "target": "site-a"}
    assert latest({"recoveries": [WHOLE | {"workload": "web"}, WHOLE, back]}, "site-a", "site-b") == WHOLE
    for wrong in ([back, WHOLE], [WHOLE | {"availableSeconds": None}], []):
        assert latest({"recoveries": wrong}, "site-a", "site-b") is None
    assert latest({}, "site-a", "site-b") is None


@pytest.fixture
def shown() -> tuple[Screen, Callable[[], str]]:
    """A screen, and what stands on it."""
    paper = io.StringIO()
    return Screen(Console(file=paper, width=100)), paper.getvalue


def test_what_never_happens_ends_with_a_sentence(shown: tuple[Screen, Callable[[], str]]) -> None:
    with pytest.raises(LabError, match="not shown within 0 s: a miracle"):
        shown[0].await_that("a miracle", lambda: None, 0)
    assert shown[0].await_that("an answer", lambda: 42, 0) == 42


def test_a_line_stays_one_line_and_markup_in_it_stays_text(shown: tuple[Screen, Callable[[], str]]) -> None:
    shown[0].fact("[red]" + "x" * 300)
    assert shown[1]().count("\n") == 1 and "[red]" + "x" * 300 in shown[1]()


def test_the_summary_names_every_time_and_every_invariant(shown: tuple[Screen, Callable[[], str]]) -> None:
    shown[0].summary([Measure("takeover", 9.0, 8.0)], judge(STORY.record()))
    assert "takeover" in shown[1]() and "missed" in shown[1]()
    assert all(f"I{number} " in shown[1]() for number in range(1, 9))
