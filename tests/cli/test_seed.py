"""One `kubectl apply` per site makes a pair, on a real API server that has never heard of SNOPair."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from k8sdeployment.cli import codes
from k8sdeployment.cli.app import snopair
from k8sdeployment.cli.world import World
from lab.plane import Plane
from tests.agent.kernel import needs_host
from tests.pair.sample import document

pytestmark = [pytest.mark.lab, needs_host]
NAMESPACE = "aos-sno-pair"


@pytest.fixture(scope="module")
def fresh() -> Iterator[Plane]:
    """A control plane of its own, for what is installed there must not be another test's."""
    with Plane() as plane:
        yield plane


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """site-a's directory of a bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "word").write_text("hunter2")
    (folder / "pair.yaml").write_text(yaml.safe_dump(document()))
    words = ["--fence-password-file", f"site-a={folder}/word", "--fence-password-file", f"site-b={folder}/word"]
    done = CliRunner().invoke(snopair, ["init", "--from", f"{folder}/pair.yaml", "--into", f"{folder}/b", *words])
    assert done.exit_code == 0, done.stderr
    return folder / "b/site-a"


def apply(plane: Plane, kubectl: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([kubectl, "--kubeconfig", plane.kubeconfig, "apply", "--server-side", *words],
                          capture_output=True, text=True, timeout=120, check=False)


def seed(plane: Plane, directory: Path, *words: str) -> Result:
    """What the Job does, with the rights that the bundle gives it."""
    mounted = json.loads(plane.kubectl("get", "configmap", "snopair-seed", "-n", NAMESPACE, "-o", "json"))["data"]
    (directory / "pair.json").write_text(mounted["pair.json"])
    config = plane.account(NAMESPACE, "snopair-operator", directory)
    return CliRunner().invoke(snopair, ["seed", str(directory / "pair.json"), "--kubeconfig", str(config), *words])


def pair(plane: Plane) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(plane.kubectl("get", "snopair", "pair", "-n", NAMESPACE, "-o", "json"))
    return found


def test_one_apply_and_the_job_make_the_pair(fresh: Plane, kubectl: Path, site: Path, tmp_path: Path) -> None:
    done = apply(fresh, kubectl, "-k", str(site))
    assert done.returncode == 0, done.stderr
    made = seed(fresh, tmp_path)
    assert (made.exit_code, made.stdout) == (0, f"the SNOPair {NAMESPACE}/pair was made\n")
    assert [one["name"] for one in pair(fresh)["spec"]["sites"]] == ["site-a", "site-b"]
    again = apply(fresh, kubectl, "-k", str(site))
    assert again.returncode == 0, again.stderr
    assert "stays as it is" in seed(fresh, tmp_path).stdout

    changed = yaml.safe_load((site / "pair.yaml").read_text())
    changed["spec"]["corosync"] = {"token": "9s"}
    (tmp_path / "pair.yaml").write_text(yaml.safe_dump(changed))
    later = apply(fresh, kubectl, "-f", str(tmp_path / "pair.yaml"))
    assert later.returncode == 0, later.stderr
    assert "stays as it is" in seed(fresh, tmp_path).stdout and pair(fresh)["spec"]["corosync"]["token"] == "9s"


def test_it_waits_for_the_kind_and_for_its_rights(fresh: Plane, tmp_path: Path) -> None:
    """As on a slow site, where the Job runs before the API serves what was just applied."""
    (tmp_path / "pair.json").write_text(json.dumps(document()))
    config = fresh.account("default", "default", tmp_path)
    waits: list[float] = []
    passed = World(monotonic=lambda: float(len(waits)), wait=waits.append)
    done = CliRunner().invoke(snopair, ["seed", str(tmp_path / "pair.json"), "--kubeconfig", str(config), "--timeout",
                                        "3"], obj=passed)
    assert done.exit_code == codes.LATE and "403" in done.stderr and len(waits) == 4


def test_what_the_api_refuses_is_told_at_once(fresh: Plane, tmp_path: Path) -> None:
    wrong = {**document(sites=[]), "metadata": {"name": "other", "namespace": NAMESPACE}}
    (tmp_path / "pair.json").write_text(json.dumps(wrong))
    done = CliRunner().invoke(snopair, ["seed", str(tmp_path / "pair.json"), "--kubeconfig", str(fresh.kubeconfig)])
    assert done.exit_code == codes.FAILED and "a pair has exactly two sites, not 0" in done.stderr
    assert os.listdir(tmp_path) == ["pair.json"]
