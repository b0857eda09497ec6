"""What one site's cluster says about the pair: the XML of crm_mon and the links of corosync-cfgtool as values."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

LINKS = ("corosync-cfgtool", "-s")
_LINK = re.compile(r"^LINK ID (\d+)")
_PEER = re.compile(r"nodeid:\s+\d+:\s+(\w+)")
CRM_MON = ("crm_mon", "--one-shot", "--output-as=xml", "--fence-history=3")


@dataclass(frozen=True)
class Node:
    """A site as Pacemaker sees it. `clean`: its state is known, so nothing has to be fenced before going on."""

    name: str
    online: bool
    clean: bool
    standby: bool
    maintenance: bool
    pending: bool


@dataclass(frozen=True)
class Resource:
    """A resource and the nodes it runs on, or may run on as far as Pacemaker knows. `orphaned`: configured no more."""

    name: str
    role: str
    nodes: tuple[str, ...]
    failed: bool
    blocked: bool
    managed: bool = True
    orphaned: bool = False


@dataclass(frozen=True)
class Fence:
    """One entry of the fence history; `completed` is crm_mon's text, empty while it runs."""

    target: str
    action: str
    status: str
    completed: str


@dataclass(frozen=True)
class PairStatus:
    """The view of the site that was asked; in a split both sites have one. `dc`: the site that decides; "" for none."""

    quorate: bool
    dc: str
    maintenance: bool
    nodes: Mapping[str, Node]
    resources: Mapping[str, Resource]
    failures: tuple[str, ...]
    fences: tuple[Fence, ...]

    def all_online(self) -> bool:
        """Both sites are full members of one quorate pair."""
        ready = (node.online and node.clean and not node.pending for node in self.nodes.values())
        return self.quorate and len(self.nodes) == 2 and all(ready)

    def where(self, resource: str) -> Optional[str]:
        """The site on which the resource is started; None while it is nowhere, moving, or unknown.

        Of a site that was lost Pacemaker tells what it knew last until that site is fenced. It may run there or not.
        """
        found = self.resources.get(resource)
        if found is None or found.role != "Started" or len(found.nodes) != 1:
            return None
        node = self.nodes.get(found.nodes[0])
        return node.name if node is not None and node.online and node.clean else None


def parse(xml: str) -> PairStatus:
    """The status in the output of `CRM_MON`; ElementTree.ParseError when it is not XML."""
    root = ElementTree.fromstring(xml)
    current, options = root.find("summary/current_dc"), root.find("summary/cluster_options")
    return PairStatus(
        quorate=current is not None and _true(current, "with_quorum"),
        dc=current.get("name", "") if current is not None else "",
        maintenance=options is not None and _true(options, "maintenance-mode"),
        nodes={node.name: node for node in map(_node, root.iterfind("nodes/node"))},
        resources={found.name: found for found in map(_resource, root.iterfind("resources//resource"))},
        failures=tuple(map(_failure, root.iterfind("failures/failure"))),
        fences=tuple(map(_fence, root.iterfind("fence_history/fence_event"))),
    )


def _true(element: ElementTree.Element, name: str) -> bool:
    return element.get(name) == "true"


def _node(element: ElementTree.Element) -> Node:
    return Node(
        name=element.get("name", ""),
        online=_true(element, "online"),
        clean=not _true(element, "unclean"),
        standby=_true(element, "standby"),
        maintenance=_true(element, "maintenance"),
        pending=_true(element, "pending"),
    )


def _resource(element: ElementTree.Element) -> Resource:
    return Resource(
        name=element.get("id", ""),
        role=element.get("role", ""),
        nodes=tuple(node.get("name", "") for node in element.iterfind("node")),
        failed=_true(element, "failed"),
        blocked=_true(element, "blocked"),
        managed=element.get("managed") != "false",
        orphaned=_true(element, "orphaned"),
    )


def _failure(element: ElementTree.Element) -> str:
    words = (element.get(name, "") for name in ("op_key", "node", "exitstatus", "exitreason"))
    return " ".join(word for word in words if word)


def _fence(element: ElementTree.Element) -> Fence:
    return Fence(*(element.get(name, "") for name in ("target", "action", "status", "completed")))


def links(text: str) -> dict[int, bool]:
    """Whether each link to the other site is connected, by its number from 0, in the output of `LINKS`.

    Empty when Corosync does not tell: then corosync-cfgtool complains on stderr and ends well all the same.
    """
    found: dict[int, bool] = {}
    number = 0
    for line in text.splitlines():
        if (link := _LINK.match(line)) is not None:
            number = int(link[1])
        elif (peer := _PEER.search(line)) is not None and peer[1] != "localhost":
            found[number] = peer[1] == "connected"
    return found
