"""A small API server and, in place of kubelet, real processes that hold the permit: what the actions are tried on."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8sdeployment.agent.parameters import load
from k8sdeployment.agent.permit import GRANTED, Permit

from .kernel import holder
from .tls import Authority, reply, request, serving

Object = dict[str, Any]
TIMEOUT = "OCF_RESKEY_CRM_meta_timeout"
_DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/app"


def gated_spec(path: str) -> Object:
    mount = {"name": "permit", "mountPath": "/permit", "readOnly": True}
    return {"containers": [{"name": "app", "volumeMounts": [mount]}], "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "permit", "hostPath": {"path": path, "type": "File"}}]}


def ready_pod(name: str, spec: Object) -> Object:
    return {"metadata": {"name": name, "uid": "uid-" + name,
                         "ownerReferences": [{"kind": "ReplicaSet", "name": "app-1", "uid": "rs", "controller": True}]},
            "spec": spec, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}


class Cluster:
    """One Deployment `app` with its pods. `asked` holds the writes; hooks run before a write takes effect."""

    def __init__(self, spec: Object) -> None:
        self.spec, self.pods = spec, {}  # type: Object, dict[str, Object]
        self.replicas, self.available, self.exists, self.version = 0, 0, True, 1
        self.asked: list[str] = []
        self.broken = b""  # answers everything when set
        self.on_scale: Callable[[int], None] = lambda replicas: None
        self.on_delete: Callable[[str], None] = lambda name: None
        self.closing = False
        self._changed = threading.Condition()

    def deployment(self) -> Object:
        return {"kind": "Deployment", "metadata": {"name": "app", "uid": "dep", "resourceVersion": str(self.version),
                                                   "generation": 1},
                "spec": {"replicas": self.replicas, "template": {"spec": self.spec}},
                "status": {"observedGeneration": 1, "availableReplicas": self.available}}

    def replica_set(self) -> Object:
        return {"metadata": {"name": "app-1", "uid": "rs", "ownerReferences": [
            {"kind": "Deployment", "name": "app", "uid": "dep", "controller": True}]},
            "spec": {"replicas": self.replicas, "template": {"spec": self.spec}}}

    def change(self, **values: object) -> None:
        with self._changed:
            for name, value in values.items():
                setattr(self, name, value)
            self.version += 1
            self._changed.notify_all()

    def serve(self, peer: ssl.SSLSocket) -> None:
        while text := request(peer):
            method, path = text.split(" ", 2)[:2]
            if "watch=1" in path and not self.broken:
                return self._watch(peer, int(path.partition("resourceVersion=")[2].split("&")[0]))
            if path == "/readyz" and b" 403 " in self.broken:  # a real refusal, not a server that is still starting
                peer.sendall(reply("ok"))
                continue
            peer.sendall(self.broken or self._answer(method, path, text.partition("\r\n\r\n")[2]))

    def _watch(self, peer: ssl.SSLSocket, since: int) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with self._changed:
            self._changed.wait_for(lambda: self.version > since or self.closing, 5.0)
        peer.sendall(b"3\r\n{}\n\r\n0\r\n\r\n")

    def _answer(self, method: str, path: str, body: str) -> bytes:
        if path == "/api/v1/namespaces/default/pods":
            return _found({"kind": "PodList", "items": list(self.pods.values())})
        if path.endswith("/replicasets"):
            return _found({"kind": "ReplicaSetList", "items": [self.replica_set()] if self.exists else []})
        if path.startswith(_DEPLOYMENT) and not self.exists or method == "GET" and path != _DEPLOYMENT:
            return reply(json.dumps({"kind": "Status", "message": "not found"}), "404 Not Found")
        return _found(self._write(method, path, json.loads(body)) if method != "GET" else self.deployment())

    def _write(self, method: str, path: str, body: Object) -> Object:
        if method == "PATCH" and path == _DEPLOYMENT + "/scale":
            replicas = body["spec"]["replicas"]
            self.asked.append(f"scale {replicas}")
            self.change(replicas=replicas)
            self.on_scale(replicas)
            return {"kind": "Scale"}
        assert method == "DELETE", (method, path)
        name = path.rpartition("/")[2]
        self.asked.append(f"delete {name} {body['preconditions']['uid']}")
        self.on_delete(name)
        return {"kind": "Pod"}


def _found(body: Object) -> bytes:
    return reply(json.dumps(body))


class Site:
    """The cluster with processes in place of kubelet: a pod runs while there is a permit, and ends when deleted."""

    def __init__(self, directory: Path, cluster: Cluster, permit: Permit) -> None:
        self.directory, self.cluster, self.permit = directory, cluster, permit
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.stack = ExitStack()
        cluster.on_scale, cluster.on_delete = self.scaled, self.deleted

    def grant(self) -> None:
        self.permit.announce()
        with self.permit.locked():
            self.permit.grant()
        self.permit.concluded()

    def scaled(self, replicas: int) -> None:
        if replicas and self.permit.state() == GRANTED:
            self.run(f"app-{self.cluster.version}")
        for name in list(self.cluster.pods) if not replicas else []:
            self.deleted(name)

    def run(self, name: str, *then: object) -> subprocess.Popen[str]:
        """A pod that runs: its object, and a process that holds the permit."""
        process = self.stack.enter_context(holder(self.permit.path, self.directory / name, then or ("sleep", "600")))
        self.processes[name] = process
        pods = {**self.cluster.pods, name: ready_pod(name, self.cluster.spec)}
        self.cluster.change(pods=pods, available=len(pods), replicas=max(self.cluster.replicas, 1))
        return process

    def deleted(self, name: str) -> None:
        if name in self.processes:
            self.processes[name].terminate()
            self.processes[name].wait(20)
        pods = {known: pod for known, pod in self.cluster.pods.items() if known != name}
        self.cluster.change(pods=pods, available=len(pods))

    def alive(self) -> list[str]:
        return [name for name, process in self.processes.items() if process.poll() is None]


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        lines = [line for line in self.err.splitlines() if line.startswith("ocf-exit-reason:")]
        assert len(lines) <= 1, self.err
        return lines[0].partition(":")[2] if lines else ""


def act(python: str, executable: Path, action: str, env: dict[str, str], *more: str,
        before: tuple[str, ...] = ()) -> Result:
    """The agent as Pacemaker runs it, with nothing in the environment but what is given."""
    done = subprocess.run([*before, python, "-IS", str(executable), *([action] if action else []), *more], env=env,
                          capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    return Result(done.returncode, done.stdout, done.stderr)


def environment(kubeconfig: object = "", permit_dir: object = "", **more: object) -> dict[str, str]:
    given: dict[str, object] = {"deployment": "app", "kubeconfig": kubeconfig, "permit_dir": permit_dir, **more}
    return {"OCF_RESKEY_" + name: str(value) for name, value in given.items() if value != ""} | {
        "OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "1", "OCF_RESOURCE_INSTANCE": "app",
        "OCF_EXIT_REASON_PREFIX": "ocf-exit-reason:", "OCF_RESKEY_CRM_meta_on_node": "site-a"}


def kubeconfig(authority: Path | str, port: int) -> str:
    return f"""\
current-context: c
contexts:
- name: c
  context:
    cluster: k
    user: u
clusters:
- name: k
  cluster:
    server: https://127.0.0.1:{port}
    certificate-authority: {authority}
users:
- name: u
  user:
    token: SECRET
"""


def write_kubeconfig(path: Path, authority: Authority, port: int) -> Path:
    path.write_text(kubeconfig(authority.ca, port))
    return path


def permit_at(directory: Path) -> Permit:
    return Permit(load({"OCF_RESKEY_deployment": "app", "OCF_RESKEY_permit_dir": str(directory)}))


@contextmanager
def api_of(cluster: Cluster, authority: Authority, directory: Path) -> Iterator[Path]:
    """A kubeconfig for the cluster's API, which is served meanwhile."""
    with serving(authority, cluster.serve) as server:
        yield write_kubeconfig(directory / "kubeconfig", authority, server.port)
        cluster.change(closing=True)
