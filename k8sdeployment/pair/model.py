"""The SNOPair resource: the one declaration of what a pair is, with every default and every rule about one value.

Rules that hold between values (two sites that share an address, say) stand in `rules.py`; `cr.py` reads the text,
`crd.py` makes the CustomResourceDefinition of it. What stands below a field is what `kubectl explain` says.
"""

from typing import Annotated, Literal, Optional

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from k8sdeployment.pair.references import (
    AuthorityRef, CertificatesRef, KnownHostsRef, PairSecretRef, Part, SecretRef)
from k8sdeployment.pair.values import (
    AgentName, DevicePath, Host, Label, LinkAddress, Milliseconds, Parameters, ResourceName, Subdomain, Text, Token)

# Milliseconds for the first and the second site where nothing is said.
DELAYS = (10_000, 1_000)
# Bounds, without which the API server would take no rule about the list: it counts what the longest could cost.
MOST_LINKS, MOST_WORKLOADS = 8, 32


class Device(Part):
    """One way to take a site's power: a fence agent, its plain parameters, and the Secret with its password or key."""

    agent: AgentName
    """The fence agent's program, fence_ipmilan say."""
    parameters: Parameters = {}
    """What the agent is told, as its metadata names it. No secrets: they come from secretRef."""
    secret_ref: Optional[SecretRef] = None
    """The Secret with the device's password. Under the key ssh-privatekey, which Secrets of type kubernetes.io/ssh-auth
    have, stands a private key instead, for an agent that speaks SSH; for fence_virt the key that fence_virtd has."""
    level: Optional[Annotated[int, Field(ge=1, le=9)]] = None
    """Devices of one level must all switch off before the site counts as off, as with two power supplies. The next
    level is tried when one of them fails. For all devices of a site or for none: then each is a level of its own."""


class SiteFencing(Part):
    """How a site is fenced, and how long the other one waits before it does so."""

    devices: Annotated[tuple[Device, ...], Field(max_length=4)] = ()
    """Tried in this order, level by level."""
    ca_ref: Optional[AuthorityRef] = None
    """The authorities whose certificates fence_redfish believes; the system's own where nothing is said."""
    known_hosts_ref: Optional[KnownHostsRef] = None
    """The host keys that agents which speak SSH believe, and no others. Left out: whatever host answers."""
    delay: Optional[Milliseconds] = None
    """The other site waits this long before it fences this one. Unequal waits decide who survives a split: the site
    with the longer one, unless spec.fencing.activeDelay lets the workloads decide. Left out: 10s for the first site, 1s
    for the second."""


class Site(Part):
    """One single-node cluster."""

    name: Label
    """The Pacemaker node name. It cannot be changed later."""
    node_name: Subdomain
    """The Kubernetes node: tells a site which one it is."""
    addresses: Annotated[tuple[LinkAddress, ...], Field(min_length=1, max_length=MOST_LINKS)]
    """One address per link, IPv4 or IPv6, in the same order on both sites."""
    fencing: SiteFencing = SiteFencing()
    """How this site is fenced."""


class Arbitrator(Part):
    """A corosync-qnetd at a third place. It is asked over TLS and in no other way."""

    host: Host
    """Its host name or address, as both sites reach it. Best on a way that is none of the links."""
    port: Annotated[int, Field(ge=1, le=65535)] = 5403
    """TCP port."""
    algorithm: Literal["ffsplit"] = "ffsplit"
    """ffsplit: one vote, for one half of a split."""
    secret_ref: CertificatesRef
    """The Secret by which the pair shows who it is; the same on both sites."""


class Quorum(Part):
    """How many votes a site needs to go on, and whose they are."""

    mode: Literal["TwoNode", "Arbitrator"] = "TwoNode"
    """TwoNode: each site stays quorate alone, and fencing decides. Arbitrator: a site needs the vote of the other one
    or of the arbitrator; without either it stops its workloads and takes over nothing."""
    arbitrator: Optional[Arbitrator] = None
    """Who gives the third vote. Only with mode Arbitrator."""


class PoisonPill(Part):
    """How a site ends itself. With a disk that both sites share: fence_sbd writes there that it shall, its sbd reads it
    and does. Without one: its hardware watchdog ends it when it loses quorum, and fence_quorum waits for that."""

    claim: Optional[Subdomain] = None
    """The PersistentVolumeClaim of that disk in the pair's own namespace, of volumeMode Block. Left out: no disk."""
    watchdog: DevicePath = "/dev/watchdog"
    """The hardware watchdog of each site."""
    watchdog_resource: Optional[ResourceName] = None
    """The resource by which a device plugin hands the watchdog to the sbd container. Left out: the device is mounted,
    which a container runtime permits only if it is told to."""


class FencingPolicy(Part):
    """Whether a lost site is fenced before its workloads start elsewhere."""

    mode: Literal["Required", "Disabled"] = "Required"
    """Disabled gives up the promise that a workload runs at most once; it is for laboratories."""
    active_delay: Optional[Milliseconds] = None
    """The other site waits this much longer before it fences the site that runs more of the workloads (by number), so
    that a split costs no move. Left out: only fencing.delay of the sites counts."""
    drill_every: Milliseconds = 90 * 24 * 3_600_000
    """How often somebody should see the fencing work, with `snopair drill --fence`; an alert tells when it is due."""
    poison_pill: Optional[PoisonPill] = None
    """By which fence_sbd and fence_quorum work; nothing else needs it."""


