"""A namespace with its workload on the real API server, and the agent to run on it as Pacemaker does."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from k8sdeployment.agent.memory import boottime
from k8sdeployment.agent.permit import Permit
from k8sdeployment.pair.cr import load
from k8sdeployment.pair.rbac import ACCOUNT, access
from lab import waiting
from lab.plane import Plane

from ..agent.cluster import TIMEOUT, Result, act, environment
from ..agent.kernel import interpreters
from ..agent.permits import permit_of
from ..agent.stage import DEEP, INTERVAL, NOTHING
from ..pair.sample import document
from .node import Node
from .proxy import Proxy

Object = dict[str, Any]
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
SLACK = 1.0  # a start or stop of 3 s leaves itself 0.5 s: a busy machine may spend that on starting Python
SECONDS = 20.0  # for what the control plane does by itself
WORKLOADS = {"app": "Deployment", "bare": "Deployment", "db": "Deployment", "web": "Deployment", "set": "StatefulSet"}
_ROLE = "OCF_RESKEY_CRM_meta_role"
STOPPED_ROLE = {**INTERVAL, _ROLE: "Stopped"}
Seen = dict[tuple[str, int], list[str]]


def template(path: str, grace: int = 2) -> Object:
    """A pod bound to the node, gated by the permit at `path` ("" for no gate)."""
    container: Object = {"name": "app", "image": "app"}
    spec: Object = {"nodeName": "site-a", "serviceAccountName": ACCOUNT, "automountServiceAccountToken": False,
                    "terminationGracePeriodSeconds": grace, "containers": [container]}
    if path:
        container["volumeMounts"] = [{"name": "permit", "mountPath": "/run/permit", "readOnly": True}]
        spec["volumes"] = [{"name": "permit", "hostPath": {"path": path, "type": "File"}}]
    return spec


def called(action: str, more: Mapping[str, str]) -> str:
    """How docs/situations.md calls it: a monitor without an interval is a probe."""
    if action != "monitor":
        return action
    return "passive" if _ROLE in more else "monitor" if more.keys() & INTERVAL.keys() else "probe"


class Shop:
    """`app` is gated, `bare` has no gate. `node` runs their pods; `seen` is what the agent answered."""

    def __init__(self, plane: Plane, namespace: str, directory: Path, permit_dir: Path, executable: Path,
                 proxy: Proxy, seen: Seen) -> None:
        self.plane, self.namespace, self.directory = plane, namespace, directory
        self.permit_dir, self.executable, self.proxy = permit_dir, executable, proxy
        self.node = Node(plane, namespace, directory)
        self.permit: Permit = permit_of(permit_dir, namespace=namespace)
        self.seen = seen
        self.apps = f"/apis/apps/v1/namespaces/{namespace}"
        self.core = f"/api/v1/namespaces/{namespace}"
        self.kubeconfig = directory / "kubeconfig"
        self.env: dict[str, str] = {}

    # -- the control plane's side -------------------------------------------------------------------------------------

    def open(self) -> None:
        """The namespace and what the product's own RBAC gives its agent there."""
        self.write("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        names = [{"name": name, "namespace": self.namespace, "kind": kind, "preferredSite": "site-a"}
                 for name, kind in WORKLOADS.items()]
        whole = {**document(workloads=names), "metadata": {"name": "pair", "namespace": self.namespace}}
        account, role, binding = access(load(whole))
        self.write("POST", f"{self.core}/serviceaccounts", account)
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        self.write("POST", f"{rbac}/roles", role)
        self.write("POST", f"{rbac}/rolebindings", binding)
        self.plane.account(self.namespace, ACCOUNT, self.directory, self.proxy.url)
        self.trust(self.proxy.authority.ca)
        self.until(lambda: self.may("list", "pods"), "the agent's rights")

    def trust(self, authority: Path) -> None:
        """Which CA the agent's kubeconfig names."""
        text = self.kubeconfig.read_text()
        self.kubeconfig.write_text(re.sub("certificate-authority: .*", f"certificate-authority: {authority}", text))

    def may(self, verb: str, resource: str) -> bool:
        """Whether the API server allows the agent that."""
        review = {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {
            "user": f"system:serviceaccount:{self.namespace}:{ACCOUNT}",
            "resourceAttributes": {"namespace": self.namespace, "verb": verb, "resource": resource}}}
        answer = self.write("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    def write(self, method: str, path: str, body: Object, content: str = "application/json") -> Object:
        """As the administrator; AssertionError when the API server refuses."""
        status, answer = self.plane.ask(method, path, body, content=content)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer.get('message', '')}"
        return answer

    def add(self, name: str = "app", replicas: int = 0, kind: str = "Deployment", **more: Any) -> Object:
        """A workload of that name, gated unless it is `bare`; `more` goes into its spec, `pod` into its pods' spec."""
        path = "" if name.startswith("bare") else permit_of(self.permit_dir, name, self.namespace, kind).path
        pod = template(path) | more.pop("pod", {})
        labels = {"app": name}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod}, **more}
        return self.write("POST", f"{self.apps}/{kind.lower()}s",
                          {"metadata": {"name": name}, "kind": kind, "apiVersion": "apps/v1", "spec": spec})

    def get(self, name: str = "app") -> Object:
        return self.plane.ask("GET", f"{self.apps}/deployments/{name}")[1]

    def patch(self, body: Object, name: str = "app") -> Object:
        return self.write("PATCH", f"{self.apps}/deployments/{name}", body, MERGE)

    def scale(self, replicas: int, name: str = "app") -> None:
        """As somebody other than the agent does."""
        self.write("PATCH", f"{self.apps}/deployments/{name}/scale", {"spec": {"replicas": replicas}}, MERGE)

    def apply(self, spec: Object, name: str = "app") -> None:
        """As a GitOps loop does: server-side, with force."""
        whole = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
        self.write("PATCH", f"{self.apps}/deployments/{name}?fieldManager=argocd-controller&force=true", whole, APPLY)

    def pods(self, name: str = "app") -> list[Object]:
        return list(self.plane.ask("GET", f"{self.core}/pods?labelSelector=app%3D{name}")[1].get("items") or [])

    def available(self, number: int, name: str = "app") -> None:
        """Await that the API counts so many available."""
        self.until(lambda: self.status(name) == number, f"{number} available of {name}")

    def status(self, name: str = "app") -> int:
        return int((self.get(name).get("status") or {}).get("availableReplicas") or 0)

    @staticmethod
    def until(condition: Callable[[], object], what: str) -> None:
        waiting.until(lambda: condition() or None, what, SECONDS)

    # -- the agent's side ---------------------------------------------------------------------------------------------

    def run(self, action: str, more: Mapping[str, str] = NOTHING, seconds: float = 20.0, **values: object) -> Result:
        """One action as Pacemaker runs it, with `seconds` for it; what it answers is kept for the map."""
        env = environment(**{"kubeconfig": self.kubeconfig, "permit_dir": self.permit_dir,
                             "namespace": self.namespace, **values})
        result = act(interpreters()[0], self.executable, action,
                     {**env, TIMEOUT: str(int(seconds * 1000)), **self.env, **more})
        assert result.out == "" and "Traceback" not in result.err and self.secret() not in result.err, result.err
        self.seen.setdefault((called(action, more), result.code), []).append(result.reason)
        return result

    def secret(self) -> str:
        return (self.directory / "token").read_text().strip() or "no token"

    def start(self, seconds: float = 20.0, **values: object) -> Result:
        return self.run("start", NOTHING, seconds, **values)

    def stop(self, seconds: float = 20.0, **values: object) -> Result:
        return self.run("stop", NOTHING, seconds, **values)

    def probe(self, seconds: float = 20.0, **values: object) -> Result:
        return self.run("monitor", NOTHING, seconds, **values)

    def monitor(self, seconds: float = 20.0, **values: object) -> Result:
        return self.run("monitor", INTERVAL, seconds, **values)

    def passive(self, seconds: float = 20.0, **values: object) -> Result:
        return self.run("monitor", STOPPED_ROLE, seconds, **values)

    def deep(self, seconds: float = 20.0, **values: object) -> Result:
        return self.run("monitor", DEEP, seconds, **values)

    def validate(self, seconds: float = 20.0, **values: object) -> Result:
        return self.run("validate-all", {"OCF_CHECK_LEVEL": "10"}, seconds, **values)

    def begun(self, name: str = "app") -> Shop:
        """The workload added and started."""
        self.add(name)
        result = self.start(deployment=name)
        assert result.code == 0, result.err
        self.seen.clear()
        self.proxy.asked.clear()
        return self

    def memory(self, name: str = "app") -> Path:
        """What the agent remembers of a workload."""
        return Path(permit_of(self.permit_dir, name, self.namespace).beside) / "memory"

    def remember(self, key: str, age: float, name: str = "app") -> None:
        """Set a moment that the agent remembers so many seconds back."""
        lines = [line for line in self.memory(name).read_text().splitlines() if not line.startswith(key + "=")]
        self.memory(name).write_text("\n".join([*lines, f"{key}={boottime() - age}", ""]))

    def api_away(self) -> None:
        """Nobody listens where the agent asks."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.ask_at(f"https://127.0.0.1:{listener.getsockname()[1]}")

    def ask_at(self, url: str) -> None:
        """Where the agent's kubeconfig sends it."""
        self.kubeconfig.write_text(re.sub("server: .*", f"server: {url}", self.kubeconfig.read_text()))

    def meanwhile(self, action: Callable[[], Result]) -> Future[Result]:
        """Begin an action while the test goes on."""
        pool = ThreadPoolExecutor(1)
        future = pool.submit(action)
        pool.shutdown(wait=False)
        return future
