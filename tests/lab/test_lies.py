"""A fence device that confirms what it did not do: nothing may start on its word."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from lab import pairing, waiting
from lab.calm import explain
from lab.errors import LabError
from lab.service import answers
from lab.sites import Lab
from lab.verdict_model import Expectations, Quiet
from tests.lab.conftest import Watch, held
from tests.lab.pairs import settled
from tests.lab.test_scenarios import KEPT, rest

Watching = Callable[..., Watch]


def test_a_device_that_lies_starts_nothing_twice_and_a_drill_finds_it(calm_pair: Lab, watch: Watching) -> None:
    """site-a's device writes "off" into a file and is content; site-b is told to fence the site that serves."""
    lab, site, other = calm_pair, calm_pair.sites["site-a"], calm_pair.sites["site-b"]
    whole = pairing.document(lab)
    # fence_dummy of the fence agents: it switches a word in a file.
    whole["spec"]["sites"][0]["fencing"]["devices"] = [
        {"agent": "fence_dummy", "parameters": {"type": "file", "status_file": "/tmp/power-of-site-a"}}]
    pairing.change(lab, whole)
    waiting.until(lambda: settled(lab, app="site-a") and "fence_dummy" in other.peer(["cibadmin", "--query"]),
                  "the device that lies", 120, lambda: explain(lab))
    pairing.wait_for(lab, "PeerInSync")
    try:
        with watch() as seen:
            rest(lab)
            began = time.monotonic()
            with pytest.raises(LabError, match="stonith_admin"):
                other.peer(["stonith_admin", "--reboot", "site-a", "--timeout", "60"], timeout=120)
            rest(lab, 10)
            assert answers(site) and not answers(other)
            seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
            rest(lab)
        with pytest.raises(LabError, match="THE DRILL FAILED"):
            pairing.snopair(other, "drill", "--fence", "--takeover", "--force", timeout=300)
    finally:
        pairing.change(lab, pairing.document(lab))
        waiting.until(lambda: "fence_dummy" not in other.peer(["cibadmin", "--query"], check=False),
                      "the right device again", 120)
        pairing.cleanup(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I7")
    assert not verdict.fences
