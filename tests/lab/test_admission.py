"""Which pods the policies of deploy/admission let in, asked of a real API server (with a kubelet: test_permit.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from k8sdeployment.agent import gate
from k8sdeployment.pair import admission, openshift
from lab import waiting

from .policies import DEPLOY, GATED, NARROW, OWN, PLAIN, Api, Object, container, owner, path_of, pod

pytestmark = pytest.mark.beside


def test_the_api_server_finds_no_fault_in_the_expressions(policed: Api) -> None:
    """It checks every expression against the types of what the policy looks at, and writes warnings down."""
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    names = {item["metadata"]["name"] for item in admission.policies()}

    def checked() -> dict[str, Object]:
        items = policed.plane.ask("GET", policies)[1]["items"]
        found = {item["metadata"]["name"]: item["status"]["typeChecking"] for item in items
                 if "typeChecking" in item.get("status", {})}
        return found if found.keys() == names else {}

    assert waiting.until(checked, "the type check", 20) == {name: {} for name in names}


# -- a whole gate --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_the_pods_that_real_controllers_make_are_admitted(policed: Api, kind: str) -> None:
    """Also with names that look like one with a hash, or contain dots: the ReplicaSet's own name is taken apart."""
    name = "web-6d4cf56db6" + (".v1" if kind == "Deployment" else "")
    spec = {**pod(path_of(name, kind.lower(), GATED))["spec"]}
    labels = {"app": name}
    workload = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": {
        "replicas": 1, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": spec}}}
    policed.write(f"/apis/apps/v1/namespaces/{GATED}/{kind.lower()}s", workload)
    pods = f"/api/v1/namespaces/{GATED}/pods?labelSelector=app={name}"
    waiting.until(lambda: policed.plane.ask("GET", pods)[1].get("items"), "the workload's pod", 20,
                  lambda: policed.plane.kubectl("get", "events", "-n", GATED))


def test_pods_without_a_permit_are_none_of_its_business(policed: Api) -> None:
    other = pod("/run/aos")
    other["metadata"]["ownerReferences"] = []
    assert policed.create(other)[0] == 201, "the peer pod's own volume"
    assert policed.create(pod("/var/log", containers=[container("one", volumeMounts=[])], initContainers=[]))[0] == 201


def changed(change: Callable[[Object], object]) -> Object:
    made = pod()
    change(made)
    return made


def mounts(made: Object, group: str = "containers") -> Object:
    found: Object = made["spec"][group][0]["volumeMounts"][0]
    return found


def volume(made: Object) -> Object:
    found: Object = made["spec"]["volumes"][0]["hostPath"]
    return found


HALF: dict[str, tuple[Callable[[Object], object], str]] = {
    "not a file": (lambda made: volume(made).update(type="FileOrCreate"), "must be of type File"),
    "no type": (lambda made: volume(made).pop("type"), "must be of type File"),
    "not mounted": (lambda made: made["spec"]["containers"][1].pop("volumeMounts"), "not by: two."),
    "not mounted in an init container": (lambda made: made["spec"]["initContainers"][0].pop("volumeMounts"),
                                         "not by: init."),
    "writable": (lambda made: mounts(made).update(readOnly=False), "readOnly: true; it is not by: one."),
    "writable in an init container": (lambda made: mounts(made, "initContainers").pop("readOnly"), "not by: init."),
    "subPath": (lambda made: mounts(made).update(subPath="x"), "without subPath"),
    "subPathExpr": (lambda made: mounts(made).update(subPathExpr="$(X)"), "without subPath"),
    "grace 0": (lambda made: made["spec"].update(terminationGracePeriodSeconds=0), "must not be 0"),
    "user namespace": (lambda made: made["spec"].update(hostUsers=False), "hostUsers must not be false"),
    "two volumes": (lambda made: made["spec"]["volumes"].append(
        {"name": "more", "hostPath": {"path": path_of("app"), "type": "File"}}), "has 2 hostPath volumes"),
    "another workload": (lambda made: volume(made).update(path=path_of("other")),
                         f"but its own is {OWN}, spelled exactly so."),
    "another kind": (lambda made: volume(made).update(path=path_of("app", "statefulset")), "but its own is"),
    "another namespace": (lambda made: volume(made).update(path=path_of("app", namespace=GATED)), "but its own is"),
    "the directory itself": (lambda made: volume(made).update(path="/run/aos/permits", type="Directory"),
                             "but its own is"),
    "another spelling": (lambda made: volume(made).update(path=f"//run/.{OWN[4:]}"), "spelled exactly so"),
    "by way of a link": (lambda made: volume(made).update(path=f"/var{OWN}"), "spelled exactly so"),
}


@pytest.mark.parametrize("fault", HALF)
def test_a_half_gated_pod_is_refused(policed: Api, fault: str) -> None:
    """The agent would refuse to start its workload, too: both have the same idea of a whole gate."""
    change, words = HALF[fault]
    half = changed(change)
    status, message = policed.create(half)
    assert status == 422 and "aos-gate" in message and words in message
    assert gate.faults(half["spec"], OWN)


