"""`snopair confirm`: what shows that a site is alive, what the verb then refuses, what it does when nothing does."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import pytest

from k8sdeployment.cli import codes, deeds, lifesigns
from k8sdeployment.cli.hostlook import Net
from k8sdeployment.cli.reading import kept_pair
from k8sdeployment.cli.world import ProgramError, World
from k8sdeployment.pair import cr
from k8sdeployment.pair.model import Site
from tests.cli.test_acting import call
from tests.cli.tools import Tools
from tests.cli.tools import world as surroundings
from tests.pair.sample import ARBITRATED, document

LINKS = """Local node ID 1, transport knet
LINK ID 0 udp
\taddr\t= 10.91.1.11
\tstatus:
\t\tnodeid:          1:\tlocalhost
\t\tnodeid:          2:\t{0}
LINK ID 1 udp
\taddr\t= 10.91.2.11
\tstatus:
\t\tnodeid:          1:\tlocalhost
\t\tnodeid:          2:\t{1}
"""
DOWN = LINKS.format("disconnected", "disconnected")


class Devices:
    """A world whose fence devices say this; what they were told is kept."""

    def __init__(self, power: Sequence[Optional[int]], links: str = DOWN) -> None:
        self.power, self.links = list(power), links
        self.told: list[str] = []

    def run(self, argv: Sequence[str], seconds: float, text: Optional[str] = None) -> str:
        if argv[0] == "corosync-cfgtool":
            return self.links
        action = next(line for line in (text or "").splitlines() if line.startswith("action="))
        self.told.append(f"{argv[0]} {action}")
        code = self.power.pop(0)
        if code:
            raise ProgramError(f"{argv[0]} failed ({code}): it said nothing", status=code)
        if code is None:
            raise ProgramError(f"{argv[0]} did not answer within 60 s")
        return ""


def target(**changes: Any) -> Site:
    return cr.load(document(**changes)).spec.sites[1]


def silent(*alive: str) -> Net:
    return Net(answers=lambda address, port, seconds: "" if address in alive else "it is silent")


def world(devices: Devices) -> World:
    return World(run=devices.run)


@pytest.mark.parametrize("situation, site, sentence", [
    ("running", "site-b", "site-b is online: it is alive"),
    ("maintenance", "site-b", "site-b is online: it is alive"),
    ("unclean", "site-a", "this is site-a: it is asked on the other site, about the one that is gone")])
def test_a_site_that_is_there_cannot_be_confirmed(tmp_path: Path, situation: str, site: str, sentence: str) -> None:
    tools = Tools(situation)
    done = call(tmp_path, tools, "confirm", site)
    assert (done.exit_code, done.stderr) == (
        codes.REFUSED, f"snopair: confirming that {site} is off is refused: {sentence}\n")
    assert not tools.calls


def test_nothing_to_confirm_of_a_site_that_is_known_to_be_off(tmp_path: Path) -> None:
    done = call(tmp_path, Tools("offline"), "confirm", "site-b", "-o", "json")
    assert done.exit_code == 0 and json.loads(done.stdout)["done"] is True


@pytest.mark.parametrize("code, power, says", [
    (0, True, "the power is on"), (2, False, "the power is off"),
    (1, None, "it does not tell: fence_ipmilan failed (1): it said nothing"),
    (None, None, "it does not tell: fence_ipmilan did not answer within 60 s")])
def test_what_a_device_says_of_the_power(code: Optional[int], power: Optional[bool], says: str) -> None:
    (one,) = lifesigns.powers(target(), world(Devices([code])))
    assert (one.name, one.on, str(one)) == ("fence-site-b-1", power, says)


def test_a_connected_link_and_a_host_that_answers_are_life() -> None:
    one = str(target().addresses[0])
    links = LINKS.format("disconnected", "connected")
    both = list(lifesigns.on_links(target(), world(Devices([], links)), silent(one)))
    assert both == ["link 1 to site-b is connected: it is alive",
                    f"{one}, link 0 of site-b, answers: its host is alive"]
    assert not list(lifesigns.on_links(target(), world(Devices([])), silent()))


def test_a_device_that_lies_does_not_count_as_one_that_switched_off() -> None:
    devices = Devices([0, 0])
    with pytest.raises(codes.SnopairError, match="fence-site-b-1: it says that the power is on still"):
        lifesigns.switch_off(target(), world(devices))
    assert devices.told == ["fence_ipmilan action=off", "fence_ipmilan action=status"]


@pytest.mark.parametrize("code, says", [(0, "can be"), (2, "was")])
def test_a_disk_does_not_tell_whether_a_site_runs(code: int, says: str) -> None:
    """It is neither a sign of life nor of its end, whoever read the message."""
    sites = document()["spec"]["sites"]
    sites[1]["fencing"]["devices"] = [{"agent": "fence_sbd"}]
    of = target(sites=sites, fencing={"poisonPill": {"claim": "pill"}})
    (one,) = lifesigns.powers(of, world(Devices([code])))
    assert one.on is None and one.works and f"site-b {says} told to end itself; whether it runs" in str(one)
    with pytest.raises(codes.SnopairError, match="site-b was not switched off: fence-site-b-1: site-b was told to end"):
        lifesigns.switch_off(of, world(Devices([0, 2])))


def test_nobody_asks_whether_a_site_without_quorum_has_ended() -> None:
    sites = document()["spec"]["sites"]
    sites[1]["fencing"]["devices"] = [{"agent": "fence_quorum"}]
    of, devices = target(sites=sites, quorum=ARBITRATED, fencing={"poisonPill": {}}), Devices([0])
    with pytest.raises(codes.SnopairError, match="site-b was not switched off: fence-site-b-1: site-b's watchdog ends"):
        lifesigns.switch_off(of, world(devices))
    assert devices.told == ["fence_quorum action=status"]


def test_switched_off_is_what_the_device_says_afterwards() -> None:
    assert lifesigns.switch_off(target(), world(Devices([0, 2]))) == "site-b is off, by the word of fence-site-b-1"


def test_two_power_supplies_must_both_be_off() -> None:
    sites = document()["spec"]["sites"]
    sites[1]["fencing"]["devices"].append({"agent": "fence_apc_snmp", "parameters": {"ip": "203.0.113.50"}})
    both = target(sites=sites)
    assert lifesigns.switch_off(both, world(Devices([0, 2, 0, 2]))) == (
        "site-b is off, by the word of fence-site-b-1 and fence-site-b-2")
    with pytest.raises(codes.SnopairError, match="fence-site-b-2: it says that the power is on still"):
        lifesigns.switch_off(both, world(Devices([0, 2, 0, 0])))


def test_links_that_nobody_can_tell_of_are_no_sign_that_it_is_off() -> None:
    assert list(lifesigns.on_links(target(), world(Devices([], "")), silent())) == [
        "Corosync on this site does not tell whether its links are up"]


def test_no_device_no_power_off() -> None:
    bare = target(failover={"mode": "Confirm"}, sites=[{**site, "fencing": {}} for site in document()["spec"]["sites"]])
    with pytest.raises(codes.SnopairError, match="site-b was not switched off: it has no fence device"):
        lifesigns.switch_off(bare, world(Devices([])))


def test_the_pair_is_known_without_the_api(tmp_path: Path) -> None:
    file = tmp_path / "pair.json"
    with pytest.raises(codes.CannotTell, match="the pair is not known here"):
        kept_pair(World(pair=file))
    file.write_text(json.dumps(document()))
    assert kept_pair(World(pair=file)).spec.sites[1].name == "site-b"


WORD = ("stonith_admin", "--confirm", "site-b")


# -- giving Pacemaker the word ---------------------------------------------------------------------------------------

def confirm(tools: Tools, alive: str = "") -> None:
    def insist() -> None:
        if alive:
            raise codes.Refusal("confirming that site-b is off", [alive])
    patience = deeds.Patience(surroundings(tools, Path("none")), 60.0, lambda words: None)
    deeds.confirm("site-b", insist, patience)


def test_the_word_is_given_for_a_site_that_was_lost() -> None:
    tools = Tools("unclean", "unclean", "offline")
    confirm(tools)
    assert tools.calls == [WORD]


def test_a_site_that_came_back_meanwhile_is_not_taken_for_off() -> None:
    """Pacemaker would believe it, and the site's workloads would run on with nobody to stop them (I1)."""
    tools = Tools("unclean", "running")
    with pytest.raises(codes.SnopairError, match="site-b is online: it came back meanwhile, and nothing was confirmed"):
        confirm(tools)
    assert not tools.calls


