"""The access that docs/rhcos.md gives the agent on a host: as much as it needs, asked of a real API server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from docs.tables import ROOT
from k8sdeployment.pair import cr, rbac
from lab import waiting
from lab.build import kube
from lab.plane import Plane
from tests.agent.cluster import Result, act
from tests.agent.kernel import interpreters
from tests.docs.reading import FENCED

DOCUMENT = (ROOT / "docs/rhcos.md").read_text(encoding="utf-8").split("\n## Access\n", 1)[1].split("\n## ")[0]
FOLDER = "/etc/kubernetes/aos"
HOME, SHOP = "aos", "hosted"  # the account's namespace, and one of this test's own in place of `default`


def block(language: str) -> str:
    """The one block of code in that language."""
    found: list[str] = [part.removeprefix(f"```{language}\n").removesuffix("```") for part in FENCED.findall(DOCUMENT)
                        if part.startswith(f"```{language}\n")]
    assert len(found) == 1
    return found[0]


def test_the_rights_are_those_of_the_peer_pod() -> None:
    """One agent, one set of rights."""
    sites = [{"name": name, "nodeName": name, "addresses": [f"10.91.1.{end}"]} for name, end in (("a", 11), ("b", 12))]
    pair = cr.load({"spec": {"sites": sites, "fencing": {"mode": "Disabled"},
                             "workloads": [{"name": "app", "namespace": "default"}]}})
    wanted = next(part for part in rbac.access(pair) if part["kind"] == "Role")["rules"]
    given = next(part for part in yaml.safe_load_all(block("yaml")) if part["kind"] == "Role")["rules"]
    assert sorted(map(json.dumps, map(ordered, given))) == sorted(map(json.dumps, map(ordered, wanted)))


def ordered(rule: dict[str, list[str]]) -> dict[str, list[str]]:
    return {key: sorted(rule[key]) for key in sorted(rule)}


@pytest.fixture(scope="module")
def kubeconfig(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the document's commands write, for the plane in place of a node."""
    plane.kubectl("create", "namespace", SHOP)
    for name in ("app", "other"):
        plane.kubectl("-n", SHOP, "create", "deployment", name, "--image=none", "--replicas=0")
    manifests = block("yaml").replace("namespace: default", f"namespace: {SHOP}")
    plane.kubectl("apply", "-f", "-", input=manifests)
    waiting.until(lambda: plane.kubectl("-n", HOME, "get", "secret", "agent", "-o", "jsonpath={.data.token}") != "",
                  "the account's token", 30.0)
    folder = tmp_path_factory.mktemp("node") / "aos"
    script = block("sh").replace(FOLDER, str(folder)).replace("https://localhost:6443", plane.url)
    env = {**os.environ, "PATH": f"{kube.binaries(print)}:{os.environ['PATH']}", "KUBECONFIG": str(plane.kubeconfig)}
    subprocess.run(["sh", "-eu", "-c", script], env=env, check=True)
    yield folder / "kubeconfig"
    plane.kubectl("delete", "namespace", HOME, SHOP, "--wait=false")


def ask(root: Path, kubeconfig: Path, action: str, deployment: str = "app", **more: str) -> Result:
    """The installed agent's answer; no node, so no pod ever runs."""
    env = {"OCF_RESKEY_deployment": deployment, "OCF_RESKEY_namespace": SHOP, "OCF_RESKEY_guard": "off",
           "OCF_RESKEY_kubeconfig": str(kubeconfig), "OCF_RESKEY_CRM_meta_timeout": "3000", **more}
    return act(interpreters()[0], root / "usr/lib/ocf/resource.d/aos/k8sdeployment", action, env)


def replicas(plane: Plane, deployment: str) -> str:
    return plane.kubectl("-n", SHOP, "get", "deployment", deployment, "-o", "jsonpath={.spec.replicas}")


@pytest.mark.lab
def test_the_agent_may_do_all_that_it_must(plane: Plane, root: Path, kubeconfig: Path) -> None:
    assert ask(root, kubeconfig, "validate-all", OCF_CHECK_LEVEL="10") == Result(0, "", "")
    assert ask(root, kubeconfig, "monitor").code == 7
    started = ask(root, kubeconfig, "start")
    assert started.code == 1 and "is not available after" in started.reason and replicas(plane, "app") == "1"
    waiting.until(lambda: "app-" in plane.kubectl("-n", SHOP, "get", "pods"), "the pod of the start", 20.0)
    stopped = ask(root, kubeconfig, "stop")
    assert stopped.code == 0 and replicas(plane, "app") == "0"


@pytest.mark.lab
def test_it_may_not_scale_another_workload(plane: Plane, root: Path, kubeconfig: Path) -> None:
    refused = ask(root, kubeconfig, "start", deployment="other")
    assert refused.code == 4 and replicas(plane, "other") == "0"


@pytest.mark.lab
def test_nobody_else_may_read_what_it_asks_with(kubeconfig: Path) -> None:
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in kubeconfig.parent.iterdir()} == {
        "token": "0o600", "ca.crt": "0o600", "kubeconfig": "0o600"}
