"""The manifests under deploy/ are what the renderer says. What the API server makes of them: tests/lab."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from k8sdeployment.agent.parameters import load
from k8sdeployment.pair import admission, alerting, crd, installation, openshift
from k8sdeployment.pair.rbac import Manifest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace",
             "metadata": {"name": "any", "labels": admission.namespace_labels()}}
FILES: dict[str, list[Manifest]] = {
    "admission/policies.yaml": admission.policies(),
    "crd/snopair.yaml": [crd.manifest()],
    "monitoring/rules.yaml": alerting.manifests(),
    "namespace/labels.yaml": [NAMESPACE],
    "operator/operator.yaml": installation.manifests(),
    "openshift/pair.yaml": openshift.of_the_pair(),
    "openshift/scc.yaml": openshift.manifests(),
}


class Dumper(yaml.SafeDumper):
    """Long expressions in folded blocks, so that no quote in them needs an escape; every value where it belongs."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=">" if len(text) > 60 else None)


Dumper.add_representer(str, _text)


def text_of(items: list[Manifest]) -> str:
    head = "# Rendered from k8sdeployment/pair by tests/pair/test_admission.py (AOS_GOLDEN=write): change it there.\n"
    return head + yaml.dump_all(items, Dumper=Dumper, sort_keys=False, width=110, allow_unicode=True)


@pytest.mark.parametrize("name", FILES)
def test_the_manifests_are_current(name: str) -> None:
    """Regenerate with AOS_GOLDEN=write when a change is meant."""
    if os.environ.get("AOS_GOLDEN") == "write":
        (DEPLOY / name).write_text(text_of(FILES[name]), encoding="utf-8")
    assert list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8"))) == FILES[name]


def expressions(permit_dir: str) -> str:
    return yaml.safe_dump(admission.policies(permit_dir), width=100_000)


def test_the_permit_directory_is_the_agents_default() -> None:
    default = load({"OCF_RESKEY_deployment": "app"}).permit_dir
    assert admission.policies() == admission.policies(default)
    assert f"{default}/permits/" in expressions(default)


def test_another_permit_directory_is_in_every_place() -> None:
    moved = expressions("/run/other/place")
    assert "aos/permits" not in moved and "aos/" not in moved
    assert "/run/other/place/permits/" in moved


@pytest.mark.parametrize("wrong", ["", "run/aos", "/run/aos/", "/run/../aos", "/run//aos", "/run/a'b", "/run/a b", "/"])
def test_a_permit_directory_that_could_not_be_matched_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="absolute path"):
        admission.policies(wrong)


PATTERN = admission._pattern("/run/aos")


@pytest.mark.parametrize("path", [
    "/run/aos/permits", "/run/aos/permits/", "/run/aos/permits/default/deployment/app", "//run/aos/permits/x",
    "/run/./aos/permits/x", "/run//.//aos/./permits/x", "/var/run/aos/permits/x", "//var/./run/aos/permits"])
def test_every_spelling_of_a_permit_is_known(path: str) -> None:
    assert re.search(PATTERN, path)


@pytest.mark.parametrize("path", [
    "", "/", "/run", "/run/aos", "/run/aos/agent", "/run/aos/permitsx", "/run/aosx/permits/x", "/data/run/aos/permits",
    "/run/aos2/permits/x", "/run/x/aos/permits", "/var/run/aos", "/runaos/permits"])
def test_other_paths_are_none_of_its_business(path: str) -> None:
    """The peer pod mounts /run/aos itself, and monitoring mounts all of the host."""
    assert not re.search(PATTERN, path)


def test_a_directory_that_is_not_below_run_has_no_alias() -> None:
    assert not re.search(admission._pattern("/srv/aos"), "/var/srv/aos/permits/x")


@pytest.mark.parametrize("policy", [one for one in admission.policies() if one["kind"] == "ValidatingAdmissionPolicy"],
                         ids=lambda one: one["metadata"]["name"])
