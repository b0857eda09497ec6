"""Fencing without IPMI, as the CR says: Redfish over TLS fences site-b, SSH with virsh or fence_virt site-a."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab import board, certs, pairing, waiting
from lab.board import REDFISH_PORT, Board
from lab.calm import calm, explain
from lab.service import answers
from lab.sites import Lab, Site
from lab.verdict_model import Expectations, Quiet, Start
from tests.lab.conftest import Watch, held
from tests.lab.pairs import CONVERGE, peers, read_secrets, renewed, restored, wait_devices, wait_takeover
from tests.lab.test_drill import drill
from tests.lab.test_lies import drilled, last_recovery, lied, lying
from tests.lab.test_scenarios import KEPT, pods_on, rejoined, rest, split

Watching = Callable[..., Watch]
REDFISH, VIRSH = "board-site-b", "board-site-a"
# In the same Secret as the key for SSH, so that no peer is renewed when one agent takes the other one's place.
VIRT_KEY = "fence_virt.key"


def secrets(known: Board) -> dict[str, dict[str, bytes]]:
    """What each Secret holds."""
    return {REDFISH: {"password": known.password, "ca.crt": known.authority},
            VIRSH: {"ssh-privatekey": known.key, "known_hosts": known.known_hosts, VIRT_KEY: known.shared}}


def by_board(lab: Lab, known: Board) -> dict[str, Any]:
    """The lab's CR with other devices."""
    whole = pairing.document(lab)
    one, other = whole["spec"]["sites"]
    one["fencing"] |= {"knownHostsRef": {"name": VIRSH}, "devices": [{
        "agent": "fence_virsh", "parameters": {"ip": known.address, "username": "root", "plug": "site-a"},
        "secretRef": {"name": VIRSH, "key": "ssh-privatekey"}}]}
    other["fencing"] |= {"caRef": {"name": REDFISH}, "devices": [{
        "agent": "fence_redfish", "secretRef": {"name": REDFISH}, "parameters": {
            "ip": known.address, "ipport": str(REDFISH_PORT), "username": known.user,
            "systems_uri": known.system("site-b")}}]}
    return whole


def put(site: Site, secret: str, values: dict[str, bytes]) -> None:
    """Make or change a Secret."""
    kind = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": pairing.NAMESPACE}}
    text = json.dumps({**kind, "stringData": {key: value.decode() for key, value in values.items()}})
    pairing.kubectl(site, "apply", "--server-side", "--force-conflicts", "-f", "-", input=text)
    read_secrets(site)


@pytest.fixture(scope="module")
def known(pair: Lab) -> Iterator[Board]:
    """The board, and the pair that fences by it."""
    found = board.start(pair)
    restored(pair)
    calm(pair)
    for site, secret in (("site-a", REDFISH), ("site-b", VIRSH)):
        put(pair.sites[site], secret, secrets(found)[secret])
    before = peers(pair)
    pairing.change(pair, by_board(pair, found))
    waiting.until(renewed(pair, before), "both peers with the new Secrets", CONVERGE, lambda: explain(pair))
    # The devices were in force before each site's peer had their Secrets.
    pairing.cleanup(pair)
    rejoined(pair)
    for condition in ("FencingProven", "PeerInSync", "TakeoverReady"):
        pairing.wait_for(pair, condition)
    yield found
    restored(pair)


def test_ssh_with_virsh_ends_the_active_site_before_it_is_taken_over(pair: Lab, known: Board, watch: Watching) -> None:
    """Fenced on purpose by site-b, which fence_virsh does through libvirt's domain, and then takes over; and nothing of
    that while libvirt only says so."""
    lab = pair
    wait_takeover(lab)
    with watch() as seen:
        rest(lab)
        with _quiet(seen, "site-a"), lying(lab.sites["site-a"]):
            lied(lab.sites["site-a"], lab.sites["site-b"], "fence-site-a-1 (fence_virsh)")
        began, starts = time.monotonic(), [seen.told("site-b")]
        lab.event("fault", "site-a", "fenced on purpose, by a drill")
        result = drilled(lab.sites["site-b"])
        starts.append(Start("site-a", began + result["returnedSeconds"] - 1))
        pairing.cleanup(lab)  # Pacemaker remembers the fence that was not believed
        rejoined(lab)
        seen.expect(Expectations(starts=tuple(starts)))
        rest(lab)
    assert result["good"] and result["fencedSeconds"] < result["availableSeconds"], result
    verdict = seen.verdict(bound=20)
    held(verdict, "I1", "I2", "I4", "I7", "I8")
    _ended_first(seen, "site-a", "site-b")


