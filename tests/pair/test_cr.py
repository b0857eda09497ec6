"""A CR is taken as it stands, or refused with one sentence that names the field, the value and what is right."""

import ipaddress
from collections.abc import Callable
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sdeployment.pair.cr import PairError, load
from k8sdeployment.pair.rules import faults
from tests.pair.sample import ARBITRATED, Document, document, methods, pair, refusal, site

Change = Callable[[Document], None]
DEVICE = "sites.0.fencing.devices.0"
SECRETS = ("password", "passwd", "snmp-priv-passwd", "password_script", "api_token", "identity_file", "key_file")


def test_what_is_left_out_has_its_default() -> None:
    spec = pair().spec
    workload = spec.workloads[0]
    assert (workload.kind, workload.namespace, workload.failback) == ("Deployment", "default", "Manual")
    assert workload.gate
    assert (workload.replicas.min, workload.replicas.max) == (0, 1)
    assert (spec.corosync.token, spec.peer.api.host, spec.peer.api.port) == (3000, "127.0.0.1", 6443)
    assert (spec.quorum.mode, spec.fencing.mode) == ("TwoNode", "Required")


def test_a_device_that_proves_itself_is_taken() -> None:
    one, other = pair(sites=methods()).spec.sites
    assert one.fencing.ca_ref and other.fencing.known_hosts_ref
    assert (one.fencing.ca_ref.key, other.fencing.known_hosts_ref.key) == ("ca.crt", "known_hosts")


def test_the_first_site_wins_a_split_unless_told_otherwise() -> None:
    sites = [site("site-a", 11, "1s"), site("site-b", 12, "1s")]
    for one in sites:
        del one["fencing"]["delay"]
    assert pair(sites=sites).spec.fence_delays() == (10_000, 1_000)


def test_what_the_api_server_adds_is_not_refused() -> None:
    changed = document() | {"status": {"conditions": []}}
    changed["metadata"]["resourceVersion"] = "12"
    assert refusal(changed) == []


def put(path: str, value: object) -> Change:
    """A change that sets one field, named as in `sites.0.addresses`."""
    def change(changed: Document) -> None:
        *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
        target = changed["spec"]
        for step in way:
            target = target[step]
        target[last] = value
    return change


def levelled(*levels: Optional[int]) -> Change:
    """The first site has a device for each level; None for one that names none."""
    return put("sites.0.fencing.devices", [
        {"agent": "fence_apc", "parameters": {"plug": str(number)}, **({} if level is None else {"level": level})}
        for number, level in enumerate(levels)])


