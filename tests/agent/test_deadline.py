"""The action's time: always less than what Pacemaker gives, whatever it says."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sdeployment.agent.codes import Late
from k8sdeployment.agent.deadline import Deadline, budget, timeout

TIMEOUT = "OCF_RESKEY_CRM_meta_timeout"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("action,share", [("start", 0.9), ("stop", 0.95), ("monitor", 0.7), ("probe", 0.7),
                                          ("validate-all", 0.7)])
def test_a_share_of_the_timeout_in_milliseconds(action: str, share: float) -> None:
    assert budget(action, {TIMEOUT: "60000"}).span == pytest.approx(60 * share)


@pytest.mark.parametrize("text", ["", "0", "-5", "20s", "1e3", "\u0663", "x"])
def test_what_is_no_timeout_is_as_if_nobody_said(text: str) -> None:
    assert timeout("monitor", {TIMEOUT: text}) == timeout("monitor", {}) == 20.0


def test_by_hand_the_metadatas_timeouts_hold() -> None:
    assert (timeout("start", {}), timeout("stop", {}), timeout("probe", {})) == (180.0, 360.0, 20.0)


@given(st.sampled_from(["start", "stop", "monitor", "probe", "validate-all"]), st.integers(1000, 10 ** 9))
def test_some_time_is_left_to_say_why(action: str, milliseconds: int) -> None:
    """At least half a second, and in a short timeout no less than a fifth of a second to try at all."""
    span = budget(action, {TIMEOUT: str(milliseconds)}).span
    assert 0.2 <= span <= milliseconds / 1000 - 0.5


def test_time_passes() -> None:
    clock = Clock()
    deadline = Deadline(10.0, clock)
    clock.now += 4
    assert (deadline.elapsed(), deadline.left(), deadline.passed()) == (4.0, 6.0, False)
    assert deadline.demand("x") == 6.0
    clock.now += 7
    assert (deadline.left(), deadline.passed()) == (0.0, True)
    with pytest.raises(Late, match="11s while waiting for x"):
        deadline.demand("waiting for x")


def test_a_part_is_never_later_than_the_whole() -> None:
    clock = Clock()
    deadline = Deadline(10.0, clock)
    clock.now += 4
    assert deadline.part(3.0).span == 3.0
    assert deadline.part(30.0).span == 6.0
    clock.now += 30
    assert deadline.part(3.0).passed()


def test_a_wait_never_goes_past_the_deadline() -> None:
    deadline = Deadline(0.05)
    deadline.wait(30.0)
    assert 0.05 <= deadline.elapsed() < 1.0


def test_the_wall_clock_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    deadline = Deadline(10.0)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert deadline.elapsed() < 1.0
