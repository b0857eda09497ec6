"""From one look of a conductor to the status: conditions, places, takeovers, and what is worth an Event."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from k8sdeployment.pair import parity
from k8sdeployment.pair.facts import Facts, Proof, Told, canonical
from k8sdeployment.pair.happenings import happenings
from k8sdeployment.pair.report import CONDITIONS, Recovery, Status
from k8sdeployment.pair.status import Node, PairStatus, Resource
from k8sdeployment.pair.summary import Seen, site_state, summary
from tests.pair.sample import ARBITRATED, pair, poisoned, quorate

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=timezone.utc)
EPOCH = int(NOW.timestamp())
TEMPLATE = parity.digest({"spec": {"containers": [{"name": "app", "image": "shop:1"}]}})
OTHER = parity.digest({"spec": {"containers": [{"name": "app", "image": "shop:2"}]}})


def node(name: str, **states: bool) -> Node:
    return Node(**{"name": name, "online": True, "clean": True, "standby": False, "maintenance": False,
                   "pending": False, **states})  # type: ignore[arg-type]


def view(place: str = "site-a", **changed: Any) -> PairStatus:
    web = Resource("web", "Started" if place else "Stopped", (place,) if place else (), False, False)
    return PairStatus(**{"quorate": True, "dc": "site-a", "maintenance": False, "resources": {"web": web},
                         "nodes": {name: node(name) for name in ("site-a", "site-b")}, "failures": (), "fences": (),
                         **changed})


def facts(target: str, **changed: Any) -> Facts:
    """What a site tells that can fence `target`."""
    return Facts(**{"version": "0.1.0", "image": "peer:1", "spec": canonical(pair().spec),
                    "workloads": {"web": Told(True, "", TEMPLATE)},
                    "proofs": {f"fence-{target}-1": Proof(True, EPOCH - 60)}, **changed})


def seen(**changed: Any) -> Seen:
    return Seen(**{"pair": pair(), "site": "site-a", "now": NOW, "mine": facts("site-b"), "theirs": facts("site-a"),
                   "view": view(), "links": {0: True, 1: True}, **changed})


def told(of: Seen, condition: str) -> tuple[str, str]:
    (found,) = [one for one in summary(of, Status()).conditions if one.type == condition]
    return found.status, found.message


WELL = {"Available": "True", "PeerOnline": "True", "FencingProven": "True", "TakeoverReady": "True",
        "PeerInSync": "True", "Degraded": "False"}


@pytest.mark.parametrize("mine, theirs, good", [
    ("u-1", "u-1", True), ("u-1", "u-2", False), ("", "", False), ("u-1", "", False), ("u-1", None, True)])
def test_a_poison_pill_is_proven_while_both_sites_listen_on_one_disk(mine: str, theirs: str | None, good: bool) -> None:
    """A slot with a site's name says only that it once listened on this disk. A site that is away tells nothing."""
    spec = poisoned()
    spec["sites"][1]["fencing"]["devices"] = [{"agent": "fence_sbd"}]
    of = seen(pair=pair(**spec), mine=facts("site-b", pill=mine),
              theirs=None if theirs is None else facts("site-a", pill=theirs))
    expected = ("True", "site-a can fence site-b") if good else (
        "False", "fence-site-b-1 (fence_sbd): site-b does not listen on the same disk")
    assert told(of, "FencingProven") == expected


@pytest.mark.parametrize("theirs, good", [("watchdog", True), ("", False), ("u-1", False), (None, True)])
def test_a_site_that_is_not_guarded_by_its_watchdog_is_told(theirs: str | None, good: bool) -> None:
    spec = quorate()
    spec["sites"][1]["fencing"]["devices"] = [{"agent": "fence_quorum"}]
    of = seen(pair=pair(**spec), theirs=None if theirs is None else facts("site-a", pill=theirs), heard=True)
    expected = ("True", "site-a can fence site-b") if good else (
        "False", "fence-site-b-1 (fence_quorum): site-b does not say that its watchdog guards it")
    assert told(of, "FencingProven") == expected


