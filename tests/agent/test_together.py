"""A resource of several workloads: one verdict out of many."""

from __future__ import annotations

import pytest

from k8sdeployment.agent.codes import DEGRADED, GENERIC, NOT_RUNNING, OK, Verdict
from k8sdeployment.agent.judge import together

TOGETHER = {
    (OK, OK): OK, (OK, DEGRADED): DEGRADED, (OK, NOT_RUNNING): GENERIC, (OK, GENERIC): GENERIC,
    (DEGRADED, DEGRADED): DEGRADED, (DEGRADED, NOT_RUNNING): GENERIC, (DEGRADED, GENERIC): GENERIC,
    (NOT_RUNNING, NOT_RUNNING): NOT_RUNNING, (NOT_RUNNING, GENERIC): GENERIC, (GENERIC, GENERIC): GENERIC,
}


@pytest.mark.parametrize("codes", TOGETHER)
@pytest.mark.parametrize("swapped", [False, True])
def test_several_workloads_count_as_one(codes: tuple[int, int], swapped: bool) -> None:
    """"Not running" only when none runs: on that word all of them are started elsewhere."""
    first, second = codes[::-1] if swapped else codes
    verdicts = [(name, Verdict(code, "" if code == OK else f"because {code}"))
                for name, code in (("db", first), ("web", second))]
    found = together(verdicts)
    assert found.code == TOGETHER[codes]
    if found.code == GENERIC:
        bad = GENERIC if GENERIC in codes else NOT_RUNNING
        assert all(name in found.reason for name, one in verdicts if one.code == bad)
        assert found.reason.count(f"because {bad}") == 1


def test_one_workload_speaks_for_itself() -> None:
    assert together([("db", Verdict(DEGRADED, "paused"))]) == Verdict(DEGRADED, "paused")


def test_of_many_reasons_two_are_told() -> None:
    """Pacemaker cuts a reason at some 128 characters."""
    found = together([(f"w{number}", Verdict(GENERIC, f"gone {number}")) for number in range(9)])
    assert found.reason == "w0: gone 0; w1: gone 1; and 7 more"


def test_what_all_say_is_told_once() -> None:
    found = together([(f"w{number}", Verdict(DEGRADED, "the API is away")) for number in range(5)])
    assert found.reason == "w0, w1, w2 …: the API is away"
