"""What a SNOPair's status holds: the view of one site, written there by the programs of that site.

Open to more: what a newer version writes must not break an older one that reads it.
"""

from datetime import datetime
from typing import Annotated, Literal, Optional

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

CONDITIONS = {
    "Available": "every workload runs on one of the sites",
    "PeerOnline": "the two sites are full members of one quorate cluster",
    "FencingProven": "every fence device of the other site answered its last proof, and none has lied",
    "TakeoverReady": "the passive site of each workload could take it now",
    "PeerInSync": "both sites hold the same SNOPair and the same pod templates",
    "Degraded": "something is broken that a person should look at",
}

Short = Annotated[str, Field(max_length=253)]
Sentence = Annotated[str, Field(max_length=4096)]


class Seen(BaseModel):
    """A part of the status."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True,
                              use_attribute_docstrings=True)


class Condition(Seen):
    """One statement about the pair, as Kubernetes writes them."""

    type: Annotated[str, Field(min_length=1, max_length=253)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(min_length=1, max_length=253)]
    """One word for programs."""
    message: Sentence = ""
    """The sentence an operator needs."""
    last_transition_time: datetime
    """When the status last changed."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation of the spec it speaks of."""


class LocalWorkload(Seen):
    """A workload as this site's own API shows it. The operator writes it; the conductor tells it to the other site."""

    name: Short
    ready: bool
    """Whether this site could run it now."""
    reason: Sentence = ""
    """Why not, in the sentence that an operator needs."""
    template: Annotated[str, Field(max_length=65536)] = ""
    """A digest of its pod template, by which the sites compare theirs; see `parity`. No value can be read from it."""
    checked: datetime
    """When it was looked at."""


class SiteSeen(Seen):
    """One of the two sites as the cluster sees it."""

    name: Short
    state: Literal["online", "standby", "maintenance", "joining", "offline", "unclean"]
    """unclean: lost, and not yet fenced."""
    version: Short = ""
    """Version of its programs, by its own word; empty while it is away."""
    image: Short = ""
    """Image of its peer pod."""


class Takeover(Seen):
    """Whether the other site can take the workload now."""

    ready: bool
    reason: Sentence = ""
    """Why not."""


class WorkloadSeen(Seen):
    """Where a workload is, since when and why."""

    name: Short
    site: Short = ""
    """Where it runs; empty while it is nowhere, moving, or unknown."""
    since: Optional[datetime] = None
    """When it became available there."""
    reason: Sentence = ""
    """Why it runs there, or why nowhere."""
    takeover: Optional[Takeover] = None


Seconds = Annotated[float, Field(ge=0)]


class Recovery(Seen):
    """One failover. Seconds count from the moment the loss was detected."""

    workload: Short
    origin: Short
    """The site that was lost."""
    target: Short
    """The site that took over."""
    detected: datetime
    """When the loss was seen."""
    # Longer than a name: four devices of one level have four.
    fenced_by: Sentence = ""
    """What fenced the lost site: the device, or all devices of a level; `a person` whose word it was; empty when
    nothing had to."""
    fenced_seconds: Optional[Seconds] = None
    started_seconds: Optional[Seconds] = None
    """When its start began."""
    available_seconds: Optional[Seconds] = None
    """When it was available again."""


class Drill(Seen):
    """A rehearsal: the other site was fenced on purpose. Seconds count from the order to fence it."""

    ended: datetime
    """When it was over."""
    target: Short
    """The site that was fenced."""
    good: bool
    """Whether everything that was rehearsed went as it should."""
    message: Sentence = ""
    """What went wrong; else what was seen."""
    fenced_seconds: Optional[Seconds] = None
    """When the device had confirmed it."""
    available_seconds: Optional[Seconds] = None
    """When every workload that ran there was available here; none when none did."""
    returned_seconds: Optional[Seconds] = None
    """When the site was a full member again."""


class Status(Seen):
    """What the programs of this site see. The other site's copy of the resource holds its own view."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation of the spec that was read last."""
    site: Short = ""
    """The site whose view this is."""
    version: Short = ""
    """Version of the programs that write this."""
    waiting_for: Sentence = ""
    """What the operator waits for; empty when for nothing."""
    written: Optional[datetime] = None
    """When the conductor last looked at the cluster."""
    protection: Literal["", "on", "off"] = ""
    """off: nobody takes over now; `maintenance` says why."""
    maintenance: Sentence = ""
    """Why the cluster leaves the workloads alone; empty when it does not."""
    released: bool = False
    """The resource is being deleted, and the workloads no longer depend on the peer, which may go."""
    foreign: Annotated[tuple[Sentence, ...], Field(max_length=32)] = ()
    """What somebody set in Pacemaker beside or against this resource."""
    sites: Annotated[tuple[SiteSeen, ...], Field(max_length=4)] = ()
    local: Annotated[tuple[LocalWorkload, ...], Field(max_length=64)] = ()
    """This site's own view of each workload."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = ()
    workloads: Annotated[tuple[WorkloadSeen, ...], Field(max_length=64)] = ()
    recoveries: Annotated[tuple[Recovery, ...], Field(max_length=32)] = ()
    """The last failovers, newest first."""
    drill: Optional[Drill] = None
    """The last time that somebody fenced the other site from here, to see that it works."""
    drill_overdue: bool = False
    """It is longer ago than spec.fencing.drillEvery, or was never done."""