def test_a_pair_that_is_well() -> None:
    status = summary(seen(), Status())
    assert {one.type: one.status for one in status.conditions} == WELL
    assert set(WELL) == set(CONDITIONS) and all(one.message for one in status.conditions)
    assert (status.protection, status.maintenance, status.site) == ("on", "", "site-a")
    assert [(one.name, one.state, one.version) for one in status.sites] == [
        ("site-a", "online", "0.1.0"), ("site-b", "online", "0.1.0")]
    (web,) = status.workloads
    assert (web.site, web.reason) == ("site-a", "its preferred site") and web.takeover and web.takeover.ready


def lost(**states: bool) -> dict[str, Any]:
    """The other site is away."""
    nodes = {"site-a": node("site-a"), "site-b": node("site-b", **{"online": False, **states})}
    return {"view": view(nodes=nodes), "theirs": None}


@pytest.mark.parametrize("changed, condition, status, words", [
    ({"view": view("")}, "Available", "False", "web: the cluster is about to start it"),
    ({"view": view(resources={})}, "Available", "False", "it is not in the cluster's configuration yet"),
    ({"view": view(resources={}), "waits": "waiting for site-b"}, "Available", "False", "web: waiting for site-b"),
    ({"view": None, "trouble": "crm_mon did not answer"}, "Available", "Unknown", "crm_mon did not answer"),
    (lost(clean=False), "PeerOnline", "False", "site-b was lost and is not fenced yet. If no "
     "device can do it: make sure that site-b is off, then `snopair confirm site-b`"),
    ({**lost(clean=False), "pair": pair(failover={"mode": "Confirm"})}, "PeerOnline", "False",
     "site-b is gone, and a person decides: make sure that site-b is off, then `snopair confirm site-b`"),
    (lost(), "PeerOnline", "False", "site-b is not a member of the cluster"),
    ({"view": view(quorate=False)}, "PeerOnline", "False", "it has not seen site-b since it started"),
    ({"view": view(quorate=False), "pair": pair(quorum=ARBITRATED)}, "PeerOnline", "False",
     "it is without site-b, and the arbitrator arbitrator.example.org gives it no vote"),
    ({"heard": False, "pair": pair(quorum=ARBITRATED)}, "TakeoverReady", "False",
     "the arbitrator arbitrator.example.org does not answer site-a, which without site-b would stop what it runs"),
    ({"heard": False, "pair": pair(quorum=ARBITRATED)}, "Degraded", "True", "arbitrator.example.org does not answer"),
    (lost(), "TakeoverReady", "False", "web: site-b is away"),
    (lost(), "PeerInSync", "Unknown", "site-b does not tell what it holds"),
    (lost(), "Degraded", "True", "site-b is away"),
    ({"mine": facts("site-b", proofs={})}, "FencingProven", "False", "has not been asked yet"),
    ({"mine": facts("site-b", proofs={"fence-site-b-1": Proof(False, EPOCH, "wrong password")})}, "FencingProven",
     "False", "fence-site-b-1 (fence_ipmilan): wrong password"),
    ({"mine": facts("site-b", proofs={"fence-site-b-1": Proof(True, EPOCH - 3600)})}, "FencingProven", "False",
     "was last proven 3600 s ago"),
    ({"theirs": facts("site-a", proofs={})}, "TakeoverReady", "False", "site-b could not fence site-a"),
    ({"theirs": facts("site-a", workloads={})}, "TakeoverReady", "False", "the operator of site-b has not looked"),
    ({"theirs": facts("site-a", workloads={"web": Told(False, "ConfigMap shop is missing", TEMPLATE)})},
     "TakeoverReady", "False", "web: site-b: ConfigMap shop is missing"),
    ({"view": view(maintenance=True)}, "TakeoverReady", "False", "maintenance mode"),
    ({"view": view("")}, "TakeoverReady", "Unknown", "no workload runs"),
    ({"theirs": facts("site-a", spec=canonical(pair(corosync={"token": "5s"}).spec))}, "PeerInSync", "False",
     'spec.corosync.token is "3s" on site-a and "5s" on site-b'),
    ({"theirs": facts("site-a", workloads={"web": Told(True, "", OTHER)})}, "PeerInSync", "False",
     "the pod template of web differs in spec.containers[app].image"),
    ({"links": {0: True, 1: False}}, "Degraded", "True", "link 1 to site-b is down"),
    ({"view": view(failures=("web_start_0 site-b error no image",))}, "Degraded", "True", "no image"),
    ({"waits": "the CR differs"}, "Degraded", "True", "the CR differs"),
    ({"view": view(resources={"web": Resource("web", "Started", ("site-a",), True, True)})}, "Degraded", "True",
     "web is blocked"),
])
def test_what_is_wrong_is_said(changed: dict[str, Any], condition: str, status: str, words: str) -> None:
    found = told(seen(**changed), condition)
    assert found[0] == status and words in found[1], found