def test_a_sign_of_life_at_the_last_moment_ends_it() -> None:
    tools = Tools("unclean")
    with pytest.raises(codes.Refusal, match="link 0 to site-b is connected"):
        confirm(tools, "link 0 to site-b is connected")
    assert not tools.calls


# -- giving a lone site quorum ----------------------------------------------------------------------------------------

UNHEARD = [("corosync-cmapctl", "-s", "quorum.device.votes", "u32", "0"), ("corosync-quorumtool", "-e", "1")]
HEARD = [("corosync-cmapctl", "-s", "quorum.device.votes", "u32", "1"), ("corosync-quorumtool", "-e", "3")]
MODEL = ("corosync-cmapctl", "-g", "quorum.device.model")
TAKEN_BACK = ("cibadmin", "--delete", "--xpath", "//node_state[@uname='site-b'][@join='down']")


class Alone(Tools):
    """Without quorum until it was told to go on alone; `model`: whether it has an arbitrator."""

    def __init__(self, *situations: str, model: bool, effect: bool = True) -> None:
        super().__init__(*situations)
        self.model, self.effect, self.quorate = model, effect, False

    def __call__(self, argv: Sequence[str], seconds: float, given: str | None = None) -> str:
        said = super().__call__(argv, seconds, given)
        if tuple(argv) == MODEL and not self.model:
            raise ProgramError("corosync-cmapctl failed (1): Can't get key quorum.device.model. Error CS_ERR_NOT_EXIST")
        if tuple(argv) == UNHEARD[-1] or "quorum.cancel_wait_for_all" in argv:
            self.quorate = self.effect
        return said if self.quorate else said.replace('with_quorum="true"', 'with_quorum="false"')


