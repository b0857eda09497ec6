"""A real API server with the policies of deploy/admission, and pods to try on it.

Creations and deletions are dry runs: admission answers them as any other, and nothing has to be tidied up.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8sdeployment.pair import admission
from lab import waiting
from lab.errors import LabError
from lab.plane import Plane

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
GATED, NARROW, PLAIN = "gated", "narrow", "plain"  # namespaces: with labels, with the second one too, without
NODE = "site-a"
FORCE = ("--force", "--grace-period=0")
Object = dict[str, Any]


def owner(kind: str, name: str) -> list[Object]:
    return [{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1", "controller": True}]


def path_of(name: str, kind: str = "deployment", namespace: str = PLAIN) -> str:
    return f"/run/aos/permits/{namespace}/{kind}/{name}"


OWN = path_of("app")


def container(name: str, **fields: Any) -> Object:
    return {"name": name, "image": "app",
            "volumeMounts": [{"name": "permit", "mountPath": "/run/permit", "readOnly": True}], **fields}


def pod(path: str = OWN, namespace: str = PLAIN, **spec: Any) -> Object:
    """A pod of the Deployment `app`, as its ReplicaSet would make it; keywords replace fields of its spec."""
    meta = {"name": "app-6d4cf56db6-x", "namespace": namespace, "labels": {"pod-template-hash": "6d4cf56db6"},
            "ownerReferences": owner("ReplicaSet", "app-6d4cf56db6")}
    made = {"containers": [container("one"), container("two")], "initContainers": [container("init")],
            "volumes": [{"name": "permit", "hostPath": {"path": path, "type": "File"}}], "nodeName": NODE,
            "serviceAccountName": "default", "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {**made, **copy.deepcopy(spec)}}


class Api:
    """The plane with the policies in force."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane

    def write(self, path: str, body: Object, method: str = "POST") -> Object:
        status, answer = self.plane.ask(method, path, body)
        assert 200 <= status < 300, answer
        return answer

    def namespace(self, name: str, labels: dict[str, str]) -> None:
        """One in which pods can be created; it may have been there."""
        status, answer = self.plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        assert status in (201, 409), answer
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        waiting.until(lambda: self.plane.ask("GET", account)[0] == 200, f"{name}'s service account", 20)

    def create(self, what: Object, really: str = "?dryRun=All") -> tuple[int, str]:
        """Status and message of a creation."""
        path = f"/api/v1/namespaces/{what['metadata']['namespace']}/pods{really}"
        status, answer = self.plane.ask("POST", path, what)
        return status, str(answer.get("message", ""))

    def stand(self, what: Object, name: str) -> None:
        """A pod that is there and stays: its ReplicaSet exists, or the garbage collector would delete it, and lets it
        go at once, for it selects others."""
        namespace = what["metadata"]["namespace"]
        labels = {"app": "others"}
        body = {"metadata": {"name": "app-6d4cf56db6"}, "spec": {
            "replicas": 0, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "one", "image": "app"}]}}}}
        sets = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
        self.plane.ask("POST", sets, body)
        made = self.plane.ask("GET", f"{sets}/app-6d4cf56db6")[1]["metadata"]
        what["metadata"] |= {"name": name, "ownerReferences": [{**what["metadata"]["ownerReferences"][0],
                                                                "uid": made["uid"]}]}
        status, message = self.create(what, really="")
        assert status == 201, message
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        waiting.until(lambda: "ownerReferences" not in self.plane.ask("GET", path)[1]["metadata"], "its release", 20)

    def delete(self, name: str, *options: str, by: str = "") -> str:
        """What kubectl is told; "" when the deletion is admitted. `by`: a user; a node's is in the nodes' group."""
        user = [f"--as={by}", *(["--as-group=system:nodes"] if by.startswith("system:node:") else [])] if by else []
        argv = [*user, "delete", "pod", name, "-n", PLAIN, "--dry-run=server", "--wait=false", *options]
        return str(self.attempt(argv))

    def attempt(self, argv: list[str]) -> str:
        try:
            self.plane.kubectl(*argv)
        except LabError as error:
            return str(error)
        return ""


def in_force(policed: Api) -> bool:
    """The API server learns of its policies from a watch, the one after the other."""
    unnamed = pod()
    unnamed["metadata"]["ownerReferences"] = []
    other = pod(namespace=NARROW, volumes=[{"name": "log", "hostPath": {"path": "/var/log"}}],
                containers=[container("one", volumeMounts=[])], initContainers=[])
    return policed.create(unnamed)[0] == 422 and policed.create(other)[0] == 403


@pytest.fixture(scope="module")
def policed(plane: Plane) -> Iterator[Api]:
    """The manifests as a person applies them; they are cluster-wide, so they go when the module is done."""
    made = Api(plane)
    labels = {GATED: admission.namespace_labels(permits_only=False), NARROW: admission.namespace_labels(), PLAIN: {}}
    for name, own in labels.items():
        made.namespace(name, own)
    apply(made)
    yield made
    plane.kubectl("delete", "-k", str(DEPLOY / "admission"))


def apply(policed: Api) -> None:
    """Returns when they are in force."""
    policed.plane.kubectl("apply", "-k", str(DEPLOY / "admission"))
    waiting.until(lambda: in_force(policed), "the policies in force", 20)
