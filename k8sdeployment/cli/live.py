"""The cluster as this site's Pacemaker tells it now, by its own programs; no API is asked."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from typing import Optional

from k8sdeployment.cli.codes import CannotTell
from k8sdeployment.cli.world import ProgramError, World
from k8sdeployment.pair import facts, roll
from k8sdeployment.pair.cib import ROLL, Element, attribute, operations, property_value, section
from k8sdeployment.pair.status import CRM_MON, PairStatus, parse

# Seconds for a question. Pacemaker answers at once or not at all.
ASK = 4.0
AGENT = "k8sdeployment"


@dataclass(frozen=True)
class Work:
    """A managed workload as the configuration has it. `resource`: its id in Pacemaker; `stay`: its stickiness."""

    name: str
    namespace: str
    kind: str
    resource: str
    prefers: str = ""
    preference: int = 0
    stay: int = 0

    @property
    def whole_name(self) -> str:
        """With its namespace."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Live:
    """One look. `view` and `cib` are None when Pacemaker does not answer, and `trouble` says why."""

    view: Optional[PairStatus] = None
    cib: Optional[Element] = None
    trouble: str = ""
    works: tuple[Work, ...] = field(default=())

    def since(self, resource: str, node: str) -> int:
        """When it was last started there, or first found running, in epoch seconds; 0 for unknown."""
        found = [one.when for one in operations(self.cib) if one.resource == resource and one.node == node
                 and one.code == "0" and not one.failure and (one.task == "start" or one.interval == 0)
                 ] if self.cib is not None else []
        return max(found, default=0)

    def lock(self) -> Optional[roll.Lock]:
        """Who renews or gives up a peer at the moment."""
        return roll.read(property_value(self.cib, ROLL)) if self.cib is not None else None

    def told(self, site: str) -> Optional[facts.Facts]:
        """What a site's conductor tells; None while the site is away."""
        text = attribute(self.cib, site, facts.ATTRIBUTE) if self.cib is not None else None
        return facts.decode(text) if text else None


def ask(world: World) -> Live:
    """What Pacemaker says; a Live without a view when it says nothing."""
    try:
        view = parse(world.run(CRM_MON, ASK, None))
        cib = ElementTree.fromstring(world.run(("cibadmin", "--query"), ASK, None))
    except ProgramError as error:
        return Live(trouble=_reason(error))
    except ElementTree.ParseError as error:
        return Live(trouble=f"Pacemaker's answer cannot be read: {error}")
    if not view.nodes:
        return Live(trouble="Pacemaker knows no sites yet")
    return Live(view, cib, works=tuple(works(cib)))


def insist(world: World) -> Live:
    """The same; CannotTell when Pacemaker does not answer."""
    found = ask(world)
    if found.view is None:
        raise CannotTell(f"Pacemaker does not answer on this site: {found.trouble}")
    return found


def works(cib: Element) -> list[Work]:
    """Every workload in the configuration, in its order."""
    return [_work(cib, found) for found in section(cib, "resources")
            if found.tag == "primitive" and found.get("type") == AGENT]


def _work(cib: Element, primitive: Element) -> Work:
    said = {str(pair.get("name")): str(pair.get("value"))
            for part in ("instance_attributes", "meta_attributes") for pair in primitive.iterfind(f"{part}/nvpair")}
    name = str(primitive.get("id"))
    site, score = next(((str(one.get("node")), int(one.get("score", "0"))) for one in section(cib, "constraints")
                        if one.get("rsc") == name and one.get("score", "").isdigit()), ("", 0))
    stay = said.get("resource-stickiness", "0")
    return Work(said.get("deployment", name), said.get("namespace", "default"), said.get("kind", "Deployment"), name,
                site, score, int(stay) if stay.isdigit() else 0)


def _reason(error: ProgramError) -> str:
    """crm_mon tells its errors in XML on stdout."""
    try:
        said = [str(one.text).strip() for one in ElementTree.fromstring(error.output).iter("error")]
    except ElementTree.ParseError:
        said = []
    return said[-1].removeprefix("crm_mon: ") if said else str(error)
