"""corosync.conf: encrypted, every link of every site, two votes that wait for each other."""

from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sdeployment.pair.corosync import corosync_conf
from tests.pair.sample import ARBITRATED, pair, site

GOLDEN = """\
totem {
    version: 2
    cluster_name: pair
    transport: knet
    crypto_cipher: aes256
    crypto_hash: sha256
    keyfile: /etc/corosync/authkey
    token: 3000
}

system {
    state_dir: /var/lib/corosync
    move_to_root_cgroup: no
}

nodelist {
    node {
        ring0_addr: 192.0.2.11
        ring1_addr: 198.51.100.11
        name: site-a
        nodeid: 1
    }
    node {
        ring0_addr: 192.0.2.12
        ring1_addr: 198.51.100.12
        name: site-b
        nodeid: 2
    }
}

quorum {
    provider: corosync_votequorum
    two_node: 1
    wait_for_all: 1
}

logging {
    to_stderr: yes
    to_syslog: no
    to_logfile: no
    timestamp: hires
}
"""


ARBITRATOR = """\
quorum {
    provider: corosync_votequorum
    wait_for_all: 0
    device {
        model: net
        votes: 1
        timeout: 5000
        sync_timeout: 10000
        net {
            host: arbitrator.example.org
            port: 5403
            algorithm: ffsplit
            tls: required
            keep_active_partition_tie_breaker: on
            tie_breaker: lowest
        }
    }
}
"""


def test_an_arbitrator_is_the_third_vote_and_two_are_a_quorum() -> None:
    made = corosync_conf(pair(quorum=ARBITRATED))
    assert ARBITRATOR in made and "two_node" not in made
    assert made.replace(ARBITRATOR, GOLDEN[GOLDEN.index("quorum {"):GOLDEN.index("\nlogging")]) == GOLDEN


@pytest.mark.parametrize("delays, word", [
    (("10s", "1s"), "lowest"), (("1s", "10s"), "highest"), ((None, "20s"), "highest"), ((None, None), "lowest")])
def test_the_arbitrator_favours_whom_fencing_favours(delays: tuple[Optional[str], ...], word: str) -> None:
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    for one, delay in zip(sites, delays):
        one["fencing"] |= {"delay": delay}
    assert f"tie_breaker: {word}\n" in corosync_conf(pair(sites=sites, quorum=ARBITRATED))


def test_equal_delays_favour_the_first_site() -> None:
    sites = [site("site-a", 11, "1s"), site("site-b", 12, "1s")]
    made = corosync_conf(pair(sites=sites, quorum=ARBITRATED, failover={"mode": "Confirm"}))
    assert "tie_breaker: lowest\n" in made


def test_the_whole_file() -> None:
    assert corosync_conf(pair()) == GOLDEN


@given(st.integers(1, 8), st.integers(500, 300_000))
def test_every_link_stands_once_per_site_and_braces_stand_alone(links: int, token: int) -> None:
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    for number, one in enumerate(sites, start=1):
        one["addresses"] = [f"10.0.{link}.{number}" for link in range(links)]
    lines = corosync_conf(pair(sites=sites, corosync={"token": f"{token}ms"})).splitlines()
    for link in range(links):
        assert sum(line.strip().startswith(f"ring{link}_addr:") for line in lines) == 2
    assert f"    token: {token}" in lines
    assert all(line.strip() == "}" for line in lines if "}" in line)
    assert all(line.endswith(" {") for line in lines if "{" in line)
