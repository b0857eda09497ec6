"""Reading and editing Pacemaker's CIB as an element tree: sections, name-value pairs, and what stands in its status."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Optional

Element = ElementTree.Element

# Cluster properties of the pair's own: unknown to Pacemaker, which keeps them and tells both sites.
APPLIED, ROLL = "snopair-applied", "snopair-roll"
PROPERTIES = "crm_config/cluster_property_set"
# Whole elements of the configuration, by their parent.
WHOLE = {"constraints": "constraint", "fencing-topology": "level", "alerts": "alert"}
_DEGRADED = "190"


@dataclass(frozen=True)
class Record:
    """What the pair made last: the digest of the CR that it came from, the ids of its elements, and which values it set
    in what may hold a person's own, too."""

    digest: str = ""
    ids: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


def record(cib: Element) -> Record:
    """The record in a CIB; an empty one where there is none."""
    try:
        found = json.loads(property_value(cib, APPLIED) or "{}")
        ids, values = (tuple(map(str, found.get(name, ()))) for name in ("ids", "values"))
        return Record(str(found.get("digest", "")), ids, values)
    except (ValueError, AttributeError, TypeError):
        return Record()


def property_value(cib: Element, name: str) -> Optional[str]:
    """A cluster property's value; None where it is not set."""
    for found in cib.iterfind(f"configuration/{PROPERTIES}/nvpair"):
        if found.get("name") == name:
            return found.get("value")
    return None


def devices(cib: Element) -> list[str]:
    """The names of the fence devices in the configuration."""
    return [str(one.get("id")) for one in cib.iterfind("configuration/resources//primitive[@class='stonith']")]


# -- the status section ---------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Operation:
    """The last result of one operation of a resource on one node; `when` in epoch seconds, 0 where it is not said."""

    resource: str
    node: str
    task: str
    interval: int
    code: str
    when: int
    failure: bool


def attribute(cib: Element, node: str, name: str) -> Optional[str]:
    """A transient node attribute; None where it is not set."""
    path = f"status/node_state[@uname='{node}']/transient_attributes/instance_attributes/nvpair[@name='{name}']"
    found = cib.find(path)
    return None if found is None else found.get("value")


def operations(cib: Element) -> list[Operation]:
    """Every result that the nodes' executors reported."""
    return [_operation(op, str(resource.get("id")), str(state.get("uname")))
            for state in cib.iterfind("status/node_state")
            for resource in state.iterfind("lrm/lrm_resources/lrm_resource")
            for op in resource.iterfind("lrm_rsc_op")]


def _operation(op: Element, resource: str, node: str) -> Operation:
    return Operation(resource, node, op.get("operation", ""), int(op.get("interval", "0")), op.get("rc-code", ""),
                     int(op.get("last-rc-change") or 0), "last_failure" in op.get("id", ""))


def known(cib: Element, node: str) -> set[str]:
    """The resources of which a node's executor has told anything: those that were probed there at least."""
    return {found.resource for found in operations(cib) if found.node == node}


def overcome(cib: Element, proven: Mapping[str, int]) -> list[Operation]:
    """Results that Pacemaker would show for ever, or wait long to try again, though they are past: degraded ones (190)
    after which the same operation went well, and failures of a fence device that answered since or is in the
    configuration no more. `proven`: when a device answered last (epoch seconds), by its name in Pacemaker."""
    found, removed = operations(cib), _removed_devices(cib)
    well = {(one.resource, one.node, one.task, one.interval): one.when for one in found
            if not one.failure and one.code == "0"}
    return [one for one in found if one.failure and (one.resource in removed or (
        proven[one.resource] > one.when if one.resource in proven else
        one.code == _DEGRADED and well.get((one.resource, one.node, one.task, one.interval), -1) > one.when))]


def _removed_devices(cib: Element) -> set[str]:
    """Fence devices of which an executor has told something, and which are not configured. Such as one that was tried
    on a peer which, renewed, had no disk for it any more."""
    told = {str(one.get("id")) for one in cib.iterfind("status/node_state/lrm/lrm_resources/lrm_resource")
            if one.get("class") == "stonith"}
    return told - {str(one.get("id")) for one in cib.iterfind("configuration/resources//primitive")}


# -- editing --------------------------------------------------------------------------------------------------------

def section(cib: Element, name: str) -> list[Element]:
    """The elements of a section of the configuration; none where there is no such section."""
    found = cib.find(f"configuration/{name}")
    return [] if found is None else list(found)


def part(cib: Element, path: str) -> Element:
    """The element at a path that every CIB has; ValueError where it has not."""
    found = cib.find(path)
    if found is None:
        raise ValueError(f"the CIB has no {path}")
    return found


def by_id(parent: Element, name: str) -> Optional[Element]:
    """A child by its id."""
    return next((found for found in parent if found.get("id") == name), None)


def made(parent: Element, tag: str) -> Element:
    """A child by its tag, made where it is missing."""
    found = parent.find(tag)
    return ElementTree.SubElement(parent, tag) if found is None else found


def pairs(cib: Element, path: str, wanted: Element) -> Element:
    """The same set of name-value pairs as in the wanted CIB, by its id; made where it is missing."""
    name, tag = path.split("/")
    parent = made(part(cib, "configuration"), name)
    identity = str(part(wanted, f"configuration/{path}").get("id"))
    found = by_id(parent, identity)
    return ElementTree.SubElement(parent, tag, {"id": identity}) if found is None else found


def update(target: Element, wanted: Iterator[Element], prefix: str) -> Iterator[str]:
    """Set name-value pairs; a sentence for each that changed."""
    for ours in wanted:
        name, value = str(ours.get("name")), str(ours.get("value"))
        before = next((found.get("value") for found in target if found.get("name") == name), None)
        if before != value:
            put(target, name, value)
            yield f"{prefix}{name} is {value}" + (f", it was {before}" if before is not None else "")


def put(target: Element, name: str, value: str) -> None:
    """Set one name-value pair."""
    for found in target:
        if found.get("name") == name:
            found.set("value", value)
            return
    ElementTree.SubElement(target, "nvpair", {"id": f"{target.get('id')}-{name}", "name": name, "value": value})


def difference(theirs: Optional[Element], ours: Optional[Element]) -> str:
    """What differs between two elements, in words, whatever ids and order their parts have; "" when nothing does."""
    old, new = _flat(theirs), _flat(ours)
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    # What came or went as a whole is said without its parts.
    parts = {name for name in names for whole in names if name.startswith(f"{whole} ")}
    return ", ".join(f"{name} is {new.get(name, 'not set')}, it was {old.get(name, 'not set')}"
                     for name in names if name not in parts)


# What tells the operations of a resource apart.
_TITLE = ("name", "interval", "role")


def _flat(element: Optional[Element]) -> dict[str, str]:
    if element is None:
        return {}
    found = {name: value for name, value in element.attrib.items() if name != "id"}
    for child in element:
        if child.tag == "nvpair":
            found[str(child.get("name"))] = str(child.get("value"))
            continue
        title = " ".join(str(child.get(name)) for name in _TITLE if child.get(name))
        inner = {name: value for name, value in _flat(child).items() if not title or name not in _TITLE}
        found |= {title or child.tag: "set", **{f"{title or child.tag} {name}": value for name, value in inner.items()}}
    return found
