"""The operator as a process of its own against a real API server, with exactly the rights that deploy/ gives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, TypeVar

import pytest

from k8sdeployment.pair import crd, installation
from lab import waiting
from lab.plane import Plane
from tests.pair.sample import document

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
HOME = installation.HOME
NODE = "site-a.example.org"
PAIRS = f"/apis/{crd.GROUP}/{crd.VERSION}/namespaces/{HOME}/{crd.PLURAL}"
MERGE = "application/merge-patch+json"
Object = dict[str, Any]
Seen = TypeVar("Seen")


@dataclass
class Site:
    """A control plane with the operator installed but for its pod: processes stand for that."""

    plane: Plane
    kubeconfig: Path
    log: Path
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, node: str = NODE) -> subprocess.Popen[bytes]:
        """One more operator."""
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(DEPLOY.parent), "PYTHONUNBUFFERED": "1",
               "NODE_NAME": node, "NAMESPACE": HOME, "LOOK_SECONDS": "1", "KUBECONFIG": str(self.kubeconfig)}
        with open(self.log, "ab") as log:
            made = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m",
                                     "k8sdeployment.operator"], env=env, stdout=log, stderr=log)
        self._running.append(made)
        return made

    def kill(self) -> None:
        """All of them, at once."""
        for one in self._running:
            one.kill()
            one.wait(20)
        self._running.clear()

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def get(self, path: str) -> Optional[Object]:
        """The object at the path; None when there is none."""
        status, found = self.plane.ask("GET", path)
        assert status in (200, 404), (status, found)
        return found if status == 200 else None

    def at_home(self, kind: str, name: str) -> Optional[Object]:
        group = {"statefulsets": "/apis/apps/v1", "roles": "/apis/rbac.authorization.k8s.io/v1"}.get(kind, "/api/v1")
        return self.get(f"{group}/namespaces/{HOME}/{kind}/{name}")

    def make(self, path: str, body: Object) -> Object:
        status, found = self.plane.ask("POST", path, body)
        assert status in (200, 201), (status, found)
        return found

    def change(self, path: str, patch: Object) -> Object:
        status, found = self.plane.ask("PATCH", path, patch, content=MERGE)
        assert status == 200, (status, found)
        return found

    def pair(self, **spec: Any) -> None:
        """Apply a SNOPair as a person would."""
        self.plane.kubectl("apply", "-f", "-", input=json.dumps(document(**spec)))

    def cr(self) -> Object:
        found = self.get(f"{PAIRS}/pair")
        assert found is not None
        return found

    def status(self) -> Object:
        return dict(self.cr().get("status") or {})

    def waits(self) -> Optional[str]:
        """What the operator waits for; None before it has looked at the newest spec."""
        found = self.cr()
        status = found.get("status") or {}
        current = status.get("observedGeneration") == found["metadata"]["generation"]
        return str(status.get("waitingFor", "")) if current else None

    def until(self, look: Callable[[], Optional[Seen]], what: str, seconds: float = 25) -> Seen:
        return waiting.until(look, what, seconds, lambda: self.said()[-3000:])

    def secret(self, name: str, *keys: str) -> None:
        self.plane.kubectl("apply", "-f", "-", input=json.dumps({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": HOME},
            "stringData": dict.fromkeys(keys, "x" * 128)}))


@pytest.fixture(scope="module")
def installed(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`kubectl apply -k deploy`, and the node that stands for the site."""
    plane.kubectl("apply", "--server-side", "-k", str(DEPLOY))
    plane.kubectl("wait", "--for=condition=Established", f"crd/{crd.NAME}", "--timeout=30s")
    waiting.until(lambda: plane.ask("GET", PAIRS)[0] == 200 or None, "SNOPairs being served", 30)
    plane.kubectl("delete", "deployment", installation.OPERATOR, "-n", HOME)
    plane.ask("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
    directory = tmp_path_factory.mktemp("operator")
    yield Site(plane, plane.account(HOME, installation.ACCOUNT, directory), directory / "log")
    plane.ask("DELETE", f"/api/v1/nodes/{NODE}")
    plane.kubectl("delete", "-k", str(DEPLOY), "--ignore-not-found", "--wait=false")


@pytest.fixture
def site(installed: Site) -> Iterator[Site]:
    """No SNOPair, and nothing that one left."""
    yield installed
    installed.kill()
    installed.plane.ask("PATCH", f"{PAIRS}/pair", {"metadata": {"finalizers": None}}, content=MERGE)
    for path in (PAIRS, *(f"/api/v1/namespaces/{HOME}/{kind}" for kind in ("secrets", "configmaps", "pods")),
                 f"/apis/apps/v1/namespaces/{HOME}/statefulsets"):
        installed.plane.ask("DELETE", path)
    installed.until(lambda: not installed.get(PAIRS) or not (installed.get(PAIRS) or {})["items"] or None, "no SNOPair")
