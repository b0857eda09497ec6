"""Fence devices that share a level, as for two power supplies: all or none. With a real fencer: test_fencer.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from k8sdeployment.cli import codes, lifesigns
from k8sdeployment.conductor.alerts import Alerts
from k8sdeployment.pair import fencing, paths
from k8sdeployment.pair.facts import Facts, Proof, canonical
from k8sdeployment.pair.lies import caught
from k8sdeployment.pair.model import SNOPair
from tests.cli.test_confirm import Devices, world
from tests.conductor.test_alerts import line
from tests.pair.sample import pair, site
from tests.pair.test_lies import said
from tests.pair.test_pacemaker import commands
from tests.pair.test_summary import EPOCH, facts, seen, told, view

TOGETHER, ALONE = (1, 1, 2), (None, None, None)


def armed(levels: tuple[Optional[int], ...], **spec: Any) -> SNOPair:
    """A pair whose site-b has as many devices, with these levels."""
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    sites[1]["fencing"]["devices"] = [
        {"agent": "fence_apc", "parameters": {"plug": str(number)}, **({} if level is None else {"level": level})}
        for number, level in enumerate(levels, start=1)]
    return pair(sites=sites, **spec)


# -- Pacemaker's configuration ---------------------------------------------------------------------------------------

def test_a_level_s_devices_stand_before_the_one_look_for_life() -> None:
    assert [argv for argv in commands(armed((1, 1, 4)), "stonith", "level") if "site-b" in argv] == [
        ("stonith", "level", "add", "1", "site-b", "fence-site-b-1", "fence-site-b-2", "gone-site-b-1.2"),
        ("stonith", "level", "add", "4", "site-b", "fence-site-b-3", "gone-site-b-3")]


def test_nobody_s_level_is_the_place_in_the_list() -> None:
    """A pair that runs keeps every name."""
    assert commands(armed(ALONE)) == commands(armed((1, 2, 3)))
    assert [argv[3:] for argv in commands(armed(ALONE), "stonith", "level") if "site-b" in argv] == [
        (str(rank), "site-b", f"fence-site-b-{rank}", f"gone-site-b-{rank}") for rank in (1, 2, 3)]


def test_a_level_waits_once_before_its_first_device() -> None:
    delayed = {argv[2] for argv in commands(armed(TOGETHER), "stonith", "create")
               if any(word.startswith("pcmk_delay_base") for word in argv)}
    assert delayed == {"fence-site-a-1", "fence-site-b-1", "fence-site-b-3"}


def test_what_looks_for_life_knows_all_devices_of_its_level() -> None:
    (create,) = commands(armed(TOGETHER), "stonith", "create", "gone-site-b-1.2")
    assert f"lied={paths.LIARS}/fence-site-b-1,{paths.LIARS}/fence-site-b-2" in create
    assert commands(armed(TOGETHER), "constraint", "location", "gone-site-b-1.2") == [
        ("constraint", "location", "gone-site-b-1.2", "avoids", "site-b=INFINITY")]


@pytest.mark.parametrize("name", ["site-b", "site-1", "1-2"])
def test_the_look_s_name_tells_the_devices(name: str) -> None:
    sites = [site("site-a", 11, "10s"), site(name, 12, "1s")]
    one = pair(sites=sites).spec.sites[1]
    for ranks in ([1], [2, 3], [1, 2, 3, 4]):
        assert fencing.devices_of(fencing.gone_id(one, ranks)) == [fencing.device_id(one, rank) for rank in ranks]


def test_without_a_look_for_life_a_level_is_its_devices() -> None:
    levels = commands(armed(TOGETHER, fencing={"mode": "Disabled"}), "stonith", "level")
    assert ("stonith", "level", "add", "1", "site-b", "fence-site-b-1", "fence-site-b-2") in levels


# -- what is proven --------------------------------------------------------------------------------------------------

def proven(of: SNOPair, *bad: int) -> Facts:
    """What site-a tells of its proofs of site-b's devices."""
    return facts("site-b", spec=canonical(of.spec), proofs={
        f"fence-site-b-{rank}": Proof(rank not in bad, EPOCH, "no answer") for rank in (1, 2, 3)})


