"""The operator as a process of its own against a real API server, with exactly the rights that deploy/ gives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
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
RBAC = "rbac.authorization.k8s.io/v1"
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
               "NODE_NAME": node, "NAMESPACE": HOME, "LOOK_SECONDS": "1", "KEEP_RIGHTS_SECONDS": "1",
               "KUBECONFIG": str(self.kubeconfig)}
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
        group = "/apis/apps/v1" if kind == "statefulsets" else "/api/v1"
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

    def waiting(self, words: str) -> str:
        """All it waits for, once these words are among it."""
        return self.until(lambda: (found := self.waits() or "") and words in found and found or None, repr(words))

    def done_waiting(self, words: str) -> None:
        """Returns when nothing of it has these words any more."""
        self.until(lambda: (found := self.waits()) is not None and words not in found or None, f"no more {words!r}")

    def local(self, name: str) -> Object:
        """What the operator says of a workload."""
        return self.until(lambda: next((one for one in self.status().get("local", ()) if one["name"] == name), None),
                          f"a word on {name}")

    # -- what stands on the site ------------------------------------------------------------------------------------

    def peer_image(self) -> str:
        found = self.at_home("statefulsets", "peer")
        assert found is not None
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def workload(self, name: str) -> Object:
        found = self.get(f"/apis/apps/v1/namespaces/shop/deployments/{name}")
        assert found is not None
        return found

    def pods(self, namespace: str) -> list[Object]:
        return list((self.get(f"/api/v1/namespaces/{namespace}/pods") or {}).get("items", ()))

    def events(self) -> list[Object]:
        return list((self.get(f"/api/v1/namespaces/{HOME}/events") or {}).get("items", ()))

    def role(self, namespace: str) -> Object:
        """The peer's Role there, {} for none."""
        return self.get(f"/apis/{RBAC}/namespaces/{namespace}/roles/aos-peer") or {}

    def binding(self, namespace: str) -> Object:
        """The operator's own right to look there, {} for none."""
        return self.get(f"/apis/{RBAC}/namespaces/{namespace}/rolebindings/{installation.REFERENCES}") or {}

    # -- what people and other programs do --------------------------------------------------------------------------

    def secret(self, name: str, *keys: str, namespace: str = HOME) -> None:
        self.plane.kubectl("apply", "-f", "-", input=json.dumps({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace},
            "stringData": dict.fromkeys(keys, "x" * 128)}))

    def claim(self, name: str, mode: str) -> None:
        self.plane.kubectl("apply", "-f", "-", input=json.dumps({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": HOME},
            "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": mode, "storageClassName": "",
                     "resources": {"requests": {"storage": "8Mi"}}}}))

    def secrets(self) -> None:
        """All that the peer of site-a mounts."""
        self.secret("pair-key", "authkey", "hacluster")
        self.secret("bmc-site-b", "password")

    def shop(self, name: str, replicas: int, **container: Any) -> None:
        """A Deployment without a gate in the namespace `shop`."""
        labels = {"app": name}
        self.plane.kubectl("apply", "-f", "-", input=json.dumps({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "one", "image": "web:1", **container}]}}}}))

    def scale(self, name: str, replicas: int) -> None:
        self.plane.kubectl("scale", "deployment", name, "-n", "shop", f"--replicas={replicas}")

    def node(self, images: Sequence[str] = ()) -> None:
        """The node is Ready and tells these images."""
        self.change(f"/api/v1/nodes/{NODE}", {"spec": {"taints": None}})  # not-ready, from its creation
        self.change(f"/api/v1/nodes/{NODE}/status", {"status": {
            "conditions": [{"type": "Ready", "status": "True"}], "images": [{"names": [name]} for name in images],
            "allocatable": {"cpu": "2", "memory": "1Gi", "pods": "10"}}})

    def end_pods(self) -> None:
        """As a kubelet would: pods of the pair's namespace that are being deleted, or soon are, are gone."""
        def ended() -> Optional[bool]:
            leaving = [one for one in self.pods(HOME) if one["metadata"].get("deletionTimestamp")]
            for one in leaving:
                path = f"/api/v1/namespaces/{HOME}/pods/{one['metadata']['name']}"
                self.plane.ask("DELETE", f"{path}?gracePeriodSeconds=0")
            return bool(leaving) or None
        self.until(ended, "the deletion of a pod")

    def runs(self, pod: str) -> None:
        """As a kubelet would say it."""
        state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        one = {"name": "pacemaker", "image": "i", "imageID": "i", "ready": True, "restartCount": 0, "state": state}
        self.change(f"/api/v1/namespaces/{HOME}/pods/{pod}/status",
                    {"status": {"phase": "Running", "containerStatuses": [one]}})

    def conduct(self, **status: Any) -> None:
        """As the peer's conductor writes it."""
        body = {"apiVersion": f"{crd.GROUP}/{crd.VERSION}", "kind": crd.KIND, "status": status,
                "metadata": {"name": "pair", "namespace": HOME}}
        answer = self.plane.ask("PATCH", f"{PAIRS}/pair/status?fieldManager=snopair-conductor&force=true", body,
                                content="application/apply-patch+yaml")
        assert answer[0] == 200, answer

    def in_sync(self) -> None:
        """The conductor finds that both sites hold this very SNOPair."""
        self.conduct(conditions=[{"type": "PeerInSync", "status": "True", "reason": "Same",
                                  "lastTransitionTime": "2026-01-01T00:00:00Z",
                                  "observedGeneration": self.cr()["metadata"]["generation"]}])

    def make_second(self, name: str) -> None:
        """A SNOPair that is certainly younger."""
        first = self.cr()["metadata"]["creationTimestamp"]
        made = self.make(PAIRS, {**document(workloads=[]), "metadata": {"name": name, "namespace": HOME}})
        while made["metadata"]["creationTimestamp"] == first:
            self.delete(name)
            self.gone(name)
            made = self.make(PAIRS, {**document(workloads=[]), "metadata": {"name": name, "namespace": HOME}})

    def second(self, name: str) -> Object:
        return self.get(f"{PAIRS}/{name}") or {}

    def delete(self, name: str = "pair") -> None:
        self.plane.kubectl("delete", "snopair", name, "-n", HOME, "--wait=false")

    def gone(self, name: str = "pair") -> None:
        """Returns when the SNOPair is."""
        self.until(lambda: self.get(f"{PAIRS}/{name}") is None or None, f"the end of {name}")


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
    """No SNOPair, and nothing that one left; a namespace `shop`."""
    installed.plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
    yield installed
    installed.kill()
    installed.plane.ask("PATCH", f"{PAIRS}/pair", {"metadata": {"finalizers": None}}, content=MERGE)
    for path in (PAIRS, f"/apis/apps/v1/namespaces/{HOME}/statefulsets", "/apis/apps/v1/namespaces/shop/deployments",
                 *(f"/api/v1/namespaces/{HOME}/{kind}" for kind in ("secrets", "configmaps", "pods", "events")),
                 "/api/v1/namespaces/shop/secrets",
                 *(f"/apis/{RBAC}/namespaces/{name}/{kind}" for name in ("shop", "default")
                   for kind in ("roles", "rolebindings"))):
        installed.plane.ask("DELETE", f"{path}?gracePeriodSeconds=0")
    installed.plane.ask("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": {"conditions": None, "images": None}},
                        content=MERGE)
    installed.until(lambda: not installed.get(PAIRS) or not (installed.get(PAIRS) or {})["items"] or None, "no SNOPair")
