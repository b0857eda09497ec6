"""`snopair drill`: what it finds without disturbing anything, what it refuses, and a device that lies."""

from __future__ import annotations

import fcntl
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import pytest
from click.testing import CliRunner, Result

from k8sdeployment.cli import codes, deeds, rehearsal, sockets
from k8sdeployment.cli.app import snopair
from k8sdeployment.cli.hostlook import Net
from k8sdeployment.cli.view import Statement
from k8sdeployment.cli.world import ProgramError, World
from k8sdeployment.pair import paths
from tests.cli.test_confirm import DOWN, LINKS, Devices
from tests.cli.test_view import seen, status
from tests.cli.tools import Tools, world
from tests.pair.sample import document, pair
from tests.pair.test_lies import said

UP = LINKS.format("connected", "connected")


def call(tmp_path: Path, tools: Tools, *words: str, spec: Optional[dict[str, Any]] = None) -> Result:
    file, kept = tmp_path / "status.json", tmp_path / paths.PAIR_FILE
    file.write_text(json.dumps(status()))
    kept.write_text(json.dumps(document(**(spec or {}))))
    return CliRunner().invoke(snopair, ["drill", *words], obj=replace(world(tools, file), pair=kept))


def net(*interfaces: tuple[str, str]) -> Net:
    return Net(routes=lambda: [sockets.Route(ipaddress.ip_network(where), name) for where, name in interfaces])


def looked(devices: Devices, ways: Net, **changed: Any) -> list[tuple[str, str, str]]:
    found = rehearsal.look(pair().spec, "site-b", replace(seen("running"), **changed), World(run=devices.run), ways)
    return [(one.level, one.topic, one.message.partition(" (")[0]) for one in found]


OWN_WAY = net(("192.0.2.0/24", "eth1"), ("198.51.100.0/24", "eth2"), ("203.0.113.0/24", "eth0"))


def test_a_look_at_a_pair_in_which_all_is_well() -> None:
    assert looked(Devices([0]), OWN_WAY) == [
        ("ok", "fencing", "fence-site-b-1"), ("ok", "network", "the way to 203.0.113.12 is no link's"),
        ("ok", "workloads", "db could be taken over now"),
        ("warn", "drill", "nobody has fenced site-b from here on purpose yet: `snopair drill --fence`")]


def test_a_device_that_does_not_answer_and_shares_a_links_way_is_found() -> None:
    shared = net(("192.0.2.0/24", "eth1"), ("203.0.113.0/24", "eth1"))
    found = looked(Devices([1]), shared, protection=Statement(False, "maintenance"))
    assert ("fail", "takeover", "nobody would take over now: maintenance") in found
    assert ("fail", "fencing", "fence-site-b-1") in found
    assert ("warn", "network", "the way to 203.0.113.12, which fences site-b, is that of link 0") in found


@pytest.mark.parametrize("situation, words, spec, sentence", [
    ("running", (), None, "db runs on site-b: --takeover takes it over, with the service away meanwhile"),
    ("standby", (), None, "site-b is standby: only a site that is online can be seen to go and to return"),
    ("maintenance", ("--takeover",), None, "the cluster is in maintenance mode and moves nothing: somebody set "
     "maintenance mode; `snopair maintenance off` ends it"),
    ("running", ("--takeover",), {"failover": {"mode": "Confirm"}},
     "nothing is fenced by itself in this pair, so there is nothing to rehearse"),
    ("running", ("site-a",), None, "this is site-a: call it on the other site, which would take over")])
def test_what_a_drill_must_not_fence(tmp_path: Path, situation: str, words: tuple[str, ...],
                                     spec: Optional[dict[str, Any]], sentence: str) -> None:
    for force in ((), ("--force",)):
        tools = Tools(situation)
        done = call(tmp_path, tools, "--fence", *words, *force, spec=spec)
        assert done.exit_code == codes.REFUSED and sentence in done.stderr, done.output
        assert not tools.calls


def test_a_persons_own_resource_on_the_site_is_not_fenced_away(tmp_path: Path) -> None:
    class More(Tools):
        def __call__(self, argv: Sequence[str], seconds: float, given: Optional[str] = None) -> str:
            address = '<resource id="address" role="Started"><node name="site-b"/></resource>'
            return super().__call__(argv, seconds, given).replace("</resources>", f"{address}</resources>", 1)

    done = call(tmp_path, More("running"), "--fence", "--takeover", "--force")
    assert done.exit_code == codes.REFUSED and "address, which is not the pair's, runs on site-b" in done.stderr


