"""The CustomResourceDefinition of SNOPair, made from the models: schema, defaults, descriptions, rules, columns.

pydantic's JSON schema says nearly all of it. What a structural schema refuses is taken out here: references, the null
of what may be left out, titles. Needs Kubernetes 1.31, whose CEL knows IP addresses.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from k8sdeployment.pair.model import SNOPair, Spec
from k8sdeployment.pair.references import Part
from k8sdeployment.pair.rbac import Manifest
from k8sdeployment.pair.report import CONDITIONS, Status
from k8sdeployment.pair.rules import RULES
from k8sdeployment.pair.values import LABEL, duration

Schema = dict[str, Any]

GROUP, VERSION = str(SNOPair.model_fields["api_version"].default).split("/")
KIND, PLURAL = "SNOPair", "snopairs"
NAME = f"{PLURAL}.{GROUP}"
_DROPPED = ("title", "$defs")


def manifest() -> Manifest:
    """The definition; SNOPairs can be applied once the API server says it is Established."""
    names = {"kind": KIND, "listKind": f"{KIND}List", "plural": PLURAL, "singular": KIND.lower(), "shortNames": ["snp"],
             "categories": ["all"]}
    version = {"name": VERSION, "served": True, "storage": True, "subresources": {"status": {}},
               "additionalPrinterColumns": list(_columns()), "schema": {"openAPIV3Schema": schema()}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": NAME},
            "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]}}


def schema() -> Schema:
    """The whole resource. The rules about a change hold from the first one on: they are the spec's."""
    return {
        "type": "object",
        "description": "Two single-node clusters that stand in for each other. The same text on both sites.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {
                "name": {"type": "string", "maxLength": LABEL.longest, "pattern": f"^{LABEL.pattern}$"}}},
            "spec": structural(Spec),
            "status": _as_map(structural(Status), workloads="name", local="name", sites="name", conditions="type"),
        },
    }


def structural(model: type[BaseModel]) -> Schema:
    """A model's schema as Kubernetes wants it, with the rules of its parts."""
    whole = model.model_json_schema()
    rules = _rules(model)
    definitions = {name: {**found, **_validations(rules.get(name, ()))}
                   for name, found in whole.get("$defs", {}).items()}
    made: Schema = _plain({**whole, **_validations(rules.get(model.__name__, ()))}, definitions)
    return made


def _rules(model: type[BaseModel]) -> dict[str, list[Schema]]:
    """By the name of the part that they judge."""
    found: dict[str, list[Schema]] = {}
    if issubclass(model, Part):
        for rule in RULES:
            found.setdefault(rule.part.__name__, []).append(rule.validation())
    return found


def _validations(rules: Any) -> Schema:
    return {"x-kubernetes-validations": list(rules)} if rules else {}


def _plain(node: Any, definitions: Schema) -> Any:
    if isinstance(node, list):
        return [_plain(one, definitions) for one in node]
    if not isinstance(node, dict):
        return node
    if "anyOf" in node:  # what may be left out: the API server knows no null
        (only,) = (one for one in node["anyOf"] if one != {"type": "null"})
        node = {**only, **{key: value for key, value in node.items() if key not in ("anyOf", "default")}}
    if "$ref" in node:
        node = {**definitions[node["$ref"].rsplit("/", 1)[1]], **node}
    return _keywords({key: value if key == "default" else _named(key, value, definitions)
                      for key, value in node.items() if key not in ("$ref", *_DROPPED)})


def _named(key: str, value: Any, definitions: Schema) -> Any:
    """`properties` holds names of fields, which may look like keywords."""
    if key == "properties":
        return {name: _plain(one, definitions) for name, one in value.items()}
    return _plain(value, definitions)


def _keywords(node: Schema) -> Schema:
    """What pydantic says otherwise."""
    if "const" in node:
        node = {**{key: value for key, value in node.items() if key != "const"}, "enum": [node["const"]]}
    if node.get("additionalProperties") is False:  # the API server drops or refuses unknown fields by itself
        del node["additionalProperties"]
    if node.get("type") == "string" and isinstance(node.get("default"), int):
        node["default"] = duration(node["default"])
    if "description" in node:
        node["description"] = " ".join(node["description"].split())
    if isinstance(node.get("default"), dict):  # the API server judges it before it fills in what is missing
        node["default"] = {name: value for name, value in node["default"].items() if value is not None}
    return node


def _as_map(status: Schema, **keys: str) -> Schema:
    """Lists whose entries have a name, so that two writers do not undo each other."""
    for name, key in keys.items():
        status["properties"][name] |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    said = "; ".join(f"{name}: {meaning}" for name, meaning in CONDITIONS.items())
    status["properties"]["conditions"]["description"] = f"{said}."
    return status


def _columns() -> Iterator[Schema]:
    for index, letter in enumerate("AB"):
        yield {"name": f"Site {letter}", "type": "string", "jsonPath": f".spec.sites[{index}].name"}
    for name, priority in (("Available", 0), ("TakeoverReady", 0), ("PeerOnline", 1), ("FencingProven", 1),
                           ("PeerInSync", 1), ("Degraded", 1)):
        yield {"name": name, "type": "string", "description": CONDITIONS[name], "priority": priority,
               "jsonPath": f'.status.conditions[?(@.type=="{name}")].status'}
    yield {"name": "Waiting for", "type": "string", "jsonPath": ".status.waitingFor", "priority": 1}
    yield {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
