"""`snopair check`: each fault that it is for is found, on real sockets and what kubectl really prints."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import pytest
from click.testing import CliRunner, Result

from k8sdeployment.cli import codes, hostlook, preflight, sockets
from k8sdeployment.cli.app import snopair
from k8sdeployment.cli.findings import Finding
from k8sdeployment.cli.sitefacts import SiteFacts
from k8sdeployment.cli.world import ProgramError
from tests.cli.tools import NOW, world
from tests.pair.sample import document, pair

PAIR = pair()
LABELS = {"pod-security.kubernetes.io/enforce": "privileged"}


def cluster(number: int, **changed: Any) -> SiteFacts:
    """A site on which everything is as it should be."""
    mine, theirs = ("site-a", "site-b") if number == 1 else ("site-b", "site-a")
    keys = {"authkey": "a2V5", "hacluster": "d29yZA=="}
    whole = SiteFacts(
        letter="ab"[number - 1], alive=True, version="v1.34.4", minor=34, clock=0.3, nodes=[f"{mine}.example.org"],
        labels={"aos-sno-pair": LABELS, "default": LABELS}, installed=True, policies=4, pod="Running",
        secrets={"pair-key": keys, f"bmc-{theirs}": {"password": "eA=="}}, pair=document())
    return dataclasses.replace(whole, **changed)


def found(*clusters: SiteFacts) -> list[Finding]:
    return list(preflight.check(PAIR, clusters))


def bad(findings: list[Finding]) -> list[tuple[str, str, str, str]]:
    return [(one.level, one.topic, one.site, one.message) for one in findings if one.level != "ok"]


def test_a_sound_pair_has_nothing_to_tell() -> None:
    assert bad(found(cluster(1), cluster(2))) == []


SECRETS = {"pair-key": {"authkey": "YW5vdGhlcg==", "hacluster": "eA=="}, "bmc-site-a": {"password": "eA=="}}


@pytest.mark.parametrize("changed, level, topic, sentence", [
    ({"alive": False, "troubles": ["kubectl failed (1): refused"]}, "fail", "api", "it does not answer: kubectl fail"),
    ({"minor": 30, "version": "v1.30.9"}, "fail", "version", "Kubernetes v1.30.9; 1.31 or newer is needed"),
    ({"nodes": ["x"]}, "fail", "nodes", "its nodes are x; the pair's are site-a.example.org or site-b.example.org"),
    ({"nodes": ["site-a.example.org"]}, "fail", "nodes", "both clusters are site-a"),
    ({"nodes": ["site-b.example.org", "y"]}, "warn", "nodes", "it has 2 nodes"),
    ({"installed": False}, "fail", "installed", "the resource SNOPair is not installed"),
    ({"policies": 1}, "warn", "installed", "1 of the 4 admission policies are installed"),
    ({"labels": {"default": {"pod-security.kubernetes.io/enforce": "baseline"}}}, "fail", "namespaces",
     "default refuses hostPath volumes: label it pod-security.kubernetes.io/enforce=privileged (now baseline)"),
    ({"labels": {"default": None}}, "fail", "namespaces", "there is no namespace default"),
    ({"openshift": True}, "fail", "namespaces", "the SecurityContextConstraints aos-permit is not there"),
    ({"openshift": True, "scc": True, "labels": {"default": {}}}, "fail", "namespaces", "default refuses hostPath"),
    ({"secrets": {}}, "fail", "secrets", "Secret bmc-site-a with the key password is missing in aos-sno-pair"),
    ({"secrets": SECRETS}, "fail", "secrets", "they have different keys authkey in pair-key"),
    ({"secrets": {**SECRETS, "bmc-site-b": {}}}, "warn", "secrets", "Secret bmc-site-b is its own BMC's"),
    ({"clock": 7.3}, "warn", "time", "their clocks differ by 7 s"),
    ({"clock": None}, "warn", "time", "the clocks could not be compared"),
    ({"pair": document(corosync={"token": "9s"})}, "fail", "pair", "they hold different SNOPairs"),
    ({"version": "v1.33.1", "minor": 33}, "warn", "version", "they run v1.34.4 and v1.33.1"),
    ({"troubles": ["forbidden"]}, "warn", "rights", "not everything could be asked: forbidden"),
])
def test_each_fault_is_found(changed: dict[str, Any], level: str, topic: str, sentence: str) -> None:
    told = bad(found(cluster(1), cluster(2, **changed)))
    assert any((one[0], one[1]) == (level, topic) and one[3].startswith(sentence) for one in told), told


# -- on the host ---------------------------------------------------------------------------------------------------

def net(**changed: Any) -> hostlook.Net:
    """A host that has site-a's addresses, each link in a network of its own; nothing is in use."""
    def bind(address: str, port: int, kind: str) -> str:
        return "" if address in ("192.0.2.11", "198.51.100.11", "0.0.0.0") else "EADDRNOTAVAIL"
    routes = [sockets.Route(ipaddress.ip_network(one), f"eth{number}")
              for number, one in enumerate(("192.0.2.0/24", "198.51.100.0/25"))]
    known = {"bind": bind, "answers": lambda *_: "", "refuses": lambda *_: False, "routes": lambda: routes}
    return hostlook.Net(**{**known, **changed})