def test_a_policy_is_bound_and_fails_closed(policy: Manifest) -> None:
    name = policy["metadata"]["name"]
    (binding,) = [one["spec"] for one in admission.policies()
                  if one["kind"] == "ValidatingAdmissionPolicyBinding" and one["spec"]["policyName"] == name]
    assert binding["validationActions"] == ["Deny"]
    assert policy["spec"]["failurePolicy"] == "Fail"


@pytest.mark.parametrize("policy", [one for one in admission.policies() if one["kind"] == "ValidatingAdmissionPolicy"],
                         ids=lambda one: one["metadata"]["name"])
def test_refusals_are_sentences(policy: Manifest) -> None:
    """Begins with a capital letter, ends with a full stop, once the values are put in."""
    for validation in policy["spec"]["validations"]:
        parts = re.findall(r"'((?:[^'\\]|\\.)*)'", validation["messageExpression"].replace("join(', ')", "join()"))
        assert parts[0][0].isupper() and parts[-1].endswith("."), parts


def test_namespaces_say_why_they_are_privileged() -> None:
    """`privileged` opens every hostPath; the second label closes all but permits."""
    labels = admission.namespace_labels()
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")} == {"privileged"}
    assert labels[admission.HOST_PATH_LABEL] == admission.PERMITS_ONLY
    assert admission.HOST_PATH_LABEL not in admission.namespace_labels(permits_only=False)


# -- OpenShift: the fields of security.openshift.io/v1 in our own words, for there is no OpenShift to ask ------------

class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Meta(Strict):
    name: str
    annotations: dict[str, str]


class FsGroup(Strict):
    type: Literal["MustRunAs", "RunAsAny"]


class RunAsUser(Strict):
    type: Literal["MustRunAs", "MustRunAsNonRoot", "MustRunAsRange", "RunAsAny"]


class Constraints(Strict):
    """Every field that is required there is required here, and not null; none is allowed that is not known there."""

    apiVersion: Literal["security.openshift.io/v1"]
    kind: Literal["SecurityContextConstraints"]
    metadata: Meta
    priority: int
    allowPrivilegedContainer: bool
    defaultAddCapabilities: list[str]
    requiredDropCapabilities: list[str]
    allowedCapabilities: list[str]
    allowHostDirVolumePlugin: bool
    volumes: list[str]
    allowHostNetwork: bool
    allowHostPorts: bool
    allowHostPID: bool
    allowHostIPC: bool
    allowPrivilegeEscalation: bool
    seLinuxContext: FsGroup
    runAsUser: RunAsUser
    supplementalGroups: FsGroup
    fsGroup: FsGroup
    readOnlyRootFilesystem: bool
    users: list[str]
    groups: list[str]
    seccompProfiles: list[str]


def scc() -> dict[str, Any]:
    return openshift.manifests()[0]


@pytest.mark.parametrize("one", [scc(), *openshift.of_the_pair()[:2]], ids=lambda one: one["metadata"]["name"])
def test_an_scc_has_the_form_of_one(one: Manifest) -> None:
    Constraints.model_validate(one)


def test_the_scc_allows_nothing_but_host_paths_beyond_restricted_v2() -> None:
    allowed = {field for field, value in scc().items() if field.startswith("allow") and value is True}
    assert allowed == {"allowHostDirVolumePlugin"}
    assert scc()["requiredDropCapabilities"] == ["ALL"] and scc()["allowedCapabilities"] == ["NET_BIND_SERVICE"]
    assert "hostPath" in scc()["volumes"] and "*" not in scc()["volumes"]


def test_the_policy_narrows_this_very_scc() -> None:
    role = openshift.manifests()[1]
    assert role["rules"][0]["resourceNames"] == [scc()["metadata"]["name"]]
    narrow = next(one["spec"]["variables"][0] for one in admission.policies()
                  if one["metadata"]["name"] == admission.HOST_PATH)
    assert narrow["name"] == "narrow" and f"'{scc()['metadata']['name']}'" in narrow["expression"]
