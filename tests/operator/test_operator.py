"""The operator on a real API server: what it makes, what it waits for, what kills and outages do to it."""

from __future__ import annotations

import signal

import pytest

from tests.agent.kernel import needs_host
from tests.operator.conftest import Site
from tests.pair.sample import pair

pytestmark = [pytest.mark.lab, needs_host]


def secrets(site: Site) -> None:
    site.secret("pair-key", "authkey", "hacluster")
    site.secret("bmc-site-b", "password")


def test_the_peer_stands_and_missing_secrets_are_told(site: Site) -> None:
    site.pair()
    process = site.start()
    site.until(lambda: site.at_home("statefulsets", "peer"), "the peer")
    words = site.until(site.waits, "its words")
    assert "Secret pair-key is missing" in words and "Secret bmc-site-b is missing" in words
    assert "bmc-site-a" not in words, "a site's own BMC is none of its business"
    site.secret("pair-key", "authkey")
    site.until(lambda: "Secret pair-key in namespace aos-sno-pair has no key hacluster" in (site.waits() or "") or None,
               "the missing key being told")
    secrets(site)
    site.until(lambda: "Secret" not in (site.status()["waitingFor"]) or None, "the Secrets being seen")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0, site.said()
    assert "Traceback" not in site.said()
    assert set(site.cr()["metadata"].get("annotations", {})) == {"kubectl.kubernetes.io/last-applied-configuration"}


def test_a_node_that_is_no_site(site: Site) -> None:
    site.pair()
    site.start("site-x.example.org")
    words = site.until(site.waits, "its words")
    assert words.startswith("no site is this one: the operator runs on node site-x.example.org")
    assert site.at_home("statefulsets", "peer") is None
    assert pair().spec.sites[0].node_name in words
