"""Why each action answers the codes it does: what Pacemaker's scheduler makes of them, and of the others.

The CIBs of simulate/ are whole: `crm_simulate --simulate --xml-file tests/contract/simulate/join.xml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from k8sdeployment.agent import codes
from k8sdeployment.agent.codes import ALLOWED, MONITOR, PASSIVE, PROBE, START, STOP

from .conftest import Peer
from .scheduler import KEPT, TIMED_OUT, configurations, plan, situation

Expected = str | dict[str, str]  # a plan, or one for each Debian release
Row = tuple[str, str, int | str, Expected]
RESTARTED = "stop site-a; start site-a"
MOVED = "stop site-a; start site-b"
BOTH_STOPPED_ONE_STARTED = "stop site-a, stop site-b; start site-a"
FENCED = "fence site-a; start site-b"

# action, kept CIB, what it answers, what is done then. In all of them the workload is, or was, on site-a.
ANSWERED: list[Row] = [
    (PROBE, "join", 7, ""),  # the healthy copy on site-a is left alone
    (PROBE, "join", 0, BOTH_STOPPED_ONE_STARTED),
    (PROBE, "join", 1, BOTH_STOPPED_ONE_STARTED),  # hence 7 by the permit, without an API that is still coming up
    (PROBE, "forgotten", 0, ""),  # adopted
    (PROBE, "forgotten", 1, RESTARTED),
    (PROBE, "forgotten", 7, "start site-a"),  # without any stop: 7 must be true
    (MONITOR, "running", 0, ""),
    (MONITOR, "running", 190, ""),  # no failure
    (MONITOR, "running", 1, RESTARTED),
    (MONITOR, "running", 7, RESTARTED),
    (MONITOR, "third-failure", 1, MOVED),
    (MONITOR, "third-failure", 7, MOVED),
    (PASSIVE, "passive", 7, ""),
    (PASSIVE, "passive", 0, BOTH_STOPPED_ONE_STARTED),
    (PASSIVE, "passive", 1, BOTH_STOPPED_ONE_STARTED),
    (START, "start", 0, ""),
    (START, "start", 1, RESTARTED),
    (START, "start", 4, MOVED),
    (START, "start", 5, MOVED),
    (START, "start", 6, "stop site-a"),  # and nowhere again
    (STOP, "stop", 0, "start site-b"),
    (STOP, "stop", 1, FENCED),
]

# What must never be answered, and the harm that it would do.
NEVER: list[Row] = [
    (PROBE, "forgotten", 2, "start site-b"),  # taken for "not running": a second copy
    (PROBE, "forgotten", 5, "start site-b"),  # likewise
    (PROBE, "join", 2, ""),  # likewise: a copy on site-b would go unseen
    (PROBE, "join", 5, ""),
    (PROBE, "join", 6, "stop site-a, stop site-b"),  # the healthy copy is stopped, and nothing starts any more
    (PROBE, "forgotten", 6, "stop site-a"),
    (PROBE, "forgotten", 3, MOVED),  # leaves a site that runs it well
    (PROBE, "forgotten", 4, MOVED),
    (PROBE, "join", 4, BOTH_STOPPED_ONE_STARTED),
    (PROBE, "join", TIMED_OUT, BOTH_STOPPED_ONE_STARTED),  # an agent that is killed at its timeout restarts it, too
    (MONITOR, "running", 2, MOVED),  # a site is given up at the first failure, until a cleanup
    (MONITOR, "running", 4, MOVED),
    (MONITOR, "running", 5, MOVED),
    (MONITOR, "running", 6, "stop site-a"),
    (PASSIVE, "passive", 190, BOTH_STOPPED_ONE_STARTED),  # no success here, though it is one in a monitor elsewhere
    (PASSIVE, "passive", 2, BOTH_STOPPED_ONE_STARTED),
    (PASSIVE, "passive", 5, BOTH_STOPPED_ONE_STARTED),
    (PASSIVE, "passive", 6, "stop site-a, stop site-b"),
    (START, "start", 2, MOVED),
    (START, "start", 3, MOVED),
    (START, "start", 7, RESTARTED),
    # Pacemaker 3 takes 190 for a success there, too: what was not started is not tried again, and what was not stopped
    # is started elsewhere, without a fence.
    (START, "start", 190, {"bookworm": RESTARTED, "trixie": ""}),
    (STOP, "stop", 190, {"bookworm": FENCED, "trixie": "start site-b"}),
    (START, "start", TIMED_OUT, RESTARTED),
    (STOP, "stop", 4, FENCED),
    (STOP, "stop", 5, FENCED),
    (STOP, "stop", 6, "fence site-a"),  # and started nowhere
    (STOP, "stop", 7, FENCED),  # "not running" is no success of a stop
    (STOP, "stop", TIMED_OUT, FENCED),
]

# Known of Pacemaker and no harm: taken for 0.
HARMLESS: list[Row] = [(PROBE, "forgotten", 190, "")]

UNFENCED = "unfenced"
Plans = Mapping[tuple[str, str], str]


def named(rows: list[Row]) -> list[object]:
    return [pytest.param(*row, id="-".join(map(str, row[:3]))) for row in rows]


def test_every_code_that_an_action_may_answer_is_simulated() -> None:
    asked = (PROBE, MONITOR, PASSIVE, START, STOP)
    simulated = {(action, answer) for action, _, answer, _ in ANSWERED}
    assert simulated == {(action, code) for action in asked for code in ALLOWED[action]}


def test_what_must_never_be_answered_is_kept_back() -> None:
    for action, _, answer, _ in NEVER + HARMLESS:
        assert answer == TIMED_OUT or codes.permitted(action, int(answer)) == codes.GENERIC


def test_the_kept_files_differ_in_their_status_alone() -> None:
    kept = sorted(KEPT.glob("*.xml"))
    assert {file.stem for file in kept} == {row[1] for row in ANSWERED + NEVER}
    assert len(configurations(kept)) == 1


@pytest.fixture(scope="session")
def plans(peer: Peer) -> Plans:
    """What this Pacemaker plans in every situation; asked in one go, for a command in a container takes its time."""
    directory = peer.shared / "simulate"
    directory.mkdir()
    for _, name, answer, _ in ANSWERED + NEVER + HARMLESS:
        (directory / f"{name} {answer}").write_text(situation(name, answer))
    for code in (0, 1):
        (directory / f"{UNFENCED} {code}").write_text(situation("stop", code, fencing=False))
    code, said = peer.run("sh", "-ec", f'cd {directory}; for cib in *; do crm_simulate --xml-file "$cib" --simulate '
                          '--quiet --output-as=xml > "$cib.plan"; done')
    assert code == 0, said
    return {_key(file): plan(file.read_text()) for file in directory.glob("*.plan")}


def _key(file: Path) -> tuple[str, str]:
    name, answer = file.stem.split()
    return name, answer


@pytest.mark.contract
@pytest.mark.lab
@pytest.mark.parametrize("action,name,answer,expected", named(ANSWERED))
def test_what_follows_an_answer(plans: Plans, action: str, name: str, answer: int | str, expected: str) -> None:
    assert plans[name, str(answer)] == expected


@pytest.mark.contract
@pytest.mark.lab
@pytest.mark.parametrize("action,name,answer,expected", named(NEVER + HARMLESS))
def test_what_would_follow_an_answer_that_is_never_given(
        peer: Peer, plans: Plans, action: str, name: str, answer: int | str, expected: Expected) -> None:
    assert plans[name, str(answer)] == (expected if isinstance(expected, str) else expected[peer.release])


@pytest.mark.contract
@pytest.mark.lab
def test_without_fencing_a_failed_stop_blocks(plans: Plans) -> None:
    assert (plans[UNFENCED, "0"], plans[UNFENCED, "1"]) == ("start site-b", "")
