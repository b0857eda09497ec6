"""Drills on two real sites: what is found beforehand, what a real fence on purpose costs, a wrong password."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from lab import pairing, waiting
from lab.errors import LabError
from lab.sites import Lab, Site
from lab.verdict_model import Expectations, Quiet, Start
from tests.lab.conftest import Watch, held
from tests.lab.pairs import read_secrets, wait_takeover
from tests.lab.test_confirm import out_of_reach
from tests.lab.test_scenarios import KEPT, rejoined, rest

Watching = Callable[..., Watch]


def drill(site: Site, *words: str) -> tuple[int, str]:
    """Exit code and stdout of a drill; 1 means that it found something."""
    try:
        return 0, pairing.snopair(site, "drill", *words, timeout=300)
    except LabError as error:
        assert "code 1" in str(error), error
        return 1, str(error)


def test_a_look_finds_a_bmc_that_is_out_of_reach_and_disturbs_nothing(calm_pair: Lab, watch: Watching) -> None:
    lab, site, other = calm_pair, calm_pair.sites["site-a"], calm_pair.sites["site-b"]
    with watch() as seen:
        began = time.monotonic()
        code, said = drill(site)
        assert code == 0 and "the power is on" in said, said
        with out_of_reach((site, other)):
            code, said = drill(site)
        assert code == 1 and "fence-site-b-1 (fence_ipmilan): it does not tell" in said, said
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I7")
    assert not verdict.fences


def test_the_passive_site_fenced_on_purpose_costs_no_service(calm_pair: Lab, watch: Watching) -> None:
    lab, site = calm_pair, calm_pair.sites["site-a"]
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        lab.event("fault", "site-b", "fenced on purpose, by a drill")
        result = json.loads(pairing.snopair(site, "drill", "--fence", "-o", "json", timeout=300))
        rejoined(lab)
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    assert result["good"] and 0 < result["fencedSeconds"] < result["returnedSeconds"], result
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7", "I8")
    assert [fence.site for fence in verdict.fences] == ["site-b"]
    known = waiting.until(lambda: _last(site), "the result in the status", 30)
    assert known == {"last": result, "overdue": False}


def _last(site: Site) -> dict[str, object]:
    found = json.loads(pairing.snopair(site, "status", "-o", "json"))["drill"]
    return found if found["last"] else {}


def test_a_takeover_on_purpose_is_measured_and_given_back(calm_pair: Lab, watch: Watching) -> None:
    lab, passive = calm_pair, calm_pair.sites["site-b"]
    wait_takeover(lab)
    with watch() as seen:
        rest(lab)
        began, starts = time.monotonic(), [seen.told("site-b")]
        lab.event("fault", "site-a", "fenced on purpose, by a drill")
        result = json.loads(pairing.snopair(passive, "drill", "--fence", "--takeover", "-o", "json", timeout=400))
        # It is given back when it is a member again, and not before.
        starts.append(Start("site-a", began + result["returnedSeconds"] - 1))
        rejoined(lab)
        seen.expect(Expectations(starts=tuple(starts)))
        rest(lab)
    assert result["good"] and result["fencedSeconds"] < result["availableSeconds"] < result["returnedSeconds"], result
    verdict = seen.verdict(bound=20)
    held(verdict, "I1", "I2", "I4", "I8")
    assert [fence.site for fence in verdict.fences] == ["site-a"] and pairing.where(lab) == "site-a"


# -- a password that is changed -------------------------------------------------------------------------------------

def test_a_wrong_new_password_is_told_and_does_not_take_the_fencing_away(calm_pair: Lab) -> None:
    """The Secret of site-b's BMC is changed on site-a, to something that the BMC refuses, and back."""
    lab, site = calm_pair, calm_pair.sites["site-a"]
    right = lab.bmc_credentials("site-b")[1]
    _set_password(site, "not-this-one")
    try:
        said = waiting.until(lambda: _note(site), "the refusal in the status", 150)
        assert "the new password of Secret bmc-site-b is not used, for it failed: fence_ipmilan failed (1)" in said
        assert pairing.condition(site, "FencingProven")[0] == "True"
        code, found = drill(site)
        assert code == 0 and "the power is on" in found, found
    finally:
        _set_password(site, right)
        waiting.until(lambda: not _note(site), "the right one being used", 150)
    assert right not in said and "not-this-one" not in said


def _set_password(site: Site, value: str) -> None:
    data = json.dumps({"stringData": {"password": value}})
    pairing.kubectl(site, "patch", "secret", "bmc-site-b", "-n", pairing.NAMESPACE, "--patch-file=/dev/stdin",
                    input=data)
    read_secrets(site)


def _note(site: Site) -> str:
    """What the status says of a password that is not used; "" when nothing."""
    message = pairing.condition(site, "Degraded")[1]
    return message if "is not used" in message else ""