@pytest.mark.parametrize("levels, bad, ready", [
    (TOGETHER, (), True), (TOGETHER, (1,), True), (TOGETHER, (1, 2), True), (TOGETHER, (3,), True),
    (TOGETHER, (2, 3), False), (TOGETHER, (1, 2, 3), False), ((1, 1, 1), (2,), False), ((1, 1, 1), (), True),
    (ALONE, (1, 2), True), (ALONE, (1, 2, 3), False)])
def test_a_takeover_needs_one_level_that_is_proven_as_a_whole(
        levels: tuple[Optional[int], ...], bad: tuple[int, ...], ready: bool) -> None:
    """What is not proven is told all the same."""
    of = armed(levels)
    # site-a judges site-b's devices; the workload runs there, so site-a would take it.
    look = seen(pair=of, mine=proven(of, *bad), theirs=facts("site-a", spec=canonical(of.spec)), view=view("site-b"))
    assert told(look, "TakeoverReady")[0] == str(ready)
    status, message = told(look, "FencingProven")
    assert status == str(not bad) and all(f"fence-site-b-{rank} (fence_apc): no answer" in message for rank in bad)


# -- who is named ----------------------------------------------------------------------------------------------------

def test_all_devices_of_a_level_are_named_for_a_lie_that_one_of_them_told() -> None:
    line_ = said("gone-site-a-1.2", 1)
    lie = line_.partition(" | call")[0]
    assert caught(said("fence-site-a-1", 0) + said("fence-site-a-2", 0) + line_) == {
        "fence-site-a-1": lie, "fence-site-a-2": lie}
    assert caught(line_ + said("gone-site-a-1.2", 0, pid=300)) == {"fence-site-a-1": "", "fence-site-a-2": ""}


@pytest.mark.parametrize("log, device", [
    ((("fence-site-a-1", 0), ("fence-site-a-2", 0), ("gone-site-a-1.2", 0)), "fence-site-a-1 and fence-site-a-2"),
    # The first level fails as a whole, whatever its first device did.
    ((("fence-site-a-1", 0), ("fence-site-a-2", 1), ("fence-site-a-3", 0), ("gone-site-a-3", 0)), "fence-site-a-3"),
    ((("fence-site-a-1", 0), ("fence-site-a-2", 0), ("gone-site-a-1.2", 1), ("fence-site-a-3", 0),
      ("gone-site-a-3", 0)), "fence-site-a-3")])
def test_a_fence_names_every_device_of_the_level_that_did_it(
        tmp_path: Path, log: tuple[tuple[str, int], ...], device: str) -> None:
    again = [said(name, 0, "on") for name, code in log if device.find(name.removeprefix("gone-")) >= 0 and not code]
    (tmp_path / "pacemaker.log").write_text("".join(said(name, code) for name, code in log) + "".join(again))
    (tmp_path / "alerts.jsonl").write_text(line(3.0, "fencing", rc="0", task="reboot"))
    alerts = Alerts(tmp_path / "alerts.jsonl", tmp_path / "pacemaker.log")
    alerts.read()
    assert alerts.devices() == {3.0: device}


# -- `snopair confirm --fence` ---------------------------------------------------------------------------------------

OFF, ON, MUTE = 2, 0, 1


@pytest.mark.parametrize("levels, answers, good", [
    (TOGETHER, (OFF, OFF, OFF), True), (TOGETHER, (OFF, OFF, MUTE), True), (TOGETHER, (MUTE, MUTE, OFF), True),
    (TOGETHER, (OFF, MUTE, MUTE), False), (TOGETHER, (OFF, OFF, ON), False), (TOGETHER, (OFF, ON, OFF), False),
    (ALONE, (OFF, MUTE, MUTE), True)])
def test_a_site_is_switched_off_when_a_whole_level_says_so_and_none_denies_it(
        levels: tuple[Optional[int], ...], answers: tuple[int, ...], good: bool) -> None:
    target = armed(levels).spec.sites[1]
    of = world(Devices([code for answer in answers for code in (0, answer)]))
    if good:
        assert lifesigns.switch_off(target, of).startswith("site-b is off, by the word of ")
    else:
        with pytest.raises(codes.SnopairError, match="site-b was not switched off: fence-site-b-[23]: "):
            lifesigns.switch_off(target, of)
