"""What the conductor of a site tells the other one, as the value of one node attribute in the cluster.

The cluster's membership is the only channel between the sites, so neither needs credentials for the other. The
attribute is transient: it goes with the site, and what stands there was said since the site joined. Whoever reads it
must not trust that it was written by this version.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from k8sdeployment.pair import guard

if TYPE_CHECKING:  # whoever only reads what a site tells (snopair status) need not load the model
    from k8sdeployment.pair.model import Spec

# crm_mon shows no attribute whose name begins with '#'.
ATTRIBUTE = "#snopair"
# More than any site says: 32 workloads with large templates. A bound, for what is read came over a network.
_MOST = 4 * 1024 * 1024


@dataclass(frozen=True)
class Proof:
    """A fence device's last answer: whether it told its target's power, when (epoch seconds), and else why not.

    `note`: what a person should know although it is good.
    """

    good: bool
    when: int
    why: str = ""
    note: str = ""


@dataclass(frozen=True)
class Told:
    """A workload as one site sees its own half of it; `template` is the digest of its pod template."""

    ready: bool
    reason: str = ""
    template: str = ""


@dataclass(frozen=True)
class Facts:
    """`spec`: the site's whole SNOPair as JSON, with defaults. `proofs`: by the device's name in Pacemaker. `edition`:
    of the configuration that its conductor makes of a CR, 0 where it does not say. `pill`: the shared disk by
    which this site would hear a poison pill, guard.ARMED where its watchdog ends it without one, "" for neither."""

    version: str
    edition: int = 0
    image: str = ""
    generation: int = 0
    spec: Mapping[str, Any] = field(default_factory=dict)
    workloads: Mapping[str, Told] = field(default_factory=dict)
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    pill: str = ""


def on_one_disk(one: Facts, other: Facts) -> bool:
    """Whether both sites would hear a poison pill that either writes."""
    return one.pill not in ("", guard.ARMED) and one.pill == other.pill


def guarded(*sites: Facts) -> bool:
    """Whether each of these is ended by its watchdog when it loses quorum."""
    return all(one.pill == guard.ARMED for one in sites)


def canonical(spec: Spec) -> dict[str, Any]:
    """A spec as the same JSON on both sites, whatever order and defaults it was written with."""
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def encode(facts: Facts) -> str:
    """Text for an attribute's value."""
    text = json.dumps(asdict(facts), sort_keys=True, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def decode(text: str) -> Optional[Facts]:
    """None for anything that is not what `encode` makes, whichever version made it."""
    try:
        plain = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), _MOST)
        found = json.loads(plain)
        return Facts(
            version=str(found["version"]), edition=int(found.get("edition", 0)), image=str(found.get("image", "")),
            generation=int(found.get("generation", 0)), spec=dict(found.get("spec", {})),
            workloads={name: Told(bool(one["ready"]), str(one.get("reason", "")), str(one.get("template", "")))
                       for name, one in found.get("workloads", {}).items()},
            proofs={name: Proof(bool(one["good"]), int(one["when"]), str(one.get("why", "")),
                                str(one.get("note", "")))
                    for name, one in found.get("proofs", {}).items()},
            pill=str(found.get("pill", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error):
        return None


def differing(mine: Any, theirs: Any, path: str = "spec") -> Iterator[tuple[str, str, str]]:
    """Every field in which two specs differ, with both values; what has a name is compared by it."""
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        for name in sorted({*mine, *theirs}):
            yield from differing(mine.get(name), theirs.get(name), f"{path}.{name}")
    elif _named(mine) and _named(theirs):
        ours, others = ({one["name"]: one for one in side} for side in (mine, theirs))
        for name in sorted({*ours, *others}):
            yield from differing(ours.get(name), others.get(name), f"{path}[{name}]")
        if list(ours) != list(others) and set(ours) == set(others):
            yield f"the order of {path}", ", ".join(ours), ", ".join(others)
    elif mine != theirs:
        yield path, _shown(mine), _shown(theirs)


def _named(side: Any) -> bool:
    return isinstance(side, list) and all(isinstance(one, Mapping) and "name" in one for one in side)


def _shown(value: Any) -> str:
    if value is None:
        return "not there"
    return "there" if isinstance(value, Mapping) else json.dumps(value)