class Failover(Part):
    """Who decides that a lost site is taken over."""

    mode: Literal["Automatic", "Confirm"] = "Automatic"
    """Automatic: the survivor fences the lost site and takes over. Confirm: it does neither until a person has made
    sure that the site is off, and says so with `snopair confirm`."""


class Corosync(Part):
    """Settings of the membership."""

    token: Token = 3000
    """This long without a sign of life, and a site counts as lost: 500ms to 300s."""


class Endpoint(Part):
    """Where the peer pod finds the API of its own site."""

    host: Text = "127.0.0.1"
    """Host name or address."""
    port: Annotated[int, Field(ge=1, le=65535)] = 6443
    """TCP port."""


class Peer(Part):
    """The peer pod: its image, and the local API it talks to."""

    image: Text = "ghcr.io/snopair/peer:0.1.0"
    """The image of all its containers."""
    api: Endpoint = Endpoint()
    """Where it finds the API of its own site."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 9641
    """TCP port of the node on which it serves Prometheus metrics; 0 serves none."""


class Replicas(Part):
    """Replicas where the workload does not run (`min`) and where it does (`max`)."""

    min: Annotated[int, Field(ge=0, le=100_000)] = 0
    """On the passive site."""
    max: Annotated[int, Field(ge=1, le=100_000)] = 1
    """On the active site."""


OthersNamed = Annotated[tuple[Subdomain, ...], Field(max_length=8)]


class Workload(Part):
    """A Deployment or StatefulSet that runs on one site at a time."""

    name: Subdomain
    """The object's name, unique in the pair."""
    kind: Literal["Deployment", "StatefulSet"] = "Deployment"
    """The object's kind."""
    namespace: Label = "default"
    """The object's namespace."""
    replicas: Replicas = Replicas()
    """How many replicas run where."""
    preferred_site: Optional[Label] = None
    """Where it runs when both sites can."""
    # Manual, because a move costs an interruption: a site that comes back is no reason to have one more of them.
    failback: Literal["Automatic", "Manual"] = "Manual"
    """Whether it moves back by itself when its preferred site returns."""
    gate: bool = True
    """Whether its pods wait for a permit. Without the gate it can run twice."""
    after: OthersNamed = ()
    """Workloads that start before it and stop after it. They stand above it in the list, so there is no circle."""
    together: OthersNamed = ()
    """Workloads that must run on the same site. They, too, stand above it in the list."""
    # The stop of the workload waits for it.
    termination_grace: Milliseconds = 30_000
    """How long its pods may take to end."""


class Spec(Part):
    """What a person asks for. Both sites hold the same text."""

    # More than two are let through to the sentence that refuses them.
    sites: Annotated[tuple[Site, ...], Field(max_length=4)]
    """Exactly two."""
    quorum: Quorum = Quorum()
    """Who may go on when the sites do not see each other."""
    fencing: FencingPolicy = FencingPolicy()
    """Whether a lost site is fenced."""
    failover: Failover = Failover()
    """Who decides that a lost site is taken over."""
    corosync: Corosync = Corosync()
    """Settings of the membership."""
    peer: Peer = Peer()
    """The peer pod."""
    secret_ref: PairSecretRef = PairSecretRef(name="pair-key")
    """The Secret with the pair's own keys."""
    workloads: Annotated[tuple[Workload, ...], Field(max_length=MOST_WORKLOADS)] = ()
    """What the pair keeps running on one site at a time."""

    def fence_delays(self) -> tuple[int, ...]:
        """Milliseconds before each site is fenced, in the order of the sites."""
        return tuple(
            default if site.fencing.delay is None else site.fencing.delay
            for site, default in zip(self.sites, DELAYS)
        )

    def favoured(self) -> Site:
        """Who survives a split by the sites' own delays: the one that is fenced later, the first one of equals. With
        fencing.active_delay that holds only where both run as many workloads: else the site that runs more survives."""
        one, other = self.fence_delays()
        return self.sites[1 if other > one else 0]

    def site(self, name: str) -> Site:
        """The site of that name; StopIteration for another."""
        return next(site for site in self.sites if site.name == name)

    def other(self, name: str) -> Site:
        """The site that is not `name`."""
        one, two = self.sites
        return two if one.name == name else one


class Metadata(BaseModel):
    """The two names of the object's metadata that are read; Kubernetes fills in many more."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Label = "pair"
    namespace: Label = "aos-sno-pair"


class SNOPair(BaseModel):
    """The whole resource. What the API server adds beside `spec` (`status`, say) is not ours to judge."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    api_version: Literal["snopair.dev/v1alpha1"] = "snopair.dev/v1alpha1"
    kind: Literal["SNOPair"] = "SNOPair"
    metadata: Metadata = Metadata()
    spec: Spec
