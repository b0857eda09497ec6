"""deploy/gate is what is rendered, and what kustomize makes of it is a whole gate or a refusal."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.tables import ROOT
from k8sdeployment.pair import component, gating
from lab.build import kube

DEPLOY = ROOT / "deploy" / "gate"
HEAD = "# Rendered by k8sdeployment/pair/component.py; AOS_GOLDEN=write with tests/pair/test_component.py does it.\n"


def test_the_files_are_what_is_rendered() -> None:
    written = {str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*.yaml")}
    for name, document in component.files().items():
        text = HEAD + yaml.safe_dump(document, sort_keys=False, width=120)
        if os.environ.get("AOS_GOLDEN") == "write":
            (DEPLOY / name).parent.mkdir(parents=True, exist_ok=True)
            (DEPLOY / name).write_text(text, encoding="utf-8")
        assert (DEPLOY / name).read_text(encoding="utf-8") == text
    assert written <= set(component.files())


@pytest.fixture(scope="module")
def kubectl() -> Path:
    return kube.binaries(print) / "kubectl"


def workload(kind: str, name: str = "web", namespace: str = "shop", **pod: Any) -> dict[str, Any]:
    containers = [{"name": "app", "image": "i"},
                  {"name": "side", "image": "i", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"replicas": 0, "template": {
        "spec": {"containers": containers, "volumes": [{"name": "data", "emptyDir": {}}], **pod}}}}


def build(kubectl: Path, directory: Path, documents: list[dict[str, Any]],
          components: list[str]) -> subprocess.CompletedProcess[str]:
    (directory / "app.yaml").write_text(yaml.safe_dump_all(documents))
    paths = [os.path.relpath(DEPLOY / one, directory) for one in components]
    (directory / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["app.yaml"], "components": paths}))
    return subprocess.run([kubectl, "kustomize", directory], capture_output=True, text=True, check=False)


INIT: dict[str, Any] = {"initContainers": [{"name": "first", "image": "i"}]}
needs_kubectl = pytest.mark.lab


@needs_kubectl
@pytest.mark.parametrize("kind", gating.KINDS)
@pytest.mark.parametrize("more, components", [({}, [""]), (INIT, ["", "-init"])])
def test_kustomize_makes_a_whole_gate(kubectl: Path, tmp_path: Path, kind: str, more: dict[str, Any],
                                      components: list[str]) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}}
    done = build(kubectl, tmp_path, [workload(kind, **more), service], [f"{kind.lower()}{one}" for one in components])
    assert done.returncode == 0, done.stderr
    found = {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}
    assert set(found) == {kind, "Service"}, "what is copied is not built itself"
    assert gating.faults(found[kind]) == []
    assert found[kind]["spec"]["template"]["spec"]["volumes"][0] == {"name": "data", "emptyDir": {}}


@needs_kubectl
@pytest.mark.parametrize("documents, components, why", [
    ([workload("Deployment", namespace="")], ["deployment"], "metadata.namespace"),
    ([workload("Deployment"), workload("Deployment", "db")], ["deployment"], "multiple matches"),
    ([workload("Deployment")], ["deployment", "deployment-init"], "initContainers"),
    ([workload("StatefulSet")], ["deployment"], ""),
])
def test_what_it_cannot_do_kustomize_refuses(kubectl: Path, tmp_path: Path, documents: list[dict[str, Any]],
                                             components: list[str], why: str) -> None:
    done = build(kubectl, tmp_path, documents, components)
    assert done.returncode != 0 and why in done.stderr


@needs_kubectl
def test_a_forgotten_init_container_is_told_by_gate_show(kubectl: Path, tmp_path: Path) -> None:
    done = build(kubectl, tmp_path, [workload("Deployment", **INIT)], ["deployment"])
    assert gating.faults(yaml.safe_load(done.stdout)) == ["container first does not mount permit"]
