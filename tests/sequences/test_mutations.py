"""The histories can fail: each fault that is built into the agent here is found by them within a bounded number."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from k8sdeployment.agent import judge, start, wire
from k8sdeployment.agent.codes import NOT_RUNNING, Verdict
from k8sdeployment.agent.deadline import Deadline
from k8sdeployment.agent.ending import Ending
from k8sdeployment.agent.permit import ABSENT, STOPPED, STOPPING, Permit
from k8sdeployment.agent.scene import Host
from k8sdeployment.agent.witness import Witness

from . import trial
from .steps import short

MOST = 200
Patch = pytest.MonkeyPatch


def unlinks_the_permit(patch: Patch) -> None:
    """A withdrawal that leaves a gap and takes it for a tombstone: a container that restarts gets a directory there."""
    real = Permit.state

    def gap(self: Permit, mark: str) -> None:
        if os.path.isfile(self.path):
            os.unlink(self.path)
    patch.setattr(Permit, "_tombstone", gap)
    patch.setattr(Permit, "state", lambda self: STOPPED if real(self) == ABSENT else real(self))


def stops_without_proof(patch: Patch) -> None:
    """A stop that believes that its withdrawal was enough."""
    patch.setattr(Ending, "run", lambda self: None)


def frees_what_is_still_stopping(patch: Patch) -> None:
    """A probe that takes the tombstone for proof."""
    real = judge.by_permit

    def hasty(action: str, state: str, *more: object) -> Verdict | None:
        return Verdict(NOT_RUNNING) if state == STOPPING else real(action, state, *more)  # type: ignore[arg-type]
    patch.setattr(judge, "by_permit", hasty)


def grants_without_announcement(patch: Patch) -> None:
    """A start that was overtaken by a stop or a probe and grants all the same."""
    patch.setattr(Permit, "announced", lambda self: True)


def believes_the_api(patch: Patch) -> None:
    """A start that takes the API's word for what runs; after a boot that is old."""
    patch.setattr(start, "_confirmed", lambda *_: True)


def never_gives_up(patch: Patch) -> None:
    """An action that does not look at the time and sets no alarm."""
    patch.setattr(Deadline, "left", lambda self: 5.0)
    patch.setattr(Host, "ring_when_late", lambda self: None)


def does_not_look(patch: Patch) -> None:
    """A witness that sees nobody."""
    patch.setattr(Witness, "holders", lambda self: [])


def tells_the_token(patch: Patch) -> None:
    """A reason with a secret in it."""
    patch.setattr(wire.Endpoint, "__str__", lambda self: f"{self.host} with {self.token}")


def stumbles(patch: Patch) -> None:
    """An answer that the code does not expect becomes an exception that nobody foresaw."""
    patch.setattr(wire, "_length", lambda text, base: int(text, 8))


MUTATIONS = [unlinks_the_permit, stops_without_proof, frees_what_is_still_stopping, grants_without_announcement,
             believes_the_api, never_gives_up, does_not_look, tells_the_token, stumbles]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_fault_in_the_agent_is_found(mutation: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mutation(monkeypatch)
    for index in range(MOST):
        outcome = trial.run({"guard": "required"}, short(random.Random(index)))
        if outcome.violations:
            print(f"found by history {index}: {outcome.violations[0]}")
            return
    pytest.fail(f"{MOST} histories did not find it")
