"""`snopair gate`: files as people keep them; what is not a workload stays letter by letter."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from k8sdeployment.cli import codes, manifests
from k8sdeployment.cli.app import snopair
from k8sdeployment.pair import gating

APP = """\
# The shop's own service.
apiVersion: v1
kind: Service   # not ours to touch
metadata: {name: web,   namespace: shop}
--- # the workload
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 0
  template:
    spec:
      initContainers:
      - {name: first, image: i}
      containers:
      - name: app  # with a comment
        image: i
---
kind: ConfigMap
apiVersion: v1
metadata: {name: web}
data: {text: "a: b\\n---x"}
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    file = tmp_path / "app.yaml"
    file.write_text(APP)
    file.chmod(0o640)
    return file


def gate(*words: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(snopair, ["gate", *map(str, words)], input=stdin)


def loaded(text: str) -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all(text) if one}


def test_show_tells_what_is_lacking_and_then_that_it_is_whole(app: Path) -> None:
    done = gate("show", app)
    assert (done.exit_code, done.stdout) == (codes.LOOK, (
        f"{app}: Deployment shop/web: not gated: no hostPath volume for /run/aos/permits/shop/deployment/web\n"))
    assert gate("add", "-i", app).exit_code == 0
    done = gate("show", app)
    assert (done.exit_code, done.stdout) == (0, f"{app}: Deployment shop/web: gated\n")


def test_add_prints_the_whole_file_and_writes_nothing(app: Path) -> None:
    done = gate("add", app)
    assert done.exit_code == 0 and app.read_text() == APP
    found = loaded(done.stdout)
    assert set(found) == {"Service", "Deployment", "ConfigMap"} and gating.faults(found["Deployment"]) == []
    head, tail = APP.partition("--- #")[0], APP[APP.rindex("---\nkind: ConfigMap"):]
    assert done.stdout.startswith(head) and done.stdout.endswith(tail)
    assert "comments of shop/web are lost" in done.stderr and "container first: mounts permit" in done.stderr


def test_in_place_keeps_the_files_rights_and_twice_is_once(app: Path) -> None:
    assert gate("add", "--in-place", app).exit_code == 0
    once = app.read_text()
    assert app.stat().st_mode & 0o777 == 0o640 and list(app.parent.iterdir()) == [app]
    again = gate("add", "--in-place", app)
    assert app.read_text() == once and "nothing to add" in again.stderr


def test_a_list_json_and_stdin(tmp_path: Path) -> None:
    deployment = yaml.safe_load_all(APP)
    listing = {"apiVersion": "v1", "kind": "List", "items": [one for one in deployment if one["kind"] != "ConfigMap"]}
    done = gate("add", "-", stdin=json.dumps(listing))
    items = json.loads(done.stdout)["items"]
    assert gating.faults(items[1]) == [] and items[0] == listing["items"][0]
    told = json.loads(gate("show", "-", "-o", "json", stdin=json.dumps(listing)).stdout)["workloads"]
    assert [(one["name"], one["gated"]) for one in told] == [("shop/web", False)]
    text = json.loads(gate("add", "-", "-o", "json", stdin=APP).stdout)["files"][0]["text"]
    assert gating.faults(loaded(text)["Deployment"]) == []


def test_the_namespace_may_come_from_elsewhere(app: Path) -> None:
    app.write_text(APP.replace("  namespace: shop\n", ""))
    done = gate("add", "-n", "late", app)
    assert gating.faults(loaded(done.stdout)["Deployment"], "late") == []
    assert "default/web: not gated" in gate("show", app).stdout


def test_replicas_that_gitops_would_force_are_told(app: Path) -> None:
    app.write_text(APP.replace("replicas: 0", "replicas: 3"))
    assert "replicas 3, so each apply scales it up beside the pair" in gate("show", app).stdout


def test_one_that_cannot_be_gated_leaves_all_files_alone(app: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(APP.replace("    spec:\n", "    spec:\n      hostUsers: false\n"))
    done = gate("add", "-i", app, wrong)
    assert done.exit_code == codes.USAGE and app.read_text() == APP
    assert f"nothing was changed: {wrong}: Deployment shop/web: hostUsers is false" in done.stderr


@pytest.mark.parametrize("text, sentence", [
    ("{{ .Values.x }}: {", "is no plain YAML (a template, perhaps?)"), (None, "cannot be read: No such file")])
def test_what_cannot_be_read_is_told(tmp_path: Path, text: str | None, sentence: str) -> None:
    file = tmp_path / "x.yaml"
    if text is not None:
        file.write_text(text)
    for verb in ("show", "add"):
        done = gate(verb, file)
        assert done.exit_code == codes.USAGE and sentence in done.stderr


def test_options_that_exclude_each_other(app: Path) -> None:
    assert gate("add", "-i", "--patch", app).exit_code == codes.USAGE
    assert gate("add", "-i", "-", stdin=APP).exit_code == codes.USAGE
    assert gate("add").exit_code == codes.USAGE


@settings(deadline=None)
@given(st.lists(st.sampled_from(["---\n", "--- # x\n", "a: 1\n", "# c\n", "\n", "b: |\n  ---\n", "- x\n", "---\t\n"])))
def test_the_documents_of_a_file_are_the_file(lines: list[str]) -> None:
    text = "".join(lines)
    try:
        found = manifests.documents(text, "x")
    except codes.CallError:
        return
    assert "".join(one.text for one in found) == text
    assert [one.value for one in found if one.value is not None] == [one for one in yaml.safe_load_all(text) if one]


@pytest.mark.lab
@pytest.mark.parametrize("namespace", [[], ["-n", "late"]])
def test_a_patch_is_what_kustomize_merges(kubectl: Path, app: Path, namespace: list[str]) -> None:
    if namespace:
        app.write_text(APP.replace("  namespace: shop\n", ""))
    done = gate("add", "--patch", *namespace, app)
    (app.parent / "gate.yaml").write_text(done.stdout)
    (app.parent / "kustomization.yaml").write_text("resources: [app.yaml]\npatches: [{path: gate.yaml}]\n")
    built = subprocess.run([kubectl, "kustomize", app.parent], capture_output=True, text=True, check=True).stdout
    assert gating.faults(loaded(built)["Deployment"], "late") == [] and app.read_text().startswith("# The shop")