REFUSED: dict[str, tuple[Change, str]] = {
    "one site": (put("sites", [site("site-a", 11, "10s")]), "spec.sites: a pair has exactly two sites, not 1"),
    "three sites": (
        put("sites", [site(f"site-{number}", number, f"{number}s") for number in (11, 12, 13)]),
        "spec.sites: a pair has exactly two sites, not 3",
    ),
    "same name": (put("sites.1.name", "site-a"), "spec.sites: both are named 'site-a'; give each site a name"),
    "same node": (put("sites.1.nodeName", "site-a.example.org"), "so they must differ"),
    "numbers of addresses": (
        put("sites.1.addresses", ["192.0.2.12"]),
        "spec.sites: site-a has 2 addresses and site-b 1; both need one address per link",
    ),
    "an address twice": (
        put("sites.1.addresses", ["192.0.2.12", "198.51.100.11"]),
        "spec.sites: address 198.51.100.11 is given twice",
    ),
    "mixed families": (
        put("sites.1.addresses", ["2001:db8::12", "198.51.100.12"]),
        "spec.sites: link 1 joins 192.0.2.11 with 2001:db8::12; both ends must be IPv4, or both IPv6",
    ),
    "a host name": (put("sites.0.addresses.0", "node-a"), "spec.sites[0].addresses[0]: 'node-a' is not an IP address"),
    "loopback": (put("sites.0.addresses.0", "127.0.0.1"), "127.0.0.1 cannot be reached by the other site"),
    "no devices": (
        put("sites.1.fencing.devices", []),
        "spec.sites: site-b has no fencing.devices, and fencing is Required; name a device",
    ),
    "confirmed and unfenced": (
        lambda changed: changed["spec"].update(failover={"mode": "Confirm"}, fencing={"mode": "Disabled"}),
        "spec.failover: mode Confirm holds a takeover back until the lost site counts as fenced",
    ),
    "equal delays": (put("sites.1.fencing.delay", "10s"), "spec.sites: both have fencing.delay 10s"),
    "delays equal once rounded": (put("sites.1.fencing.delay", "9500ms"), "spec.sites: both have fencing.delay 10s"),
    "an active delay that could be outweighed": (
        put("fencing", {"activeDelay": "18500ms"}),
        "spec.fencing.activeDelay: 19s is less than twice the longest fencing.delay of the sites, 10s, which could "
        "outweigh it; use 20s or more, or make that delay shorter",
    ),
    "an active delay that the second site's could outweigh": (
        lambda changed: changed["spec"].update(
            fencing={"activeDelay": "20s"}, sites=[site("site-a", 11, "1s"), site("site-b", 12, "10001ms")]),
        "spec.fencing.activeDelay: 20s is less than twice the longest fencing.delay of the sites, 11s",
    ),
    "an active delay beside an arbitrator": (
        lambda changed: changed["spec"].update(fencing={"activeDelay": "20s"}, quorum=ARBITRATED),
        "spec.fencing.activeDelay: with quorum.mode Arbitrator the arbitrator decides a split",
    ),
    "an active delay that nobody waits, confirmed": (
        lambda changed: changed["spec"].update(fencing={"activeDelay": "1s"}, failover={"mode": "Confirm"}),
        "spec.fencing.activeDelay: with fencing.mode Disabled or failover.mode Confirm no site fences the other one",
    ),
    "an active delay that nobody waits, unfenced": (
        put("fencing", {"mode": "Disabled", "activeDelay": "20s"}), "so nothing would wait; remove it",
    ),
    "an active delay that is none": (
        put("fencing", {"activeDelay": "20"}), "spec.fencing.activeDelay: '20' is not a duration",
    ),
    "a delay without unit": (put("sites.0.fencing.delay", 10), "spec.sites[0].fencing.delay: '10' is not a duration"),
    "min not below max": (
        put("workloads.0.replicas", {"min": 1, "max": 1}),
        "spec.workloads[0].replicas: min 1 is not below max 1",
    ),
    "gated but never empty": (put("workloads.0.replicas", {"min": 1, "max": 2}), "use 0, or gate: false"),
    "unknown preferred site": (
        put("workloads.0.preferredSite", "site-c"),
        "spec.workloads: preferredSite 'site-c' of 'web' is not a site; it must be site-a or site-b",
    ),
    "a workload twice": (
        put("workloads", [{"name": "web"}, {"name": "web", "namespace": "other"}]),
        "spec.workloads: 'web' is given twice",
    ),
    "after each other": (
        put("workloads", [{"name": "db", "after": ["web"]}, {"name": "web", "after": ["db"]}]),
        "spec.workloads: 'db' is after 'web', which does not stand above it; list a workload below all it waits for",
    ),
    "a circle of three": (
        put("workloads", [{"name": "a", "after": ["c"]}, {"name": "b", "after": ["a"]}, {"name": "c", "after": ["b"]}]),
        "spec.workloads: 'a' is after 'c', which does not stand above it",
    ),
    "after itself": (put("workloads.0.after", ["web"]), "'web' is after 'web', which does not stand above it"),
    "after nobody": (put("workloads.0.after", ["db"]), "'web' is after 'db', which does not stand above it"),
    "together with nobody": (put("workloads.0.together", ["db"]), "spec.workloads: 'web' is together with 'db', which"),
    "an authority that nobody heeds": (
        put("sites.0.fencing.caRef", {"name": "ca"}),
        "spec.sites[0].fencing.caRef: no device heeds it; fence_redfish alone does, and not with ssl_insecure",
    ),
    "an authority that is not asked": (
        put("sites.0.fencing", {"delay": "10s", "caRef": {"name": "ca"}, "devices": [
            {"agent": "fence_redfish", "parameters": {"ip": "203.0.113.1", "ssl-insecure": "1"}}]}),
        "spec.sites[0].fencing.caRef: no device heeds it",
    ),
    "a key of a Secret that cannot be one": (
        put("sites.0.fencing.knownHostsRef", {"name": "hosts", "key": "a/b"}),
        "spec.sites[0].fencing.knownHostsRef.key: 'a/b' is not a key of a Secret",
    ),
    "a level for some devices alone": (
        levelled(None, 1), "spec.sites[0].fencing.devices: some have a level and some have none; give one to each"),
    "levels in another order": (
        levelled(1, 3, 2), "spec.sites[0].fencing.devices: level 2 stands below level 3, and would be tried before it"),
    "a level of nothing": (levelled(0, 1), "spec.sites[0].fencing.devices[0].level"),
    "a level too many": (levelled(1, 10), "spec.sites[0].fencing.devices[1].level"),
    "an address twice, spelled twice": (
        put("sites", [site("site-a", 11, "10s") | {"addresses": ["2001:db8::1"]},
                      site("site-b", 12, "1s") | {"addresses": ["2001:DB8:0::1"]}]),
        "spec.sites: address 2001:db8::1 is given twice",
    ),
    "an address in disguise": (put("sites.0.addresses.0", "::ffff:192.0.2.11"), "'::ffff:192.0.2.11' is not an IP"),
    "broadcast": (put("sites.0.addresses.0", "255.255.255.255"), "255.255.255.255 cannot be reached by the other site"),
    "an unknown kind": (put("workloads.0.kind", "DaemonSet"), "spec.workloads[0].kind: 'DaemonSet': input should be"),
    "a misspelt field": (put("workloads.0.prefferedSite", "site-a"), "spec.workloads[0].prefferedSite: is not a field"),
    "no addresses": (put("sites.0.addresses", []), "spec.sites[0].addresses: []:"),
    "a token too short": (put("corosync", {"token": "100ms"}), "spec.corosync.token"),
    "not a fence agent": (put(f"{DEVICE}.agent", "rm"), "spec.sites[0].fencing.devices[0].agent: 'rm'"),
    "a parameter of ours": (put(f"{DEVICE}.parameters.pcmk_host_list", "x"), "is set by the pair itself"),
    "a parameter that is none": (put(f"{DEVICE}.parameters.a b", "x"), "is not the name of a fence agent's"),
    "an unknown quorum": (put("quorum", {"mode": "Majority"}), "spec.quorum.mode: 'Majority'"),
    "an arbitrator that is not named": (
        put("quorum", {"mode": "Arbitrator"}),
        "spec.quorum.arbitrator: mode Arbitrator needs the host and the secretRef of the corosync-qnetd",
    ),
    "an arbitrator that is not asked": (
        put("quorum", {"mode": "TwoNode", **{"arbitrator": ARBITRATED["arbitrator"]}}),
        "spec.quorum.arbitrator: mode TwoNode knows no third vote; remove the arbitrator, or use mode Arbitrator",
    ),
    "an arbitrator at no host": (
        put("quorum", {**ARBITRATED, "arbitrator": {"host": "a }", "secretRef": {"name": "arbitrator"}}}),
        "spec.quorum.arbitrator.host: 'a }' is neither a host name nor an IP address",
    ),
}