LINKS = """Local node ID 1, transport knet
LINK ID 0 udp
\taddr\t= 192.0.2.11
\tstatus:
\t\tnodeid:          1:\tlocalhost
\t\tnodeid:          2:\tconnected
LINK ID 1 udp
\taddr\t= 198.51.100.11
\tstatus:
\t\tnodeid:          1:\tlocalhost
\t\tnodeid:          2:\tdisconnected
"""


def look(tmp_path: Path, of: hostlook.Net, links: str = "") -> list[tuple[str, str, str]]:
    def run(argv: Sequence[str], seconds: float, text: Optional[str] = None) -> str:
        if not links:
            raise ProgramError("corosync-cfgtool failed (1): no such daemon")
        return links
    return [(one.level, one.topic, one.message) for one in hostlook.look(PAIR.spec, world(run, tmp_path), of)]


def test_a_free_host_is_sound(tmp_path: Path) -> None:
    told = look(tmp_path, net())
    assert {level for level, _, _ in told} == {"ok"}
    assert ("ok", "links", "link 1: 198.51.100.12 of site-b answers") in told
    assert ("ok", "subnets", "link 1 is in 198.51.100.0/25 (eth1)") in told
    assert ("ok", "ports", "5405/udp on 192.0.2.11 (Corosync) is free") in told
    assert ("ok", "ports", "5406/udp on 198.51.100.11 (Corosync) is free") in told


def test_a_strange_host_is_told_what_the_pair_wants(tmp_path: Path) -> None:
    ((level, topic, sentence),) = look(tmp_path, net(bind=lambda *_: "EADDRNOTAVAIL"))
    assert (level, topic) == ("fail", "addresses") and "site-b has 192.0.2.12, 198.51.100.12" in sentence


def test_faults_of_a_host(tmp_path: Path) -> None:
    taken = net(bind=lambda address, port, kind: "EADDRINUSE" if port else net().bind(address, port, kind))
    assert ("fail", "ports", "2224/tcp on 0.0.0.0 (pcsd) is used by another program") in look(tmp_path, taken)
    one = net(routes=lambda: [sockets.Route(ipaddress.ip_network("0.0.0.0/1"), "eth0"),
                              sockets.Route(ipaddress.ip_network("128.0.0.0/1"), "eth0")])
    assert any("links 0 and 1 are both in 128.0.0.0/1" in told for _, _, told in look(tmp_path, one))
    half = net(bind=lambda address, port, kind: "" if address == "192.0.2.11" else "EADDRNOTAVAIL")
    assert ("fail", "addresses", "link 1: 198.51.100.11 is not an address of this host") in look(tmp_path, half)
    silent = look(tmp_path, net(answers=lambda *_: "it is silent"))
    assert any(level == "warn" and "192.0.2.12 of site-b does not answer (it is silent)" in told
               for level, _, told in silent)