def test_the_whole_gate_is_whole_for_both(policed: Api) -> None:
    assert policed.create(pod())[0] == 201
    assert gate.faults(pod()["spec"], OWN) == []


@pytest.mark.parametrize("owners", [
    [], owner("Job", "app"), owner("ReplicaSet", "app-otherhash"), owner("ReplicaSet", "6d4cf56db6"),
    [{**owner("ReplicaSet", "app-6d4cf56db6")[0], "controller": False}],
    [{**owner("StatefulSet", "app")[0], "apiVersion": "other.example/v1"}],
], ids=["nobody", "Job", "other hash", "no name", "not its controller", "another API"])
def test_a_stray_at_a_permit_is_refused(policed: Api, owners: list[Object]) -> None:
    """However whole its gate is: it would run beside the workload, and nobody would start it again elsewhere."""
    status, message = policed.create(changed(lambda made: made["metadata"].update(ownerReferences=owners)))
    assert status == 422 and "belongs to no Deployment and no StatefulSet" in message


def test_a_debug_container_mounts_the_permit_or_is_refused(policed: Api) -> None:
    """kubectl debug adds containers to a running pod; one without the permit would outlive its withdrawal unseen."""
    name = "debugged"
    policed.stand(pod(), name)
    path = f"/api/v1/namespaces/{PLAIN}/pods/{name}/ephemeralcontainers?dryRun=All"
    bare = {"name": "debug", "image": "app", "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}

    def debug(added: Object) -> tuple[int, str]:
        body = {"spec": {"ephemeralContainers": [added]}}
        status, answer = policed.plane.ask("PATCH", path, body, content="application/strategic-merge-patch+json")
        return status, str(answer.get("message", ""))

    status, message = debug(bare)
    assert status == 422 and "not by: debug." in message
    assert debug({**bare, "volumeMounts": container("x")["volumeMounts"]})[0] == 200
    policed.plane.kubectl("label", "pod", name, "-n", PLAIN, "pod-template-hash-")
    assert debug({**bare, "volumeMounts": container("x")["volumeMounts"]})[0] == 200, "an orphan may be debugged"


# -- no other hostPath ---------------------------------------------------------------------------------------------

def with_log(namespace: str, annotations: dict[str, str] | None = None) -> Object:
    made = pod(path_of("app", namespace=namespace), namespace=namespace)
    made["spec"]["volumes"].append({"name": "log", "hostPath": {"path": "/var/log"}})
    made["metadata"]["annotations"] = annotations or {}
    return made


def test_a_narrow_namespace_admits_permits_and_no_other_host_path(policed: Api) -> None:
    status, message = policed.create(with_log(NARROW))
    assert status == 403 and "these are others: log (/var/log)." in message
    assert policed.create(pod(path_of("app", namespace=NARROW), namespace=NARROW))[0] == 201
    assert policed.create(with_log(GATED))[0] == 201


def test_the_scc_is_narrowed_by_the_annotation_that_openshift_writes(policed: Api) -> None:
    scc = openshift.manifests()[0]["metadata"]["name"]
    status, message = policed.create(with_log(PLAIN, {admission.SCC_ANNOTATION: scc}))
    assert status == 403 and "log (/var/log)" in message
    assert policed.create(with_log(PLAIN, {admission.SCC_ANNOTATION: "privileged"}))[0] == 201


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_pod_security_below_privileged_refuses_every_gated_pod(policed: Api, level: str) -> None:
    """Why the namespace's level must be privileged."""
    name = f"level-{level}"
    labels = {"pod-security.kubernetes.io/enforce": level}
    policed.namespace(name, labels)
    made = pod(path_of("app", namespace=name), namespace=name)

    def refused() -> str:
        status, message = policed.create(made)
        return message if status == 403 and "hostPath" in message else ""

    assert "PodSecurity" in waiting.until(refused, "Pod Security's refusal", 20)


def test_the_component_labels_the_namespaces_of_a_kustomization(policed: Api, tmp_path: Path) -> None:
    """As docs/permit.md says: `components:` in a person's own kustomization."""
    (tmp_path / "own").mkdir()
    (tmp_path / "namespace").symlink_to(DEPLOY / "namespace")
    (tmp_path / "own/shop.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n")
    (tmp_path / "own/kustomization.yaml").write_text("resources: [shop.yaml]\ncomponents: [../namespace]\n")
    made = json.loads(policed.plane.kubectl("create", "--dry-run=server", "-o", "json", "-k", str(tmp_path / "own")))
    assert made["metadata"]["name"] == "shop"
    assert admission.namespace_labels().items() <= made["metadata"]["labels"].items()


def test_applying_the_manifests_again_changes_nothing(policed: Api) -> None:
    """Else a GitOps loop would write them for ever."""
    lines = policed.plane.kubectl("apply", "-k", str(DEPLOY / "admission")).split("\n")
    assert [line for line in lines if line and not line.endswith(" unchanged")] == []