def test_takeover_goes_with_fence(tmp_path: Path) -> None:
    assert call(tmp_path, Tools("running"), "--takeover").exit_code == codes.USAGE


class Target:
    """A world in which the other site is fenced: what the links show from then on, and whether the device says yes."""

    def __init__(self, links: str, confirms: bool = True, log: Sequence[str] = ()) -> None:
        self.links, self.confirms, self.now, self.log = links, confirms, 0.0, list(log)
        self.tools = Tools("running")

    def run(self, argv: Sequence[str], seconds: float, text: Optional[str] = None) -> str:
        if argv[0] == "corosync-cfgtool":
            return self.links
        if argv[0] == "tail":
            return self.log.pop(0) if self.log else ""
        if argv[0] == "stonith_admin" and not self.confirms:
            raise ProgramError("stonith_admin failed (195): no such device", status=195)
        return self.tools(argv, seconds, text)

    def wait(self, seconds: float) -> None:
        self.now += seconds


def drilled(tmp_path: Path, target: Target) -> dict[str, Any]:
    there = World(run=target.run, monotonic=lambda: target.now, wait=target.wait, clock=lambda: 0.0,
                  snapshot=tmp_path / "status.json", pair=tmp_path / paths.PAIR_FILE, liars=tmp_path)
    found = rehearsal.fence("site-b", [], deeds.Patience(there, 60.0, lambda words: None), there, pair().spec)
    assert json.loads((tmp_path / paths.DRILL_FILE).read_text()) == found
    return found


def test_a_site_that_goes_and_returns_makes_a_good_drill(tmp_path: Path) -> None:
    found = drilled(tmp_path, Target(DOWN))
    assert found["good"] and {"fencedSeconds", "returnedSeconds"} < set(found) and "availableSeconds" not in found
    assert "The drill went well: site-b was fenced and came back" in rehearsal.told(found)


def test_a_device_that_confirms_what_it_did_not_do_is_caught(tmp_path: Path) -> None:
    found = drilled(tmp_path, Target(UP))
    assert not found["good"] and "the device does not do what it says" in found["message"]
    assert rehearsal.told(found).startswith("THE DRILL FAILED")


def test_a_device_that_the_links_belie_is_named(tmp_path: Path) -> None:
    """Pacemaker says no more than that there is no such device."""
    lie = said("gone-site-b-1", 1)
    found = drilled(tmp_path, Target(UP, confirms=False, log=["", lie]))
    assert not found["good"] and found["message"] == (
        "fence-site-b-1 said that site-b is off, but a link to it is still connected: the device does not do what it "
        "says, and what it switched off, another machine perhaps, is still off")
    old = drilled(tmp_path, Target(UP, confirms=False, log=[lie, lie]))
    assert old["message"] == "stonith_admin failed (195): no such device", "that was another time"


class Watched(Target):
    """Whether a mark is locked while the site is fenced, and what the fence was told."""

    def __init__(self, links: str, mark: Path) -> None:
        super().__init__(links)
        self.mark, self.locked, self.order = mark, False, [""]

    def run(self, argv: Sequence[str], seconds: float, text: Optional[str] = None) -> str:
        if argv[0] == "stonith_admin":
            self.locked, self.order = _locked(self.mark), list(argv)
        said = super().run(argv, seconds, text)
        if argv[0] == "corosync-cfgtool":
            self.links = DOWN
        return said


def _locked(mark: Path) -> bool:
    with open(mark, encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.parametrize("links, vouched", [(UP, True), (DOWN, False), ("", False)])
def test_a_drill_vouches_for_a_device_that_lied_if_it_sees_life_before(
        tmp_path: Path, links: str, vouched: bool) -> None:
    """At once, for what it saw would say little later. What it does not see it does not vouch for (I1)."""
    mark = tmp_path / "fence-site-b-1"
    mark.touch()
    target = Watched(links, mark)
    drilled(tmp_path, target)
    assert target.locked is vouched and ("--delay=-1" in target.order) is vouched
    assert not _locked(mark), "when the drill has ended"


def test_a_drill_waits_like_any_fence_where_no_device_has_lied(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    target = Watched(UP, tmp_path / "other")
    assert drilled(tmp_path, target)["good"]
    assert target.order == ["stonith_admin", "--reboot", "site-b"] and not target.locked


def test_a_device_that_fails_is_the_drills_result(tmp_path: Path) -> None:
    found = drilled(tmp_path, Target(UP, confirms=False))
    assert (found["good"], found["message"]) == (False, "stonith_admin failed (195): no such device")
