"""What `snopair check` asks a site's API, by kubectl. None where it could not be asked; `troubles` says why."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timezone
from typing import Any, Optional

from k8sdeployment.cli import reach
from k8sdeployment.cli.reach import POD, Place
from k8sdeployment.cli.snapshot import moment
from k8sdeployment.cli.world import ProgramError, World
from k8sdeployment.pair.crd import NAME

Object = Mapping[str, Any]


@dataclass
class SiteFacts:
    """One cluster. `clock`: seconds by which its clock is ahead of this machine's, known to a second or so."""

    letter: str
    alive: bool = False
    version: str = ""
    minor: int = 0
    clock: Optional[float] = None
    nodes: Optional[list[str]] = None
    labels: Mapping[str, Optional[Mapping[str, str]]] = field(default_factory=dict)
    secrets: Optional[Mapping[str, Mapping[str, str]]] = field(default=None, repr=False)
    openshift: bool = False
    scc: bool = False
    installed: bool = False
    policies: int = 0
    pair: Optional[Object] = None
    pod: str = ""
    troubles: list[str] = field(default_factory=list)


class Asking:
    """One cluster's kubectl."""

    def __init__(self, world: World, at: Place, facts: SiteFacts) -> None:
        self._world, self._at, self._facts = world, at, facts

    def json(self, *words: str) -> Optional[Any]:
        """The answer; None when there is none, which is noted unless the thing does not exist."""
        try:
            return json.loads(reach.ask(self._world, self._at, *words))
        except ProgramError as error:
            if "NotFound" not in str(error) and "doesn't have a resource type" not in str(error):
                self._facts.troubles.append(str(error))
        except ValueError:
            self._facts.troubles.append(f"kubectl {words[0]} gave no JSON")
        return None


def ask(world: World, at: Place, letter: str) -> SiteFacts:
    """What does not depend on the pair: is it there, how old, what time is it, which nodes, is there a pair."""
    facts = SiteFacts(letter)
    asking = Asking(world, at, facts)
    version = asking.json("get", "--raw", "/version")
    if not isinstance(version, dict):
        return facts
    facts.alive, facts.version = True, str(version.get("gitVersion", "?"))
    facts.minor = int("".join(filter(str.isdigit, str(version.get("minor", "0")))) or 0)
    facts.clock = _clock(world, asking)
    facts.nodes = _names(asking.json("get", "nodes", "--output=json"))
    groups = asking.json("get", "--raw", "/apis") or {}
    facts.openshift = any(one.get("name") == "security.openshift.io" for one in groups.get("groups", ()))
    facts.scc = facts.openshift and asking.json("get", "scc", "aos-permit", "--output=json") is not None
    facts.installed = asking.json("get", "crd", NAME, "--output=json") is not None
    policies = _names(asking.json("get", "validatingadmissionpolicies", "--output=json"))
    facts.policies = sum(name.startswith("aos-") for name in policies or ())
    pairs = asking.json("get", "snopairs.snopair.dev", "--output=json") if facts.installed else None
    facts.pair = next(iter((pairs or {}).get("items", ())), None)
    pod = asking.json("get", "pod", POD, "--output=json") or {}
    facts.pod = str(pod.get("status", {}).get("phase", ""))
    return facts


def ask_about(world: World, at: Place, facts: SiteFacts, namespaces: list[str]) -> None:
    """What the pair needs there: the labels of the namespaces, the Secrets of its own."""
    asking = Asking(world, at, facts)
    found: dict[str, Optional[Mapping[str, str]]] = {}
    for name in namespaces:
        said = asking.json("get", "namespace", name, "--output=json")
        found[name] = said["metadata"].get("labels", {}) if said else None
    facts.labels = found
    secrets = asking.json("get", "secrets", "--output=json")
    if secrets is not None:
        facts.secrets = {one["metadata"]["name"]: one.get("data") or {} for one in secrets["items"]}


def _clock(world: World, asking: Asking) -> Optional[float]:
    """The API server writes its own time into what it reviews; half a second is what its whole seconds hide."""
    before = world.clock()
    said = asking.json("auth", "whoami", "--output=json") or {}
    when = moment(said.get("metadata", {}).get("creationTimestamp"))
    if when is None:
        return None
    return when.astimezone(timezone.utc).timestamp() + 0.5 - (before + world.clock()) / 2


def _names(listed: Optional[Any]) -> Optional[list[str]]:
    return [str(one["metadata"]["name"]) for one in listed["items"]] if listed else None