def test_where_the_peer_runs_its_ports_are_its_own_and_corosync_tells_the_links(tmp_path: Path) -> None:
    taken = net(bind=lambda address, port, kind: "EADDRINUSE" if port else net().bind(address, port, kind))
    told = look(tmp_path, taken, LINKS)
    assert [one for one in told if one[0] != "ok"] == [("fail", "links", "link 1 is down")]
    assert ("ok", "links", "link 0 is connected") in told
    assert ("warn", "ports", "2224/tcp on 0.0.0.0 (pcsd) is not used though the peer runs") in look(
        tmp_path, net(), LINKS)


def test_a_firewall_that_refuses_in_the_place_of_a_site_is_told(tmp_path: Path) -> None:
    """Of a dead site it would say that it lives. What is down, and what does not run yet, tells nothing of it."""
    refusing = {"bind": lambda address, port, kind: "EADDRINUSE" if port else net().bind(address, port, kind),
                "refuses": lambda *_: True}
    told = [sentence for level, _, sentence in look(tmp_path, net(**refusing), LINKS) if level == "warn"]
    assert len(told) == 1 and told[0].startswith("link 0: 192.0.2.12 of site-b refuses 2224/tcp though its peer runs")
    assert not [one for one in look(tmp_path, net(refuses=lambda *_: True)) if one[0] == "warn"]


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_real_port(kind: sockets.Kind) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        if kind == "tcp":
            assert sockets.answers("127.0.0.1", port, 1.0) == "", "refused is an answer"
            assert sockets.refuses("127.0.0.1", port, 1.0)
            taken.listen(1)
            assert sockets.answers("127.0.0.1", port, 1.0) == "" and not sockets.refuses("127.0.0.1", port, 1.0)
        assert sockets.bind("127.0.0.1", port, kind) == "EADDRINUSE"
    assert sockets.bind("127.0.0.1", port, kind) == ""
    assert sockets.bind("192.0.2.99", 0, kind) == "EADDRNOTAVAIL"


