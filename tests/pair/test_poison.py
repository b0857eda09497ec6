"""Which poison pills are taken, and with which sentence the others are refused."""

import pytest

from tests.pair.sample import ARBITRATED, Document, document, quorate, refusal
from tests.pair.test_cr import Change, put


def pilled(more: Change) -> Change:
    """The first site is fenced by the shared disk, and something more."""
    def change(changed: Document) -> None:
        changed["spec"]["sites"][0]["fencing"]["devices"] = [{"agent": "fence_sbd"}]
        changed["spec"]["fencing"] = {"poisonPill": {"claim": "pill"}}
        more(changed["spec"])
    return change


def diskless(more: Change) -> Change:
    """The first site is fenced by its loss of quorum, and something more."""
    def change(changed: Document) -> None:
        changed["spec"] |= quorate()
        more(changed["spec"])
    return change


REFUSED: dict[str, tuple[Change, str]] = {
    "a poison pill that shares its level": (
        pilled(lambda spec: spec["sites"][0]["fencing"].update(devices=[
            {"agent": "fence_apc", "level": 1}, {"agent": "fence_apc", "level": 2},
            {"agent": "fence_sbd", "level": 2}])),
        "spec.sites[0].fencing.devices: fence_sbd shares level 2 with another device",
    ),
    "poison pill by quorum that shares its level": (
        diskless(lambda spec: spec["sites"][0]["fencing"].update(devices=[
            {"agent": "fence_apc", "level": 1}, {"agent": "fence_quorum", "level": 1}])),
        "spec.sites[0].fencing.devices: fence_quorum shares level 1 with another device",
    ),
    "poison pill without a disk": (
        put("sites.0.fencing.devices", [{"agent": "fence_sbd"}]),
        "spec.fencing.poisonPill: site-a is fenced by fence_sbd, which needs it; name the claim of the disk",
    ),
    "poison pill without an agent": (
        put("fencing", {"poisonPill": {"claim": "pill"}}), "spec.fencing.poisonPill: no device heeds it"),
    "poison pill by watchdog": (
        put("sites.0.fencing.devices", [{"agent": "fence_watchdog"}]),
        "spec.sites[0].fencing.devices[0].agent: fence_watchdog is Pacemaker's own, which takes any site for ended",
    ),
    "poison pill by quorum without a watchdog": (
        diskless(lambda spec: spec.update(fencing={})),
        "spec.fencing.poisonPill: site-a is fenced by fence_quorum, which needs it without a claim",
    ),
    "poison pill by quorum with a disk": (
        diskless(lambda spec: spec["fencing"]["poisonPill"].update(claim="pill")),
        "spec.fencing.poisonPill: site-a is fenced by fence_quorum, which needs it without a claim",
    ),
    "poison pill by quorum without an arbitrator": (
        diskless(lambda spec: spec.update(quorum={"mode": "TwoNode"})),
        "spec.fencing.poisonPill: without a claim it needs quorum.mode Arbitrator, for with TwoNode both sites",
    ),
    "poison pill by quorum that is told something": (
        diskless(lambda spec: spec["sites"][0]["fencing"]["devices"][1].update(parameters={"silence": "1"})),
        "spec.sites[0].fencing.devices[1].parameters: fence_quorum takes none",
    ),
    "poison pill by quorum fed to nobody": (
        diskless(lambda spec: spec["fencing"]["poisonPill"].update(watchdog="/dev/null")),
        "spec.fencing.poisonPill.watchdog: /dev/null is no watchdog",
    ),
    "poison pill without a disk for fence_sbd": (
        pilled(lambda spec: spec["fencing"]["poisonPill"].pop("claim")),
        "spec.fencing.poisonPill: site-a is fenced by fence_sbd, which needs it; name the claim of the disk",
    ),
    "poison pill on a disk of one's own": (
        pilled(lambda spec: spec["sites"][0]["fencing"]["devices"][0].update(parameters={"devices": "/dev/sdb"})),
        "spec.sites[0].fencing.devices[0].parameters: devices of fence_sbd is set by the pair itself",
    ),
    "poison pill without a watchdog": (
        pilled(lambda spec: spec["fencing"]["poisonPill"].update(watchdog="/dev/null")),
        "spec.fencing.poisonPill.watchdog: /dev/null is no watchdog",
    ),
    "poison pill that takes the watchdog away": (
        pilled(lambda spec: spec["sites"][0]["fencing"]["devices"][0].update(parameters={"crashdump": "1"})),
        "spec.sites[0].fencing.devices[0].parameters: crashdump of fence_sbd is set by the pair itself",
    ),
    "poison pill with an arbitrator": (
        pilled(lambda spec: spec.update(quorum=ARBITRATED)),
        "spec.fencing.poisonPill: with quorum.mode Arbitrator a site that loses its links, the arbitrator and the disk",
    ),
    "a watchdog that is no path": (
        pilled(lambda spec: spec["fencing"]["poisonPill"].update(watchdog="watchdog0")),
        "spec.fencing.poisonPill.watchdog: 'watchdog0' is not the path of a device",
    ),
    "a watchdog by a resource that is none": (
        pilled(lambda spec: spec["fencing"]["poisonPill"].update(watchdogResource="watchdog")),
        "spec.fencing.poisonPill.watchdogResource: 'watchdog' is not the name of a device plugin's resource",
    ),
}


@pytest.mark.parametrize("change, sentence", REFUSED.values(), ids=REFUSED)
def test_is_refused_with_a_sentence(change: Change, sentence: str) -> None:
    changed = document()
    change(changed)
    found = refusal(changed)
    assert [one for one in found if sentence in one], found


def test_a_poison_pill_on_a_shared_disk_is_taken() -> None:
    changed = document()
    pilled(lambda spec: spec["fencing"]["poisonPill"].update(watchdogResource="example.org/watchdog"))(changed)
    assert refusal(changed) == []


def test_a_poison_pill_without_a_disk_is_taken_beside_an_arbitrator() -> None:
    assert refusal(document(**quorate())) == []