@pytest.mark.parametrize("change, sentence", REFUSED.values(), ids=REFUSED)
def test_is_refused_with_a_sentence(change: Change, sentence: str) -> None:
    changed = document()
    change(changed)
    found = refusal(changed)
    assert [one for one in found if sentence in one], found


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_refused_and_not_repeated(name: str) -> None:
    changed = document()
    put(f"{DEVICE}.parameters.{name}", "hunter2")(changed)
    found = refusal(changed)
    assert len(found) == 1 and "put it in a Secret named by secretRef" in found[0]
    assert "hunter2" not in found[0]


def test_a_value_below_parameters_is_never_repeated() -> None:
    changed = document()
    put(f"{DEVICE}.parameters", {"ip": "hunter2\n"})(changed)
    found = refusal(changed)
    assert len(found) == 1 and "hunter2" not in found[0]


@pytest.mark.parametrize("levels", [(1, 1), (1, 1, 2, 2), (2, 2, 9), (3,), (None, None)])
def test_devices_may_share_levels_in_their_order(levels: tuple[Optional[int], ...]) -> None:
    changed = document()
    levelled(*levels)(changed)
    assert refusal(changed) == []
    assert tuple(one.level for one in load(changed).spec.sites[0].fencing.devices) == levels


def test_workloads_may_wait_for_those_above() -> None:
    workloads = pair(workloads=[{"name": "db"}, {"name": "web", "after": ["db"], "together": ["db"]}]).spec.workloads
    assert (workloads[1].after, workloads[1].together) == (("db",), ("db",))


@pytest.mark.parametrize("index", [0, 1])
def test_a_site_keeps_its_name(index: int) -> None:
    changed = document()
    put(f"sites.{index}.name", "site-c")(changed)
    put("workloads.0.preferredSite", "site-c")(changed)
    found = faults(load(changed).spec, before=pair().spec)
    assert len(found) == 1 and "spec.sites: 'site-c' is no site of this pair so far" in found[0]
    assert faults(pair().spec, before=pair().spec) == []


def test_fencing_may_be_disabled_without_devices() -> None:
    sites = [site("site-a", 11, "1s"), site("site-b", 12, "1s")]
    for one in sites:
        one["fencing"] = {}
    assert refusal(document(sites=sites, fencing={"mode": "Disabled"})) == []


def test_every_fault_has_its_own_sentence() -> None:
    changed = document()
    put("workloads.0.preferredSite", "nowhere")(changed)
    put("sites.1.fencing.devices", [])(changed)
    assert len(refusal(changed)) == 2


ADDRESSES = st.ip_addresses(v=4, network="10.0.0.0/8")


@given(st.lists(ADDRESSES, min_size=2, max_size=16, unique=True).filter(lambda found: len(found) % 2 == 0))
def test_any_distinct_addresses_in_equal_number_are_taken(found: list[ipaddress.IPv4Address]) -> None:
    words = [str(address) for address in found]
    half = len(words) // 2
    changed = document()
    put("sites.0.addresses", words[:half])(changed)
    put("sites.1.addresses", words[half:])(changed)
    assert refusal(changed) == []


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)
                    | st.dictionaries(st.sampled_from(["sites", "name", "addresses", "workloads", "spec"]), inner)))
def test_nothing_but_a_refusal_comes_of_nonsense(nonsense: object) -> None:
    with pytest.raises(PairError) as caught:
        load({"spec": nonsense})
    assert caught.value.sentences and all(caught.value.sentences)
