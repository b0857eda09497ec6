"""The oracle itself on real sites: it catches a workload that runs twice, and claims nothing when it could not look."""
from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import record, waiting
from lab.oracle import Oracle
from lab.record import Record
from lab.sites import Lab
from lab.verdict import judge
from lab.verdict_model import Finding, Outcome

TWIN = "default/twin"
WATCHED = (TWIN, "default/app")

# A workload like any other, but without a gate: nothing keeps it from running on both sites.
DEPLOYMENT = json.dumps({
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "twin", "namespace": "default"},
    "spec": {
        "replicas": 0, "selector": {"matchLabels": {"app": "twin"}},
        "template": {
            "metadata": {"labels": {"app": "twin"}},
            "spec": {
                "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False,
                "containers": [{
                    "name": "twin", "image": "localhost/aos-sno-pair/app:dev", "imagePullPolicy": "Never"}]},
        },
    },
})


@pytest.fixture
def twin(lab: Lab) -> Iterator[Lab]:
    """The ungated workload on both sites, scaled to nothing."""
    for site in lab.sites.values():
        site.kubectl("apply", "-f", "-", input=DEPLOYMENT)
    yield lab
    for site in lab.sites.values():
        site.kubectl("delete", "deployment", "twin", "--wait=false")
        site.kubectl("delete", "pods", "-l", "app=twin", "--wait=true")


def scale(lab: Lab, site: str, replicas: int) -> None:
    lab.sites[site].kubectl("scale", "deployment", "twin", f"--replicas={replicas}")


def running(path: Path) -> set[str]:
    """The sites on which the oracle sees the twin now."""
    seen = record.read(path).runtime.items()
    return {site for site, row in seen for c in row[-1].state.containers if c.workload == TWIN}


def last_looks(path: Path) -> dict[str, float]:
    """When the oracle last looked at each site, as far as its record says by now."""
    return {site: row[-1].last for site, row in record.read(path).runtime.items()}


def at_most_one(seen: Record) -> Finding:
    return next(finding for finding in judge(seen).findings if finding.invariant == "I1")


def test_a_workload_run_on_both_sites_on_purpose_is_caught(twin: Lab, tmp_path: Path) -> None:
    """What the oracle is for: it says so, with both pods' names."""
    path = tmp_path / "record.jsonl"
    with Oracle(twin, path, WATCHED):
        for site in twin.sites:
            scale(twin, site, 1)
        waiting.until(lambda: running(path) == set(twin.sites), "the twin running on both sites", 60)
        # Two copies at one moment are proven only once a later look at each site still shows them.
        both = max(last_looks(path).values())
        waiting.until(lambda: min(last_looks(path).values()) > both, "one more look at each site", 10)
    found = at_most_one(record.read(path))
    assert found.outcome is Outcome.BROKEN, found.evidence
    assert "twin-" in found.evidence and "site-a" in found.evidence and "site-b" in found.evidence


def test_one_copy_is_held_even_when_the_site_loses_its_api_and_its_runtime(twin: Lab, tmp_path: Path) -> None:
    """The oracle needs neither the API nor containerd to see what runs."""
    path, site = tmp_path / "record.jsonl", twin.sites["site-b"]
    scale(twin, site.name, 1)
    try:
        with Oracle(twin, path, WATCHED):
            waiting.until(lambda: running(path) == {"site-b"}, "the twin running", 60)
            site.api("stop")
            site.containerd("stop")
            begun = time.monotonic()
            waiting.until(lambda: time.monotonic() - begun > 2, "two more seconds of looking", 10)
            assert running(path) == {"site-b"}
    finally:
        site.containerd("start")
        site.api("start")
        site.wait_ready()
    found = at_most_one(record.read(path))
    assert found.outcome is Outcome.HELD, found.evidence


def test_an_oracle_that_was_suspended_gives_no_verdict(twin: Lab, tmp_path: Path) -> None:
    """Whatever ran while it slept, it did not see: so it must not say held."""
    path = tmp_path / "record.jsonl"
    scale(twin, "site-b", 1)
    with Oracle(twin, path, WATCHED) as oracle:
        waiting.until(lambda: running(path) == {"site-b"}, "the twin running", 60)
        assert oracle.pid is not None
        os.kill(oracle.pid, signal.SIGSTOP)
        begun = time.monotonic()
        waiting.until(lambda: time.monotonic() - begun > 1, "a second of sleep", 5)
        os.kill(oracle.pid, signal.SIGCONT)
    found = at_most_one(record.read(path))
    assert found.outcome is Outcome.NOT_JUDGED and "did not see" in found.evidence, found.evidence


def test_an_oracle_that_was_killed_gives_no_verdict(twin: Lab, tmp_path: Path) -> None:
    """Its record has no end."""
    path = tmp_path / "record.jsonl"
    scale(twin, "site-b", 1)
    with Oracle(twin, path, WATCHED) as oracle:
        waiting.until(lambda: running(path) == {"site-b"}, "the twin running", 60)
        assert oracle.pid is not None
        os.kill(oracle.pid, signal.SIGKILL)
    found = at_most_one(record.read(path))
    assert found.outcome is Outcome.NOT_JUDGED and "cut short" in found.evidence, found.evidence
