"""What speaks for and against pairing two clusters, from what their APIs said. Pure."""

import hmac
from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

from k8sdeployment.cli.findings import Finding, Level
from k8sdeployment.cli.sitefacts import SiteFacts
from k8sdeployment.pair import bundle
from k8sdeployment.pair.model import Site, SNOPair
from k8sdeployment.pair.peerpod import PCSD_SECRET_KEY

# CEL of the CRD knows IP addresses from here on.
OLDEST = 31
# Seconds that two clocks may differ before it is told: more than the measure's own error.
SKEW = 2.0
_ENFORCE = "pod-security.kubernetes.io/enforce"
_POLICIES = 4
Secrets = Mapping[str, Mapping[str, str]]


def whose(pair: SNOPair, facts: SiteFacts) -> Optional[Site]:
    """The site that a cluster is, by its node; None when it is neither."""
    return next((site for site in pair.spec.sites if site.node_name in (facts.nodes or ())), None)


def check(pair: SNOPair, clusters: Sequence[SiteFacts]) -> Iterator[Finding]:
    """Every finding."""
    sites: dict[str, SiteFacts] = {}
    for facts in clusters:
        site = whose(pair, facts) if facts.alive else None
        name = site.name if site else facts.letter
        yield from _cluster(facts, name)
        if not facts.alive:
            continue
        if site is None:
            yield _stranger(pair, facts)
            continue
        if site.name in sites:
            yield Finding("fail", "nodes", f"both clusters are {site.name}; give the other one's kubeconfig too")
            continue
        sites[site.name] = facts
        yield from _site(pair, site, facts)
    yield from _together(pair, sites)


def _cluster(facts: SiteFacts, name: str) -> Iterator[Finding]:
    if not facts.alive:
        yield Finding("fail", "api", f"it does not answer: {'; '.join(facts.troubles)}", name)
        return
    new = facts.minor >= OLDEST
    yield Finding("ok" if new else "fail", "version", f"Kubernetes {facts.version}"
                  + ("" if new else f"; 1.{OLDEST} or newer is needed"), name)
    yield from (Finding("warn", "rights", f"not everything could be asked: {one}", name) for one in facts.troubles)


def _stranger(pair: SNOPair, facts: SiteFacts) -> Finding:
    wanted = " or ".join(site.node_name for site in pair.spec.sites)
    known = ", ".join(facts.nodes or ()) or "not known"
    return Finding("fail", "nodes", f"its nodes are {known}; the pair's are {wanted}", facts.letter)


def _site(pair: SNOPair, site: Site, facts: SiteFacts) -> Iterator[Finding]:
    yield Finding("ok", "nodes", f"the node {site.node_name} is there", site.name)
    several = len(facts.nodes or ()) > 1
    if several:
        yield Finding("warn", "nodes", f"it has {len(facts.nodes or ())} nodes; a site is meant to be a single one",
                      site.name)
    yield Finding("ok" if facts.installed else "fail", "installed",
                  "the resource SNOPair is installed" if facts.installed else "the resource SNOPair is not installed; "
                  "apply the bundle, or deploy/", site.name)
    if facts.policies < _POLICIES:
        yield Finding("warn", "installed", f"{facts.policies} of the {_POLICIES} admission policies are installed; "
                      "they keep people from mistakes", site.name)
    yield from _namespaces(pair, site, facts)
    yield from _secrets(pair, site, facts)


def _namespaces(pair: SNOPair, site: Site, facts: SiteFacts) -> Iterator[Finding]:
    gated = {work.namespace for work in pair.spec.workloads if work.gate}
    for name, labels in facts.labels.items():
        level = (labels or {}).get(_ENFORCE, "")
        if labels is None:
            yield Finding("fail", "namespaces", f"there is no namespace {name}", site.name)
        elif name == pair.metadata.namespace or name in gated:
            good = level == "privileged" or not level and not facts.openshift
            yield Finding("ok" if good else "fail", "namespaces",
                          f"{name} admits hostPath volumes ({_ENFORCE}={level or 'not set'})" if good else
                          f"{name} refuses hostPath volumes: label it {_ENFORCE}=privileged (now {level or 'not set'})",
                          site.name)
    if facts.openshift and gated and not facts.scc:
        yield Finding("fail", "namespaces", "the SecurityContextConstraints aos-permit is not there: apply "
                      "deploy/openshift, and bind its role", site.name)


def _secrets(pair: SNOPair, site: Site, facts: SiteFacts) -> Iterator[Finding]:
    if facts.secrets is None:
        return
    ref = pair.spec.secret_ref
    wanted = [(ref.name, ref.key), (ref.name, PCSD_SECRET_KEY), *bundle.fence_secrets(pair.spec.other(site.name))]
    for name, key in wanted:
        there = key in facts.secrets.get(name, {})
        yield Finding("ok" if there else "fail", "secrets", f"Secret {name} has the key {key}" if there else
                      f"Secret {name} with the key {key} is missing in {pair.metadata.namespace}", site.name)
    own = {name for name, _ in bundle.fence_secrets(site)} - {name for name, _ in wanted}
    yield from (Finding("warn", "secrets", f"Secret {name} is its own BMC's: it does not need it", site.name)
                for name in sorted(own & set(facts.secrets)))


def _together(pair: SNOPair, sites: Mapping[str, SiteFacts]) -> Iterator[Finding]:
    if len(sites) < 2:
        return
    one, other = (sites[site.name] for site in pair.spec.sites)
    yield from _time(one, other)
    if one.secrets is not None and other.secrets is not None:
        yield from _keys(pair, one.secrets, other.secrets)
    if one.pair and other.pair:
        same = one.pair.get("spec") == other.pair.get("spec")
        yield Finding("ok" if same else "fail", "pair", "both hold the same SNOPair" if same else
                      "they hold different SNOPairs: apply the same text on both")
    major = {facts.version.rpartition(".")[0] for facts in (one, other)}
    if len(major) > 1:
        yield Finding("warn", "version", f"they run {one.version} and {other.version}, which is meant for an upgrade")


def _time(one: SiteFacts, other: SiteFacts) -> Iterator[Finding]:
    if one.clock is None or other.clock is None:
        yield Finding("warn", "time", "the clocks could not be compared")
        return
    skew = abs(one.clock - other.clock)
    level: Level = "ok" if skew <= SKEW else "warn"
    yield Finding(level, "time", f"their clocks differ by {skew:.0f} s" + (
        "" if level == "ok" else "; nothing depends on it but the reading of logs"))


def _keys(pair: SNOPair, one: Secrets, other: Secrets) -> Iterator[Finding]:
    ref = pair.spec.secret_ref
    mine, theirs = one.get(ref.name, {}).get(ref.key), other.get(ref.name, {}).get(ref.key)
    if mine and theirs:
        same = hmac.compare_digest(mine, theirs)
        yield Finding("ok" if same else "fail", "secrets", f"both have the same {ref.key}" if same else
                      f"they have different keys {ref.key} in {ref.name}: they will never hear each other")