def test_fence_virt_ends_the_active_site_before_it_is_taken_over(pair: Lab, known: Board, watch: Watching) -> None:
    """By a real fence_virtd, over TCP, with the key from a Secret; a domain that it does not know is not off."""
    lab, heir = pair, pair.sites["site-b"]
    unknown = "knows no domain nobody"
    for action, plug, why in (("status", "nobody", unknown), ("off", "nobody", unknown),
                              ("off", "site-a\nauth=none", "auth must be sha1, sha256 or sha512")):
        said = heir.peer(["sh", "-c", "printf '%s' \"$1\" | fence_virt 2>&1; echo ended with $?", "sh",
                          f"ipaddr={known.address}\nkey_file=any {VIRSH} {VIRT_KEY}\nplug={plug}\naction={action}\n"])
        assert why in said and "ended with 1" in said, said
    try:
        _by(lab, by_virt(lab, known))
        wait_takeover(lab)
        before = last_recovery(heir)
        with watch() as seen:
            rest(lab)
            began, starts = time.monotonic(), [seen.told("site-b")]
            lab.event("fault", "site-a", "fenced on purpose, by a drill")
            result = json.loads(heir.peer(["snopair", "drill", "--fence", "--takeover", "-o", "json"],
                                          container="conductor", timeout=400, check=False))
            assert result["good"], result
            starts.append(Start("site-a", began + result["returnedSeconds"] - 1))
            rejoined(lab)
            seen.expect(Expectations(starts=tuple(starts)))
            rest(lab)
        told: dict[str, Any] = waiting.until(lambda: found if (found := last_recovery(heir)) != before else {},
                                             "the recovery on record", 30)
        assert known.shared.decode() not in heir.peer(["cibadmin", "--query"])
    finally:
        _by(lab, by_board(lab, known))
    assert told["fencedBy"] == "fence-site-a-1", told
    held(seen.verdict(bound=20), "I1", "I2", "I4", "I8")
    _ended_first(seen, "site-a", "site-b")


def by_virt(lab: Lab, known: Board) -> dict[str, Any]:
    """The same, but fence_virt fences site-a."""
    whole = by_board(lab, known)
    whole["spec"]["sites"][0]["fencing"]["devices"] = [{
        "agent": "fence_virt", "parameters": {"ipaddr": known.address, "plug": "site-a"},
        "secretRef": {"name": VIRSH, "key": VIRT_KEY}}]
    return whole


def _by(lab: Lab, whole: dict[str, Any]) -> None:
    pairing.change(lab, whole)
    wait_devices(lab, whole)
    pairing.wait_for(lab, "FencingProven")


def test_redfish_ends_the_active_site_in_a_split_before_it_is_taken_over(
        pair: Lab, known: Board, watch: Watching) -> None:
    """site-a, which wins, has fence_redfish end site-b."""
    seen = split(pair, watch, "site-b")
    _ended_first(seen, "site-b", "site-a")


def test_redfish_that_lies_is_not_believed(pair: Lab, known: Board, watch: Watching) -> None:
    """It counts again once it has fenced for real."""
    lab, target, other = pair, pair.sites["site-b"], pair.sites["site-a"]
    calm(lab, on="site-b")
    with watch() as seen:
        with _quiet(seen, "site-b"), lying(target):
            lied(target, other, "fence-site-b-1 (fence_redfish)")
            assert answers(target) and not answers(other)
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I7")
    assert not verdict.fences and not pods_on(verdict.runs, "site-a")
    result = drilled(other)
    assert result["good"], result
    pairing.cleanup(lab)  # Pacemaker remembers the fence that was not believed
    rejoined(lab)


