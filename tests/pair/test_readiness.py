"""What a pod asks for, and the sentence why a site could not run it. Each reason is seen to come and to go."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from k8sdeployment.pair import gating, needs
from k8sdeployment.pair.model import Replicas, Workload
from k8sdeployment.pair.needs import Reference
from k8sdeployment.pair.readiness import Gathered, absent, judge

Object = dict[str, Any]
WEB = Workload(name="web", namespace="shop")


def workload(**pod: Any) -> Object:
    one = {"name": "one", "image": "web:1", "resources": {"requests": {"cpu": "500m", "memory": "64Mi"}}}
    made = {"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": {"spec": {"containers": [one], **pod}}}}
    return gating.add(made).manifest


def node(images: tuple[str, ...] = ("docker.io/library/web:1",), **spec: Any) -> Object:
    return {"metadata": {"name": "n", "labels": {"disk": "ssd"}}, "spec": spec, "status": {
        "conditions": [{"type": "Ready", "status": "True"}], "images": [{"names": [name]} for name in images],
        "allocatable": {"cpu": "2", "memory": "1Gi", "pods": "10"}}}


def reason(**changed: Any) -> str:
    found = {"workload": WEB, "document": workload(), "node": node(), **changed}
    ready, words = judge(Gathered(**found))
    assert ready == (words == "")
    return words


def test_a_site_that_lacks_nothing_is_ready() -> None:
    assert reason() == ""


def unready() -> Object:
    found = node()
    found["status"]["conditions"] = [{"type": "Ready", "status": "False", "message": "no network"}]
    return found


UNGATED = {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"name": "one", "image": "web:1"}]}}}}


def half() -> Object:
    found = workload()
    found["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = []
    return found


@pytest.mark.parametrize("changed,words", [
    ({"document": UNGATED}, "its pod template has no gate: scale it to 0 once, and the operator adds it"),
    ({"document": half()}, "its gate is not whole: container one does not mount permit"),
    ({"node": unready()}, "node n is not Ready: no network"),
    ({"node": node(unschedulable=True)}, "node n is cordoned: `kubectl uncordon n`"),
    ({"node": node(taints=[{"key": "k", "effect": "NoSchedule"}])},
     "node n has the taint k:NoSchedule, which its pods do not tolerate"),
    ({"document": workload(nodeSelector={"disk": "hdd"})},
     "node n has no label disk=hdd, which its nodeSelector asks for"),
    ({"node": node(images=())}, "image web:1 is not on node n: pull it there"),
    ({"missing": {Reference("Secret", "s"): frozenset()}}, "Secret s, which its pods refer to, is missing"),
    ({"missing": {Reference("ConfigMap", "c", frozenset("ab")): frozenset("b")}},
     "ConfigMap c, which its pods refer to, has no key b"),
    ({"workload": WEB.model_copy(update={"replicas": Replicas(max=5)})},
     "node n has too little cpu (asks for 2.5, 2 are free)"),
    ({"others": ({"containers": [{"resources": {"requests": {"memory": "1000Mi"}}}]},)},
     "node n has too little memory (asks for 64Mi, 24Mi are free)"),
])
def test_why_not(changed: Object, words: str) -> None:
    assert reason(**changed) == words


@pytest.mark.parametrize("changed", [
    {"document": UNGATED, "workload": WEB.model_copy(update={"gate": False})},
    {"node": node(taints=[{"key": "k", "effect": "PreferNoSchedule"}])},
    {"document": workload(tolerations=[{"operator": "Exists"}]), "node": node(taints=[{"key": "k",
                                                                                      "effect": "NoSchedule"}])},
    {"document": workload(nodeSelector={"disk": "ssd"})},
    {"node": node(images=tuple(f"x:{number}" for number in range(50)))},
])
def test_what_is_no_reason(changed: Object) -> None:
    assert reason(**changed) == ""


@pytest.mark.parametrize("written,told", [
    ("web", "docker.io/library/web:latest"), ("me/web:1", "docker.io/me/web:1"),
    ("docker.io/web:1", "docker.io/library/web:1"), ("localhost/web:dev", "localhost/web:dev"),
    ("host:5000/web", "host:5000/web:latest"), ("quay.io/a/b:1@sha256:00", "quay.io/a/b@sha256:00"),
    ("quay.io:443/a@sha256:00", "quay.io:443/a@sha256:00")])
def test_images_are_compared_by_their_full_names(written: str, told: str) -> None:
    assert absent(node(images=(told,)), [written]) == []
    assert absent(node(images=("quay.io/else:1",)), [written]) == [written]


@pytest.mark.parametrize("text,value", [
    ("1", "1"), (2, "2"), ("100m", "0.1"), ("1Ki", "1024"), ("1k", "1000"), ("1.5Gi", "1610612736"), ("1e3", "1000"),
    ("2E", "2000000000000000000"), ("12n", "0.000000012"), ("nonsense", "0"), ("", "0"), (None, "0")])
def test_quantities(text: Any, value: str) -> None:
    assert needs.quantity(text) == Decimal(value)


def asking(cpu: str, **more: Any) -> Object:
    return {"resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize("pod,cpu", [
    ({"containers": [asking("1"), asking("500m")]}, "1.5"),
    ({"containers": [asking("1")], "initContainers": [asking("3")]}, "3"),
    ({"containers": [asking("1")], "initContainers": [asking("1", restartPolicy="Always")]}, "2"),
    ({"containers": [asking("1")], "initContainers": [asking("2", restartPolicy="Always"), asking("3")]}, "5"),
    ({"containers": [asking("1")], "initContainers": [asking("3"), asking("1", restartPolicy="Always")]}, "3"),
    ({"containers": [{"resources": {"limits": {"cpu": "4"}}}], "overhead": {"cpu": "1"}}, "5"),
])
def test_room_is_counted_as_the_scheduler_counts_it(pod: Object, cpu: str) -> None:
    """The cases of "Init containers: resource sharing within containers" and "Sidecar containers" in its documents."""
    assert needs.requests(pod)["cpu"] == Decimal(cpu)
    assert needs.requests(pod)["pods"] == 1


def test_references_that_must_be_there() -> None:
    optional = {"optional": True}
    pod = {
        "serviceAccountName": "sa", "imagePullSecrets": [{"name": "pull"}],
        "volumes": [
            {"secret": {"secretName": "s", "items": [{"key": "k"}]}}, {"configMap": {"name": "no", **optional}},
            {"projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "p"}},
                                       {"downwardAPI": {}}, {"serviceAccountToken": {"path": "t"}}]}},
            {"persistentVolumeClaim": {"claimName": "data"}}, {"emptyDir": {}}],
        "initContainers": [{"envFrom": [{"configMapRef": {"name": "e"}}, {"secretRef": {"name": "no", **optional}}]}],
        "containers": [{"env": [{"name": "A", "value": "1"},
                                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "b"}}},
                                {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "x"}}},
                                {"name": "D", "valueFrom": {"secretKeyRef": {"name": "no", "key": "x", **optional}}}]}],
    }
    before = copy.deepcopy(pod)
    assert needs.references(pod) == [
        Reference("ConfigMap", "c", frozenset("x")), Reference("ConfigMap", "e"),
        Reference("PersistentVolumeClaim", "data"), Reference("Secret", "p"), Reference("Secret", "pull"),
        Reference("Secret", "s", frozenset("kb")), Reference("ServiceAccount", "sa")]
    assert pod == before
    assert needs.references({"containers": []}) == [Reference("ServiceAccount", "default")]
