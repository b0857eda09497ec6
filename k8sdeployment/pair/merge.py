"""From the wanted configuration and the running one to the next one: what is the pair's is set, all else is kept.

`wanted` is a CIB that pcs made from nothing but the CR, so everything in it is the pair's. What a person configured
beside it (a constraint, a resource, a meta attribute such as `target-role`) stays as it is and is told as foreign.
What the pair made earlier and wants no more is known from the record that it keeps in the CIB itself, so that either
site can go on where the other one stopped.
"""

import copy
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass

from k8sdeployment.pair.cib import (
    APPLIED, PROPERTIES, WHOLE, Element, Record, by_id, difference, made, pairs, part, put, record, section, update)


@dataclass(frozen=True)
class Outcome:
    """The next CIB, and one sentence for each change."""

    cib: Element
    changes: tuple[str, ...]


def bare(cib: Element) -> Element:
    """The running CIB without anything configured and without status: what pcs makes the wanted one of."""
    empty = copy.deepcopy(cib)
    configuration = part(empty, "configuration")
    for child in list(configuration):
        if child.tag in ("crm_config", "resources", "constraints"):
            for old in list(child):
                child.remove(old)
        elif child.tag != "nodes":
            configuration.remove(child)
    for status in empty.findall("status"):
        empty.remove(status)
    return empty


def merge(running: Element, wanted: Element, digest: str) -> Outcome:
    """The running CIB with the pair's part as it is wanted; `digest` stands for the CR that `wanted` was made of."""
    cib, before = copy.deepcopy(running), record(running)
    changes = [*_set(cib, wanted, PROPERTIES, "property "),
               *_set(cib, wanted, "rsc_defaults/meta_attributes", "default "),
               *_resources(cib, wanted), *_elements(cib, wanted)]
    now = Record(digest, tuple(sorted(ids(wanted))), tuple(sorted(_values(wanted))))
    changes += _drop(cib, set(before.ids) - set(now.ids))
    changes += _unset(cib, set(before.values) - set(now.values))
    if changes or before != now:
        put(pairs(cib, PROPERTIES, wanted), APPLIED, json.dumps(asdict(now)))
    return Outcome(cib, tuple(changes))


# -- the parts ------------------------------------------------------------------------------------------------------

def _set(cib: Element, wanted: Element, path: str, prefix: str) -> Iterator[str]:
    yield from update(pairs(cib, path, wanted), wanted.iterfind(f"configuration/{path}/nvpair"), prefix)


def _resources(cib: Element, wanted: Element) -> Iterator[str]:
    resources = part(cib, "configuration/resources")
    for ours in wanted.iterfind("configuration/resources/primitive"):
        name = str(ours.get("id"))
        theirs = by_id(resources, name)
        if theirs is None or theirs.tag != "primitive":
            if theirs is not None:
                resources.remove(theirs)
            resources.append(copy.deepcopy(ours))
            yield f"{name} was made"
        else:
            yield from _resource(theirs, ours, name)


def _resource(theirs: Element, ours: Element, name: str) -> Iterator[str]:
    """Parameters and operations are the pair's as a whole; of the meta attributes only those that it sets."""
    if theirs.attrib != ours.attrib:
        theirs.attrib.clear()
        theirs.attrib.update(ours.attrib)
        yield f"{name} is {ours.get('provider') or ours.get('class')}:{ours.get('type')} now"
    for tag, word in (("instance_attributes", "parameters"), ("operations", "operations")):
        old, new = theirs.find(tag), ours.find(tag)
        changed = difference(old, new)
        if changed:
            if old is not None:
                theirs.remove(old)
            if new is not None:
                # Pacemaker's schema knows no order among a resource's parts.
                theirs.append(copy.deepcopy(new))
            yield f"{word} of {name}: {changed}"
    pairs = list(ours.iterfind("meta_attributes/nvpair"))
    if pairs:
        meta = theirs.find("meta_attributes")
        if meta is None:
            meta = ElementTree.SubElement(theirs, "meta_attributes", {"id": f"{name}-meta_attributes"})
        yield from update(meta, iter(pairs), f"{name}: ")


def _elements(cib: Element, wanted: Element) -> Iterator[str]:
    for name, sort in WHOLE.items():
        for ours in section(wanted, name):
            parent = made(part(cib, "configuration"), name)
            theirs = by_id(parent, str(ours.get("id")))
            if theirs is not None and not difference(theirs, ours):
                continue
            if theirs is not None:
                parent.remove(theirs)
            parent.append(copy.deepcopy(ours))
            yield f"{sort} {ours.get('id')} was {'made' if theirs is None else 'set again'}"


def _drop(cib: Element, old: Collection[str]) -> Iterator[str]:
    """Take away what was the pair's. A resource that runs goes on: stop-orphan-resources is off."""
    for name in (*WHOLE, "resources"):
        for found in section(cib, name):
            if found.get("id") in old:
                part(cib, f"configuration/{name}").remove(found)
                yield f"{found.get('id')} was taken away"


def _unset(cib: Element, old: Collection[str]) -> Iterator[str]:
    """Take away single values that were the pair's, out of what stays."""
    for prefix, group in _groups(cib):
        for found in group.findall("nvpair"):
            if f"{prefix}{found.get('name')}" in old:
                group.remove(found)
                yield f"{prefix}{found.get('name')} was taken away"


def _values(wanted: Element) -> set[str]:
    """The values that are the pair's, named as the sentences about them begin."""
    return {f"{prefix}{one.get('name')}" for prefix, group in _groups(wanted) for one in group.iterfind("nvpair")}


def _groups(cib: Element) -> Iterator[tuple[str, Element]]:
    """The name-value pairs of which some may be the pair's and others a person's, with what begins their names."""
    for group in cib.iterfind(f"configuration/{PROPERTIES}"):
        yield "property ", group
    for group in cib.iterfind("configuration/rsc_defaults/meta_attributes"):
        yield "default ", group
    for resource in cib.iterfind("configuration/resources/primitive"):
        for group in resource.iterfind("meta_attributes"):
            yield f"{resource.get('id')}: ", group


def ids(wanted: Element) -> set[str]:
    """The ids of all elements that are the pair's."""
    return {str(found.get("id")) for name in ("resources", *WHOLE) for found in section(wanted, name)}
