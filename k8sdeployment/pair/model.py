"""The SNOPair resource: the one declaration of what a pair is, with every default and every rule about one value.

Rules that hold between values (two sites that share an address, say) stand in `rules.py`; `cr.py` reads the text.
"""

from typing import Annotated, Literal, Optional

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from k8sdeployment.pair.values import Label, LinkAddress, Milliseconds, Subdomain, Text, plain_parameters


class Part(BaseModel):
    """A part of the CR: immutable, camelCase outside, and no field that nobody reads."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )


class SecretRef(Part):
    """A Secret in the pair's own namespace, and the key in it that holds the value."""

    name: Subdomain
    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$")] = "password"


class Device(Part):
    """One way to take a site's power: a fence agent, its plain parameters, and the Secret with its password."""

    agent: Annotated[str, Field(pattern=r"^fence_[a-z0-9_]+$")]
    parameters: dict[str, Text] = {}
    secret_ref: Optional[SecretRef] = None

    @field_validator("parameters")
    @classmethod
    def _plain(cls, parameters: dict[str, str]) -> dict[str, str]:
        return plain_parameters(parameters)


class SiteFencing(Part):
    """How this site is fenced, and how long (milliseconds) the other one waits before it does so.

    Unequal waits decide who survives a split; left out, the site that stands first does.
    """

    devices: tuple[Device, ...] = ()
    delay: Optional[Milliseconds] = None


class Site(Part):
    """One single-node cluster. `addresses` holds one address per link, in the same order on both sites."""

    name: Label
    node_name: Subdomain
    addresses: Annotated[tuple[LinkAddress, ...], Field(min_length=1, max_length=8)]
    fencing: SiteFencing = SiteFencing()


class Quorum(Part):
    """Two votes and no third party. An arbitrator is not built yet, so no other mode is accepted."""

    mode: Literal["TwoNode"] = "TwoNode"


class FencingPolicy(Part):
    """`Disabled` gives up the promise that a workload runs at most once; it is for laboratories."""

    mode: Literal["Required", "Disabled"] = "Required"


class Corosync(Part):
    """`token`: milliseconds without a sign of life after which a site counts as lost."""

    token: Annotated[Milliseconds, Field(ge=500, le=300_000)] = 3000


class Endpoint(Part):
    """Where the peer pod finds the API of its own site."""

    host: Text = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 6443


class Peer(Part):
    """The peer pod: its image, and the local API it talks to."""

    image: Text = "ghcr.io/snopair/peer:0.1.0"
    api: Endpoint = Endpoint()


class Replicas(Part):
    """Replicas where the workload does not run (`min`) and where it does (`max`)."""

    min: Annotated[int, Field(ge=0)] = 0
    max: Annotated[int, Field(ge=1)] = 1


class Workload(Part):
    """A Deployment or StatefulSet that runs on one site at a time."""

    name: Subdomain
    kind: Literal["Deployment", "StatefulSet"] = "Deployment"
    namespace: Label = "default"
    replicas: Replicas = Replicas()
    preferred_site: Optional[str] = None
    # Manual, because a move costs an interruption: a site that comes back is no reason to have one more of them.
    failback: Literal["Automatic", "Manual"] = "Manual"
    gate: bool = True
    # How long its pods may take to end: the stop of the workload waits for it.
    termination_grace: Milliseconds = 30_000


class Spec(Part):
    """What a person asks for. Both sites hold the same text."""

    sites: tuple[Site, ...]
    quorum: Quorum = Quorum()
    fencing: FencingPolicy = FencingPolicy()
    corosync: Corosync = Corosync()
    peer: Peer = Peer()
    secret_ref: SecretRef = SecretRef(name="pair-key", key="authkey")
    workloads: tuple[Workload, ...] = ()

    def fence_delays(self) -> tuple[int, ...]:
        """Milliseconds before each site is fenced, in the order of the sites."""
        return tuple(
            default if site.fencing.delay is None else site.fencing.delay
            for site, default in zip(self.sites, (10_000, 1_000))
        )

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