def test_real_routes(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n")
    (tmp_path / "ipv6_route").write_text(
        f"20010db8{'0' * 24} 40 {'0' * 32} 00 {'0' * 32} 00000100 00000001 00000000 00000001     eth2\n"
        f"{'0' * 32} 00 {'0' * 32} 00 fe80{'0' * 27}1 00000400 00000001 00000000 00000003     eth0\n")
    known = sockets.routes(tmp_path)
    assert [(str(one.network), one.interface) for one in known] == [("192.0.2.0/24", "eth1"), ("2001:db8::/64", "eth2")]
    assert sockets.home(ipaddress.ip_address("192.0.2.7"), known) == known[0]
    assert sockets.home(ipaddress.ip_address("10.0.0.1"), known) is None
    assert sockets.home(ipaddress.ip_address("127.0.0.1"), sockets.routes()) is None or sockets.routes()


# -- the verb ------------------------------------------------------------------------------------------------------

class Kubectl:
    """Two clusters by context; `pod`: what the peer pod's phase is; `away`: words of calls that fail."""

    def __init__(self, *away: str, pod: str = "Running", status: int = 0) -> None:
        self._away, self._pod, self._status = away, pod, status
        self.calls: list[tuple[str, Optional[str]]] = []

    def __call__(self, argv: Sequence[str], seconds: float, given: Optional[str] = None) -> str:
        words = " ".join(argv)
        self.calls.append((words, given))
        for one in self._away:
            if one in words:
                raise ProgramError(f"kubectl failed (1): {one}: forbidden", status=1)
        if " exec " in words or " run " in words:
            told = json.dumps({"failed": 0, "findings": [{"level": "ok", "topic": "links", "message": "link 0 is up"}]})
            if self._status:
                raise ProgramError("kubectl failed", told, self._status)
            return told
        return json.dumps(self._answer(words, "b" if "--context=b" in words else "a"))

    def _answer(self, words: str, letter: str) -> Any:
        keys = {name: "eA==" for name in ("authkey", "hacluster", "password")}
        other = "b" if letter == "a" else "a"
        answers: dict[str, Any] = {
            "/version": {"minor": "34+", "gitVersion": "v1.34.4"}, "/apis": {"groups": []},
            "whoami": {"metadata": {"creationTimestamp": "2026-11-27T08:00:00Z"}},
            "get nodes": {"items": [{"metadata": {"name": f"site-{letter}.example.org"}}]},
            "validatingadmissionpolicies": {"items": [{"metadata": {"name": f"aos-{n}"}} for n in range(4)]},
            "get snopairs": {"items": [document()]}, "get pod ": {"status": {"phase": self._pod}},
            "get namespace": {"metadata": {"labels": LABELS}},
            "get secrets": {"items": [{"metadata": {"name": name}, "data": keys}
                                      for name in ("pair-key", f"bmc-site-{other}")]},
        }
        return next((answer for word, answer in answers.items() if word in words), {})


def call(tmp_path: Path, run: Kubectl, *words: str) -> Result:
    return CliRunner().invoke(snopair, ["check", "--context-a", "a", "--context-b", "b", *words],
                              obj=world(run, tmp_path / "none", here=False, now=NOW))


def test_both_sites_by_their_contexts(tmp_path: Path) -> None:
    done = call(tmp_path, Kubectl())
    assert done.exit_code == 0, done.output
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"ok"}
    assert "ok    links       site-b: link 0 is up" in done.stdout and "clocks differ by 0 s" in done.stdout


def test_json_and_a_failing_host(tmp_path: Path) -> None:
    told = json.loads(call(tmp_path, Kubectl("get crd"), "-o", "json", "--from", "/dev/stdin").stdout or "{}")
    assert told.get("exitCode") == codes.USAGE
    done = call(tmp_path, Kubectl("get secrets", status=1), "-o", "json")
    told = json.loads(done.stdout)
    assert told["failed"] == 0 and {one["topic"] for one in told["findings"] if one["level"] == "warn"} == {"rights"}


def test_a_cluster_that_is_away_fails_and_the_other_is_looked_at(tmp_path: Path) -> None:
    done = call(tmp_path, Kubectl("--context=b"))
    assert done.exit_code == codes.LOOK
    assert "fail  api         b: it does not answer: kubectl failed (1): --context=b: forbidden" in done.stdout
    assert "ok    nodes       site-a: the node site-a.example.org is there" in done.stdout


def test_before_there_is_a_peer_a_pod_can_look(tmp_path: Path) -> None:
    run = Kubectl(pod="Pending")
    assert "no peer runs there yet; --pods makes a pod for it" in call(tmp_path, run).stdout
    assert not [words for words, _ in run.calls if " run " in words]
    done = call(tmp_path, run, "--pods")
    made = [(words, given) for words, given in run.calls if " run " in words]
    assert done.exit_code == 0 and len(made) == 2
    words, given = made[0]
    overrides = json.loads(words.partition("--overrides=")[2])
    assert overrides["spec"]["hostNetwork"] and overrides["spec"]["nodeName"] == "site-a.example.org"
    assert json.loads(given or "")["spec"] == document()["spec"]


def test_nothing_known_is_said(tmp_path: Path) -> None:
    done = call(tmp_path, Kubectl("--context"))
    assert done.exit_code == codes.LOOK and "no cluster holds a SNOPair yet; give --from FILE" in done.stdout


def test_here_without_a_pair(tmp_path: Path) -> None:
    done = CliRunner().invoke(snopair, ["check", "--here"], obj=world(Kubectl(), tmp_path))
    assert done.exit_code == codes.USAGE and "give --from FILE" in done.stderr
