"""From anywhere into the peer pod, by way of a kubectl: a program of the test's own that behaves as the real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from docs.tables import ROOT
from k8sdeployment.cli import codes
from k8sdeployment.cli.app import snopair
from tests.cli.tools import Tools, world

KUBECTL = """#!/bin/sh
printf '%s\\n' "$*" >> {log}
case " $* " in
*" get "*) {get};;
*" exec "*) {exec};;
esac
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def kubectl(tmp_path: Path, get: str = "printf Running", run: str = "echo 'from the pod'") -> str:
    file = tmp_path / "kubectl"
    file.write_text(KUBECTL.format(log=tmp_path / "log", get=get, exec=run))
    file.chmod(0o755)
    return str(file)


def call(tmp_path: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: what kubectl writes goes straight to its stdout."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "SNOPAIR_KUBECTL": program}
    return subprocess.run([sys.executable, "-m", "k8sdeployment.cli", *words], env=env, capture_output=True, text=True,
                          timeout=60, check=False)


def test_the_call_is_handed_on_and_its_exit_code_comes_back(tmp_path: Path, log: Path) -> None:
    far = "echo told; echo 'snopair: no' >&2; echo 'command terminated with exit code 4' >&2; exit 4"
    done = call(tmp_path, kubectl(tmp_path, run=far), "move", "default/web", "site-b", "--force", "--timeout", "9",
                "--context", "site-a", "--kubeconfig", "k.conf", "-o", "json")
    assert (done.returncode, done.stdout, done.stderr) == (4, "told\n", "snopair: no\n")
    asked, handed = log.read_text().splitlines()
    where = "--kubeconfig=k.conf --context=site-a --namespace=aos-sno-pair"
    assert asked == f"{where} get pod peer-0 --output=jsonpath={{.status.phase}} --request-timeout=13s"
    assert handed == (f"{where} exec peer-0 --container=conductor -- snopair move --timeout=9 --force --output=json -- "
                      "default/web site-b")


def test_what_is_not_said_is_not_handed_on(tmp_path: Path, log: Path) -> None:
    done = call(tmp_path, kubectl(tmp_path), "status", "--context", "x", "-n", "other")
    assert (done.returncode, done.stdout) == (0, "from the pod\n")
    handed = log.read_text().splitlines()[1]
    assert handed.endswith("--namespace=other exec peer-0 --container=conductor -- snopair status")


def test_a_program_with_words_of_its_own(tmp_path: Path, log: Path) -> None:
    done = call(tmp_path, f"{kubectl(tmp_path)} --as=me", "status", "--context", "x")
    assert done.returncode == 0 and log.read_text().startswith("--as=me --context=x ")


HINT = "ask on the node itself: crictl exec -it $(crictl ps -q --name conductor) snopair status"


@pytest.mark.parametrize("get, run, why", [
    ("echo 'The connection to the server was refused' >&2; exit 1", "exit 9",
     "kubectl failed (1): The connection to the server was refused"),
    ("printf Pending", "exit 9", "the pod peer-0 is Pending"),
    ("printf Running", "echo 'error: unable to upgrade connection' >&2; exit 1", "kubectl exec failed"),
])
def test_no_way_into_the_pod_is_one_sentence_with_the_other_way(tmp_path: Path, get: str, run: str, why: str) -> None:
    program = kubectl(tmp_path, get, run)
    done = call(tmp_path, program, "status", "--context", "x")
    assert done.returncode == codes.UNKNOWN
    assert done.stderr.splitlines()[-1] == f"snopair: the peer pod in aos-sno-pair cannot be asked ({why}); {HINT}"


def test_no_kubectl_at_all(tmp_path: Path) -> None:
    done = call(tmp_path, str(tmp_path / "none"), "status", "--context", "x", "-o", "json")
    told = json.loads(done.stdout)
    assert told["exitCode"] == done.returncode == codes.UNKNOWN and "No such file" in told["error"]


def run(tmp_path: Path, *words: str, here: bool) -> tuple[Result, Tools]:
    tools = Tools("running", answer=lambda argv: "")
    return CliRunner().invoke(snopair, list(words), obj=world(tools, tmp_path / "none", here)), tools


def test_in_the_pod_nothing_is_handed_on_unless_a_cluster_is_named(tmp_path: Path) -> None:
    done, tools = run(tmp_path, "status", here=True)
    assert done.exit_code == 1 and tools.calls == []
    done, tools = run(tmp_path, "status", "--context", "b", here=True)
    assert tools.calls[0][:2] == ("kubectl", "--context=b")
    assert done.exit_code == codes.UNKNOWN and "in no known phase" in done.stderr