@contextmanager
def _quiet(seen: Watch, site: str) -> Iterator[None]:
    """Nothing of the site's may be touched meanwhile."""
    began = time.monotonic()
    yield
    seen.expect(Expectations(quiet=(Quiet(site, began, time.monotonic()),)))


def _ended_first(seen: Watch, dead: str, heir: str) -> None:
    """By the oracle, which asks no board: the one's first process was gone before the other ran anything."""
    verdict = seen.verdict()
    (fence,) = [fence for fence in verdict.fences if fence.site == dead]
    told = next(event.mono for event in seen.events() if event.mono >= fence.asked and event.site == dead
                and event.what == "bmc" and event.detail == "off: the site is dead")
    assert fence.order == "off"
    assert any(boot.site == dead and boot.on > fence.asked for boot in verdict.boots), verdict.boots
    ended = max(run.last for run in verdict.runs if run.site == dead and run.first < fence.asked)
    begun = min(run.first for run in verdict.runs if run.site == heir and run.first > fence.asked)
    assert ended <= told + 0.2 and told < begun, (fence.asked, ended, told, begun)


# -- what is refused -------------------------------------------------------------------------------------------------

def test_what_does_not_prove_itself_is_refused_and_named(pair: Lab, known: Board) -> None:
    """A wrong certificate, host key, key, and a board out of reach; what was right fences again at once."""
    one, other = pair.sites["site-a"], pair.sites["site-b"]
    directory, right = pair.state.board_directory / "pki", secrets(known)
    certs.certificate(directory, certs.Identity("stranger", "/CN=stranger"), authority=True)
    stranger = {end: (directory / f"stranger.{end}").read_bytes() for end in ("crt", "key")}
    put(one, REDFISH, {**right[REDFISH], "ca.crt": stranger["crt"]})
    put(other, VIRSH, {**right[VIRSH], "ssh-privatekey": stranger["key"]})
    try:
        assert "CERTIFICATE_VERIFY_FAILED" in _refused(one, "fence-site-b-1 (fence_redfish): it does not tell")
        note = "the new ssh-privatekey of Secret board-site-a is not used, for it failed: fence_virsh failed (1)"
        waiting.until(lambda: note in pairing.condition(other, "Degraded")[1], "the refused key", 60)
        assert drill(other)[0] == 0, "the key that was proven is used"
        put(other, VIRSH, {**right[VIRSH], "known_hosts": _other_host(known)})
        _refused(other, "fence-site-a-1 (fence_virsh): it does not tell")
    finally:
        put(one, REDFISH, right[REDFISH])
        put(other, VIRSH, right[VIRSH])
    for site in (one, other):
        _proves(site)
        with _unreachable(site, known.address):
            said = drill(site)[1]
        assert "it does not tell" in said, said


def _refused(site: Site, sentence: str) -> str:
    """What a drill says, once it says that."""
    said: str = waiting.until(lambda: next((text for code, text in [drill(site)] if code and sentence in text), None),
                              sentence, 60)
    return said


def _proves(site: Site) -> None:
    waiting.until(lambda: drill(site)[0] == 0, f"the right ones used on {site.name}", 60)


def _other_host(known: Board) -> bytes:
    """A host key of the right kind that is not the board's."""
    address, kind, key = known.known_hosts.split()
    return b" ".join((address, kind, key[:-8] + key[-8:].swapcase())) + b"\n"


@contextmanager
def _unreachable(site: Site, address: str) -> Iterator[None]:
    rule = ["OUTPUT", "-d", address, "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"]
    site.run(["iptables", "-A", *rule])
    try:
        yield
    finally:
        site.run(["iptables", "-D", *rule])


def test_no_secret_stands_in_the_cluster_s_configuration(pair: Lab, known: Board) -> None:
    for site in pair.sites.values():
        said = site.peer(["cibadmin", "--query"])
        assert "/etc/aos/fencing/board-site-a/ssh-privatekey" in said
        assert known.password.decode() not in said and "PRIVATE KEY" not in said