@pytest.mark.parametrize("model, told", [
    (True, UNHEARD), (False, [("corosync-cmapctl", "-s", "quorum.cancel_wait_for_all", "u8", "1")])])
def test_a_lone_site_gets_quorum_by_the_votes_that_corosync_has(model: bool, told: list[tuple[str, ...]]) -> None:
    """After the word: with quorum it would fence the other one."""
    tools = Alone("unclean", "unclean", "offline", model=model)
    confirm(tools)
    assert tools.calls == [WORD, MODEL, *told]


def test_a_site_that_is_seen_alive_gives_the_other_one_no_quorum() -> None:
    tools = Alone("unclean", model=True)
    with pytest.raises(codes.Refusal):
        confirm(tools, "link 0 to site-b is connected")
    assert not tools.calls


def test_a_site_that_left_in_order_needs_no_word_but_quorum() -> None:
    tools = Alone("offline", model=False)
    confirm(tools)
    assert tools.calls == [MODEL, ("corosync-cmapctl", "-s", "quorum.cancel_wait_for_all", "u8", "1")]


def test_a_site_that_gets_no_quorum_asks_the_arbitrator_again_and_takes_the_word_back() -> None:
    """Else the word would be good still when the other site runs again and somebody gives this one quorum (I1)."""
    tools = Alone("unclean", "unclean", "offline", model=True, effect=False)
    with pytest.raises(codes.TooLate, match="waiting for quorum"):
        confirm(tools)
    assert tools.calls == [WORD, MODEL, *UNHEARD, *HEARD, TAKEN_BACK]


def test_the_word_waits_for_a_controller_in_charge() -> None:
    """Without one, nobody keeps it. One that starts alone waits 20 s for others."""
    class Young(Tools):
        looks = 0

        def __call__(self, argv: Sequence[str], seconds: float, given: str | None = None) -> str:
            said = super().__call__(argv, seconds, given)
            if argv[0] == "crm_mon":
                self.looks += 1
            return said if self.looks > 2 else re.sub("<current_dc [^>]*>", '<current_dc present="false"/>', said)

    tools = Young("unclean", "unclean", "unclean", "unclean", "offline")
    confirm(tools)
    assert tools.calls == [WORD] and tools.looks > 2
