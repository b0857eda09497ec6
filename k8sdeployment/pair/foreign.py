"""What a person configured in Pacemaker beside the pair's part: told in the status, and left as it is."""

from collections.abc import Iterator

from k8sdeployment.pair.cib import APPLIED, PROPERTIES, ROLL, WHOLE, Element, by_id, part, section
from k8sdeployment.pair.merge import ids

# What Pacemaker and its tools write by themselves, and what the status shows elsewhere.
_HOUSEKEEPING = {"have-watchdog", "dc-version", "cluster-infrastructure", "cluster-name", "last-lrm-refresh",
                 "maintenance-mode", APPLIED, ROLL}


def foreign(running: Element, wanted: Element) -> list[str]:
    """A sentence for everything in the running CIB that is not the pair's."""
    mine = ids(wanted)
    return [*_foreign_properties(running, wanted), *_foreign_meta(running, wanted),
            *(f"resource {found.get('id')} is not of this pair" for found in part(running, "configuration/resources")
              if found.get("id") not in mine),
            *(f"{sort} {found.get('id')} ({_words(found)}) is not of this pair"
              for name, sort in WHOLE.items() for found in section(running, name)
              if found.get("id") not in mine)]


def _foreign_properties(running: Element, wanted: Element) -> Iterator[str]:
    ours = {found.get("name") for found in wanted.iterfind(f"configuration/{PROPERTIES}/nvpair")} | _HOUSEKEEPING
    for found in running.iterfind(f"configuration/{PROPERTIES}/nvpair"):
        if found.get("name") not in ours:
            yield f"property {found.get('name')}={found.get('value')} is set beside this pair's"


def _foreign_meta(running: Element, wanted: Element) -> Iterator[str]:
    for ours in wanted.iterfind("configuration/resources/primitive"):
        theirs = by_id(part(running, "configuration/resources"), str(ours.get("id")))
        if theirs is not None:
            known = {found.get("name") for found in ours.iterfind("meta_attributes/nvpair")}
            for found in theirs.iterfind("meta_attributes/nvpair"):
                if found.get("name") not in known:
                    yield f"{ours.get('id')} has {found.get('name')}={found.get('value')} beside this pair's settings"


def _words(element: Element) -> str:
    """An element's own attributes, for a sentence."""
    said = {name: value for found in element.iter() for name, value in found.attrib.items() if name != "id"}
    return " ".join(f"{name}={value}" for name, value in said.items())[:200]
