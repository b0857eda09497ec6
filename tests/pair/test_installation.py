"""What is installed: rights by name and verb, no root, nothing that OpenShift's constraints would not admit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from k8sdeployment.pair import installation, openshift, peerpod
from k8sdeployment.pair.rbac import Manifest
from tests.pair.sample import ARBITRATED, pair, poisoned

RULES = [(one["metadata"]["name"], rule) for one in installation.manifests() for rule in one.get("rules", ())]


def deployment() -> Manifest:
    return next(one for one in installation.manifests() if one["kind"] == "Deployment")


@pytest.mark.parametrize("name,rule", RULES)
def test_no_right_is_a_wildcard_or_a_way_to_more(name: str, rule: Manifest) -> None:
    words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
    assert not words & {"*", "escalate", "impersonate", "clusterrolebindings", "nodes/proxy", "pods/exec"}
    if "bind" in words:
        assert rule["resourceNames"] == [installation.REFERENCES]


def granted(rules: list[Manifest]) -> Iterator[tuple[str, str, str]]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


def test_the_operator_has_what_it_gives() -> None:
    """Else the API server refuses the Role."""
    home = next(set(granted(one["rules"])) for one in installation.manifests() if one["kind"] == "Role")
    everywhere = next(set(granted(one["rules"])) for one in installation.manifests() if one["kind"] == "ClusterRole")
    for role in peerpod.manifests(pair(), pair().spec.sites[0]):
        if role["kind"] == "Role":
            own = everywhere | (home if role["metadata"]["namespace"] == installation.HOME else set())
            assert set(granted(role["rules"])) <= own, role["metadata"]["name"]


def test_secrets_can_be_read_nowhere_but_at_home_and_where_it_is_bound() -> None:
    may = [name for name, rule in RULES if "secrets" in rule["resources"]]
    assert sorted(may) == sorted([installation.OPERATOR, installation.REFERENCES])
    bound = {one["roleRef"]["name"] for one in installation.manifests() if one["kind"] == "ClusterRoleBinding"}
    assert installation.REFERENCES not in bound
    everywhere = next(one for one in installation.manifests() if one["kind"] == "ClusterRole")
    assert "secrets" not in str(everywhere["rules"])


def test_the_operators_pod_may_nothing() -> None:
    pod = deployment()["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                            "capabilities": {"drop": ["ALL"]}}
    assert "hostPath" not in str(pod) and "hostPID" not in pod


def peers() -> list[dict[str, Any]]:
    """With an arbitrator, and with a poison pill."""
    made = pair(quorum=ARBITRATED), pair(**poisoned())
    return [peerpod.manifests(one, one.spec.sites[0])[-1]["spec"]["template"]["spec"] for one in made]


def test_the_peers_constraints_are_what_its_pod_needs() -> None:
    scc, pods = openshift.of_the_pair()[0], peers()
    added = {one for used in pods for container in [*used["initContainers"], *used["containers"]]
             for one in container["securityContext"]["capabilities"]["add"]}
    assert set(scc["allowedCapabilities"]) == added
    kinds = {kind for used in pods for volume in used["volumes"] for kind in volume if kind != "name"}
    assert set(scc["volumes"]) == kinds | {"configMap"}
    for field in ("hostNetwork", "hostPID"):
        assert all(scc[f"allow{field[0].upper()}{field[1:]}"] is used[field] is True for used in pods)
    assert not scc["allowPrivilegedContainer"] and not scc["allowPrivilegeEscalation"]


def test_the_operators_constraints_are_the_hosts_network_and_its_user() -> None:
    scc = openshift.of_the_pair()[1]
    assert {key for key, value in scc.items() if value is True} == {"allowHostNetwork"}
    assert scc["runAsUser"] == {"type": "MustRunAsNonRoot"} and scc["allowedCapabilities"] == []
