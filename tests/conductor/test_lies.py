"""A device that lied is not trusted until it is changed or does what it says, whatever becomes of the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8sdeployment.conductor.lies import Lies
from k8sdeployment.conductor.proof import Prover
from k8sdeployment.pair.lies import LIED
from tests.conductor.test_proof import Devices, settled
from tests.pair.sample import pair, site
from tests.pair.test_lies import said

NAME = "fence-site-a-1"
WORDS = {NAME: "action=status\nip=203.0.113.11\n"}
CHANGED = {NAME: "action=status\nip=203.0.113.99\n"}
LIE = said("gone-site-a-1", 1)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "pacemaker.log"


def lies(log: Path) -> Lies:
    """As a conductor that has just begun has them."""
    return Lies(log, log.with_name("lies.json"), log.with_name("liars"))


def marked(log: Path) -> set[str]:
    """The devices that fence_gone knows to have lied."""
    return {file.name for file in log.with_name("liars").iterdir()}


def test_nobody_lied(log: Path) -> None:
    assert lies(log).look(WORDS) == set()
    log.write_text(said("fence-site-a-1", 0) + said("gone-site-a-1", 0))
    assert lies(log).look(WORDS) == set()


def test_a_lie_is_remembered_when_the_log_is_cut_and_the_conductor_starts_anew(log: Path) -> None:
    log.write_text(LIE)
    assert lies(log).look(WORDS) == {NAME}
    log.write_text("something else\n")
    assert lies(log).look(WORDS) == {NAME}


def test_a_device_that_does_what_it_says_is_trusted_again(log: Path) -> None:
    log.write_text(LIE)
    known = lies(log)
    assert known.look(WORDS) == {NAME}
    log.write_text(LIE + said("gone-site-a-1", 0, pid=300))
    assert known.look(WORDS) == set() == lies(log).look(WORDS)


def test_a_device_that_was_changed_begins_anew_though_the_log_has_the_old_lie(log: Path) -> None:
    log.write_text(LIE)
    assert lies(log).look(WORDS) == {NAME}
    assert lies(log).look(CHANGED) == set()
    log.write_text(LIE + "another line\n")
    known = lies(log)
    assert known.look(CHANGED) == set()
    log.write_text(LIE + said("gone-site-a-1", 1, pid=300))
    assert known.look(CHANGED) == {NAME}, "it lied again"


def test_another_pair_of_devices_is_none_of_its_business(log: Path) -> None:
    log.write_text(LIE)
    assert lies(log).look({"fence-site-b-1": "action=status\n"}) == set()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fence-site-a-1": 1}'])
def test_a_damaged_file_is_none(log: Path, text: str) -> None:
    log.with_name("lies.json").write_text(text)
    assert lies(log).look(WORDS) == set()


def test_a_disk_that_is_full_forgets_nothing_while_the_conductor_runs(log: Path) -> None:
    known = Lies(log, log.parent / "missing" / "lies.json", log.with_name("liars"))
    log.write_text(LIE)
    assert known.look(WORDS) == {NAME} == known.look(WORDS)


def test_fence_gone_is_told_of_a_liar_until_it_is_none(log: Path) -> None:
    known = lies(log)
    known.look(WORDS)
    assert marked(log) == set()
    log.write_text(LIE)
    known.look(WORDS)
    assert marked(log) == {NAME}
    known.look(CHANGED)
    assert marked(log) == set()
    known.look(WORDS)
    assert marked(log) == {NAME}
    log.write_text(LIE + said("gone-site-a-1", 0, pid=300))
    known.look(WORDS)
    assert marked(log) == set()


def test_a_pod_that_starts_anew_tells_it_at_its_first_look(log: Path) -> None:
    log.write_text(LIE)
    lies(log).look(WORDS)
    log.with_name("liars").joinpath(NAME).unlink()
    log.with_name("liars").rmdir()
    log.write_text("")
    lies(log).look(WORDS)
    assert marked(log) == {NAME}


def test_memory_that_is_full_keeps_no_conductor_from_its_work(log: Path) -> None:
    log.write_text(LIE)
    log.with_name("liars").write_text("no directory")
    assert lies(log).look(WORDS) == {NAME}


def test_what_lied_is_proven_by_no_answer_of_its_own(log: Path) -> None:
    """FencingProven, TakeoverReady, the metric and what the other site is told all follow from the proof."""
    log.write_text(LIE)
    prover = Prover(Devices(), lambda: 1000.0, lies=lies(log))
    prover.look(pair(), "site-b")
    settled(prover)
    (name, proof), = prover.proofs().items()
    assert (name, proof.good, proof.when, proof.why) == (NAME, False, 1000, LIED)
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    sites[0]["fencing"]["devices"][0]["parameters"]["ip"] = "203.0.113.99"
    prover.look(pair(sites=sites), "site-b")
    assert settled(prover)[NAME].good