def test_disabled_fencing_is_never_called_proven() -> None:
    sites = [{**one, "fencing": {}} for one in pair_sites()]
    of = pair(sites=sites, fencing={"mode": "Disabled"})
    status, message = told(seen(pair=of, mine=facts("site-b", spec=canonical(of.spec))), "FencingProven")
    assert status == "False" and "may run twice" in message


def pair_sites() -> list[dict[str, Any]]:
    from tests.pair.sample import document
    return list(document()["spec"]["sites"])


def standby() -> PairStatus:
    return view("site-b", nodes={"site-a": node("site-a", standby=True), "site-b": node("site-b")})


RECOVERY = Recovery(workload="web", origin="site-a", target="site-b", detected=NOW - timedelta(hours=1),
                    fenced_by="fence-site-a-1", fenced_seconds=2.0, started_seconds=2.5, available_seconds=4.0)
BAN = ElementTree.fromstring(
    '<cib><configuration><constraints><rsc_location id="cli-ban-web-on-site-a" rsc="web" node="site-a" '
    'score="-INFINITY"/></constraints></configuration></cib>')


@pytest.mark.parametrize("changed, why", [
    ({"view": view("site-b")}, "failback is Manual: `snopair move web site-a` brings it back"),
    ({"view": view("site-b"), "recoveries": (RECOVERY,)}, "taken over when site-a was lost; failback is Manual"),
    ({"view": standby()}, "site-a, which it prefers, is in standby"),
    ({"view": view("site-b", nodes={"site-a": node("site-a", online=False), "site-b": node("site-b")})},
     "site-a, which it prefers, is away"),
    ({"view": view("site-b"), "cib": BAN}, "constraint cli-ban-web-on-site-a keeps it away from site-a"),
    ({"view": view("site-b"), "pair": pair(workloads=[{"name": "web"}])}, "it prefers no site"),
    ({"view": view("site-b"), "pair": pair(workloads=[{"name": "web"}]), "recoveries": (RECOVERY,)},
     "taken over when site-a was lost")])
def test_why_it_runs_where_it_does(changed: dict[str, Any], why: str) -> None:
    (web,) = summary(seen(**changed), Status()).workloads
    assert why in web.reason


@pytest.mark.parametrize("role, changed, why", [
    ("Starting", {}, "it is starting"), ("Stopped", {"quorate": False}, "site-a has no quorum"),
    ("Stopped", {"failures": ("web_start_0 site-a error no image",)}, "web_start_0 site-a error no image"),
    ("Stopped", {"nodes": {"site-a": node("site-a"), "site-b": node("site-b", online=False, clean=False)}},
     "the cluster waits until site-b, which was lost, is fenced")])
def test_why_it_runs_nowhere(role: str, changed: dict[str, Any], why: str) -> None:
    resources = {"web": Resource("web", role, (), False, False)}
    (web,) = summary(seen(view=view(resources=resources, **changed)), Status()).workloads
    assert (web.site, web.reason, web.takeover) == ("", why, None)


