"""The CustomResourceDefinition: structural, complete, and on a real API server of one mind with the model.

Every fault that the model refuses (test_cr.py) is given to a plain `kubectl apply`. That deploy/crd is current:
test_admission.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8sdeployment.pair import crd
from k8sdeployment.pair.cr import load
from k8sdeployment.pair.report import CONDITIONS, Condition, Recovery, Status, Takeover, WorkloadSeen
from k8sdeployment.pair.rules import RULES
from lab import waiting
from lab.errors import LabError
from lab.plane import Plane
from tests.pair import test_cr, test_poison
from tests.pair.sample import Document, document, refusal, site
from tests.pair.test_cr import DEVICE, SECRETS, Change, put

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
NAMESPACE = "aos-sno-pair"
PAIRS = f"/apis/{crd.GROUP}/{crd.VERSION}/namespaces/{NAMESPACE}/{crd.PLURAL}"
Schema = dict[str, Any]
REFUSED = {**test_cr.REFUSED, **test_poison.REFUSED}


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema in a schema with its path."""
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[]")


def test_the_schema_is_structural() -> None:
    """Nothing but these words, and a type everywhere; the API server refuses or ignores what pydantic says besides."""
    words = {"type", "description", "default", "properties", "required", "items", "additionalProperties", "enum",
             "pattern", "format", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
             "maxProperties", "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"}
    for path, node in nodes(crd.schema()):
        assert set(node) <= words and isinstance(node.get("type"), str), path


def test_every_list_text_and_map_of_the_spec_is_bounded() -> None:
    bounds = {"array": "maxItems", "string": "maxLength"}
    for path, node in nodes(crd.schema()["properties"]["spec"]):
        if "enum" not in node and node["type"] in bounds:
            assert bounds[node["type"]] in node, path
        if "additionalProperties" in node:
            assert "maxProperties" in node, path


def test_every_field_explains_itself() -> None:
    spec = crd.schema()["properties"]["spec"]
    assert not [path for path, node in nodes(spec) if not path.endswith("[]") and not node.get("description")]


def test_every_rule_is_in_the_schema_with_its_sentence() -> None:
    said = [one for _, node in nodes(crd.schema()) for one in node.get("x-kubernetes-validations", [])]
    assert len(RULES) > 10 and not [rule.sentence for rule in RULES if rule.validation() not in said]


# -- asked of a real API server ------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def api(plane: Plane) -> Iterator[Plane]:
    """The plane that knows SNOPairs, and has one."""
    plane.kubectl("apply", "-k", str(DEPLOY / "crd"))
    plane.kubectl("wait", "--for=condition=Established", f"crd/{crd.NAME}", "--timeout=30s")
    waiting.until(lambda: plane.ask("GET", PAIRS)[0] == 200 or None, "SNOPairs being served", 30)
    plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    assert apply(plane, document()) == ""
    yield plane
    plane.kubectl("delete", "crd", crd.NAME)


def apply(plane: Plane, what: Document, *options: str) -> str:
    """What a plain `kubectl apply` has against it; empty when it is taken."""
    try:
        plane.kubectl("apply", "-f", "-", *options, input=json.dumps(what))
    except LabError as error:
        return str(error).removeprefix("kubectl ended with code 1: ")
    return ""


def sentences(told: str) -> set[str]:
    """kubectl's words in the model's form: the place, then the sentence."""
    told = told.removeprefix('The SNOPair "pair" is invalid: ').strip()
    parts = (one.removeprefix("* ").strip() for one in told.split("\n"))
    return {one.replace(': Invalid value: "object"', "").replace(': Invalid value: "string"', "") for one in parts}


# Told in the API server's own words, for its schema looks first.
OWN_WORDS = {
    "a delay without unit": 'spec.sites[0].fencing.delay in body must be of type string: "integer"',
    "an unknown kind": 'spec.workloads[0].kind: Unsupported value: "DaemonSet": supported values: "Deployment"',
    "a misspelt field": 'unknown field "spec.workloads[0].prefferedSite"',
    "a level of nothing": "spec.sites[0].fencing.devices[0].level in body should be greater than or equal to 1",
    "a level too many": "spec.sites[0].fencing.devices[1].level in body should be less than or equal to 9",
    "no addresses": "spec.sites[0].addresses in body should have at least 1 items",
    "an unknown quorum": 'spec.quorum.mode: Unsupported value: "Majority": supported values: "TwoNode", "Arbitrator"',
}
MORE: dict[str, Change] = {
    **{f"secret {name}": put(f"{DEVICE}.parameters.{name}", "hunter2") for name in SECRETS},
    "an address twice on one site": put("sites.0.addresses", ["192.0.2.11", "192.0.2.11"]),
    "three faults": put("workloads", [{"name": "web", "preferredSite": "x", "replicas": {"min": 2, "max": 1}}]),
}