def test_a_workload_that_somebody_stopped_says_how_it_starts_again() -> None:
    cib = ElementTree.fromstring(
        '<cib><configuration><resources><primitive id="web"><meta_attributes id="m">'
        '<nvpair id="n" name="target-role" value="Stopped"/></meta_attributes></primitive></resources>'
        '</configuration></cib>')
    (web,) = summary(seen(view=view(""), cib=cib), Status()).workloads
    assert "`pcs resource enable web`" in web.reason


def test_nobody_knows_what_a_site_runs_that_was_lost_and_is_not_fenced() -> None:
    nodes = {"site-a": node("site-a"), "site-b": node("site-b", online=False, clean=False)}
    (web,) = summary(seen(view=view("site-b", nodes=nodes)), Status()).workloads
    assert (web.site, web.reason) == ("", "the cluster waits until site-b, which was lost, is fenced")


def test_a_copy_on_both_sites_is_called_nowhere_and_said() -> None:
    both = {"web": Resource("web", "Started", ("site-a", "site-b"), False, False)}
    (web,) = summary(seen(view=view(resources=both)), Status()).workloads
    assert web.site == "" and "on both sites" in web.reason


def test_since_when_is_asked_of_the_start_s_own_record() -> None:
    cib = ElementTree.fromstring(f"""
<cib><configuration/><status><node_state uname="site-a"><lrm><lrm_resources><lrm_resource id="web">
  <lrm_rsc_op id="web_last_0" operation="start" interval="0" rc-code="0" last-rc-change="{EPOCH - 500}"/>
  <lrm_rsc_op id="web_monitor_10000" operation="monitor" interval="10000" rc-code="0" last-rc-change="{EPOCH}"/>
</lrm_resource></lrm_resources></lrm></node_state></status></cib>""")
    (web,) = summary(seen(cib=cib), Status()).workloads
    assert web.since == NOW - timedelta(seconds=500)


@pytest.mark.parametrize("states, word", [
    ({}, "online"), ({"standby": True}, "standby"), ({"maintenance": True}, "maintenance"),
    ({"pending": True}, "joining"),
    ({"online": False}, "offline"), ({"online": False, "clean": False}, "unclean")])
def test_a_site_in_one_word(states: dict[str, bool], word: str) -> None:
    assert site_state(node("site-a", **states)) == word


@pytest.mark.parametrize("changed, protection, why", [
    ({"view": view(maintenance=True)}, "off", "`snopair maintenance off` ends it"),
    ({"view": view(maintenance=True), "maintenance": "site-b renews its peer"}, "off", "site-b renews its peer"),
    ({"view": view(quorate=False)}, "off", "no quorum"), ({"view": None, "trouble": "no answer"}, "off", "no answer")])
def test_whether_anybody_would_take_over(changed: dict[str, Any], protection: str, why: str) -> None:
    status = summary(seen(**changed), Status())
    assert status.protection == protection and why in status.maintenance


def test_a_condition_keeps_its_time_until_it_turns() -> None:
    first = summary(seen(), Status())
    later = summary(replace(seen(), now=NOW + timedelta(minutes=1)), first)
    assert {one.last_transition_time for one in later.conditions} == {NOW}
    turned = summary(seen(now=NOW + timedelta(minutes=2), links={0: False}), later)
    times = {one.type: one.last_transition_time for one in turned.conditions}
    assert times["Degraded"] == NOW + timedelta(minutes=2) and times["Available"] == NOW


def test_what_happened_is_told_once() -> None:
    before = summary(seen(), Status())
    after = summary(seen(view=view("site-b"), recoveries=(RECOVERY,), **{"theirs": None}), before)
    found = list(happenings(before, after))
    assert [(one.warning, one.reason) for one in found] == [
        (True, "TakenOver"), (False, "Runs"), (True, "PeerInSyncUnknown")]
    assert found[0].message == ("web was taken over by site-b when site-a was lost at 2026-11-27 07:00:00Z: fenced by "
                                "fence-site-a-1 after 2.0 s, started after 2.5 s, available after 4.0 s")
    assert list(happenings(after, after)) == []


def test_the_first_look_of_all_says_nothing_new() -> None:
    assert list(happenings(Status(), summary(seen(), Status()))) == []