@pytest.mark.lab
@pytest.mark.parametrize("name", [name for name in [*REFUSED, *MORE] if name not in OWN_WORDS])
def test_kubectl_refuses_with_the_models_sentences(api: Plane, name: str) -> None:
    """All of them, no other, and the pair that is there stays as it is."""
    before = api.ask("GET", f"{PAIRS}/pair")
    changed = document()
    (MORE[name] if name in MORE else REFUSED[name][0])(changed)
    changed["metadata"]["name"] = "other"
    told = apply(api, changed).replace('"other"', '"pair"')
    assert sentences(told) == set(refusal(changed)) != set()
    assert "hunter2" not in told
    assert "is invalid" in apply(api, {**changed, "metadata": document()["metadata"]})
    assert api.ask("GET", f"{PAIRS}/pair") == before


@pytest.mark.lab
@pytest.mark.parametrize("name", OWN_WORDS)
def test_kubectl_refuses_in_its_own_words(api: Plane, name: str) -> None:
    changed = document()
    REFUSED[name][0](changed)
    assert refusal(changed) and OWN_WORDS[name] in apply(api, changed)


@pytest.mark.lab
def test_a_site_keeps_its_name(api: Plane) -> None:
    changed = document()
    put("sites.1.name", "site-c")(changed)
    assert refusal(changed) == [], "only the change is wrong"
    assert "spec.sites: Invalid value: \"object\": 'site-c' is no site of this pair so far" in apply(api, changed)
    swapped = document(sites=[site("site-b", 12, "1s"), site("site-a", 11, "10s")])
    assert apply(api, swapped, "--dry-run=server") == ""


@pytest.mark.lab
def test_a_pairs_own_name_is_a_label(api: Plane) -> None:
    assert "metadata.name" in apply(api, document() | {"metadata": {"name": "pair.one", "namespace": NAMESPACE}})


@pytest.mark.lab
def test_the_api_server_fills_in_the_models_defaults(api: Plane) -> None:
    """What it hands back says the same, all of it written out."""
    least = document(workloads=[{"name": "web"}])
    for one in least["spec"]["sites"]:
        del one["fencing"]["delay"]
    path = f"{PAIRS}?dryRun=All"
    status, filled = api.ask("POST", path, least | {"metadata": {"name": "least", "namespace": NAMESPACE}})
    assert status == 201, filled
    spec = load(least).spec
    assert filled["spec"] == spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert load(filled).spec == spec


@pytest.mark.lab
def test_the_largest_pair_is_taken(api: Plane) -> None:
    """The bounds are the model's; no rule costs too much when they are reached."""
    workloads: list[Document] = []
    for number in range(32):
        names = [one["name"] for one in workloads[-8:]]
        workloads.append({"name": f"{'w' * 60}-{number}", "preferredSite": "site-b", "after": names, "together": names})
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    for number, one in enumerate(sites, start=1):
        one["addresses"] = [f"2001:db8:{link}:ffff:ffff:ffff:ffff:{number}" for link in range(8)]
    assert apply(api, document(sites=sites, workloads=workloads), "--dry-run=server") == ""


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
SEEN = Status(
    observed_generation=1, site="site-a", version="0.1.0",
    conditions=tuple(Condition(type=name, status="True", reason="Seen", message="so it is", last_transition_time=NOW)
                     for name in CONDITIONS),
    workloads=(WorkloadSeen(name="web", site="site-a", since=NOW, takeover=Takeover(ready=False, reason="no image")),),
    recoveries=(Recovery(workload="web", origin="site-b", target="site-a", detected=NOW, fenced_by="fence-site-b-1",
                         fenced_seconds=1.5, started_seconds=2.25, available_seconds=4),),
)


@pytest.mark.lab
def test_the_status_has_its_place_and_its_columns(api: Plane) -> None:
    patch = {"status": SEEN.model_dump(mode="json", by_alias=True, exclude_none=True)}
    status, answer = api.ask("PATCH", f"{PAIRS}/pair/status", patch, content="application/merge-patch+json")
    assert status == 200 and Status.model_validate(answer["status"]) == SEEN
    assert answer["status"] == patch["status"]
    head, row = (line.split() for line in api.kubectl("get", "snp", "-n", NAMESPACE).splitlines())
    assert head == ["NAME", "SITE", "A", "SITE", "B", "AVAILABLE", "TAKEOVERREADY", "AGE"]
    assert row[:5] == ["pair", "site-a", "site-b", "True", "True"]


@pytest.mark.lab
def test_an_applied_status_is_not_taken(api: Plane) -> None:
    before = api.ask("GET", f"{PAIRS}/pair")[1].get("status")
    assert apply(api, document() | {"status": {"site": "site-x"}}) == ""
    assert api.ask("GET", f"{PAIRS}/pair")[1].get("status") == before


@pytest.mark.lab
def test_kubectl_explains_a_field(api: Plane) -> None:
    told = " ".join(api.kubectl("explain", "snopair.spec.sites.fencing.delay").split())
    assert "The other site waits this long before it fences this one." in told


@pytest.mark.lab
def test_the_documents_pair_is_taken(api: Plane) -> None:
    text = (DEPLOY.parent / "docs/pair.md").read_text(encoding="utf-8")
    one = yaml.safe_load(text.split("```yaml\n", 1)[1].split("```", 1)[0])
    assert apply(api, one, "--dry-run=server") == ""
