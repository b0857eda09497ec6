"""The gate is added whole, once, and only where it holds; what the agent calls whole is the judge."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from k8sdeployment.agent import gate
from k8sdeployment.agent.parameters import load
from k8sdeployment.pair import gating

Manifest = dict[str, Any]
PATH = "/run/aos/permits/shop/deployment/web"


def manifest(**pod: Any) -> Manifest:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": {"spec": {"containers": [{"name": "one", "image": "i"}], **pod}}}}


def pod_of(made: Manifest) -> Manifest:
    spec: Manifest = made["spec"]["template"]["spec"]
    return spec


def permit(**changed: Any) -> Manifest:
    return {"name": "permit", "hostPath": {"path": PATH, "type": "File"}, **changed}


def test_the_path_is_the_agents_own() -> None:
    own = load({"OCF_RESKEY_deployment": "web", "OCF_RESKEY_namespace": "shop", "OCF_RESKEY_kind": "StatefulSet"})
    assert gating.path("shop", "StatefulSet", "web") == own.permit_path


def test_a_gate_is_added_to_every_container() -> None:
    before = manifest(initContainers=[{"name": "first"}], containers=[{"name": "one"}, {"name": "two"}])
    kept = copy.deepcopy(before)
    made = gating.add(before)
    assert before == kept, "what was given is not touched"
    assert gate.faults(pod_of(made.manifest), PATH) == [] and made.refused == ""
    assert len(made.done) == 4 and gating.faults(before) and not gating.faults(made.manifest)


names = some.sampled_from(["permit", "aos-permit", "aos-permit-2", "data"])
places = some.sampled_from(["/run", "/run/permit", "/run/permit/", "/permit", "/permit/x", "/aos", "/aos-permit"])
volumes = some.lists(some.fixed_dictionaries({"name": names, "emptyDir": some.just({})}),
                     unique_by=lambda volume: str(volume["name"]))
mounts = some.lists(some.fixed_dictionaries({"name": some.just("data"), "mountPath": places}), max_size=4)
containers = some.lists(some.fixed_dictionaries({"name": some.sampled_from("abc"), "volumeMounts": mounts}), min_size=1)


@given(volumes, containers, containers)
def test_nothing_collides_and_twice_is_once(found: list[Manifest], init: list[Manifest], main: list[Manifest]) -> None:
    before = manifest(volumes=found, initContainers=init, containers=main)
    made = gating.add(before)
    assert made.refused == "" and gate.faults(pod_of(made.manifest), PATH) == []
    assert len({one["name"] for one in pod_of(made.manifest)["volumes"]}) == len(found) + 1
    for one in [*pod_of(made.manifest)["initContainers"], *pod_of(made.manifest)["containers"]]:
        *others, own = [mount["mountPath"].rstrip("/") for mount in one["volumeMounts"]]
        assert not any(f"{own}/".startswith(f"{other}/") for other in others)
    assert gating.add(made.manifest) == gating.Gated(made.manifest)


@pytest.mark.parametrize("volume", [
    permit(hostPath={"path": PATH}), permit(hostPath={"path": PATH, "type": "FileOrCreate"}),
    permit(hostPath={"path": f"/var{PATH}", "type": "File"}), permit(hostPath={"path": f"/{PATH}/", "type": "File"})])
def test_a_volume_that_is_not_quite_right_is_mended(volume: Manifest) -> None:
    made = gating.add(manifest(volumes=[volume]))
    assert pod_of(made.manifest)["volumes"] == [permit()] and len(made.done) == 2


@pytest.mark.parametrize("mount", [{"readOnly": False}, {"subPath": "x", "readOnly": True}, {"subPathExpr": "$(X)"}])
def test_a_mount_that_is_not_quite_right_is_mended(mount: Manifest) -> None:
    one = {"name": "one", "volumeMounts": [{"name": "permit", "mountPath": "/p", **mount}]}
    made = gating.add(manifest(volumes=[permit()], containers=[one]))
    assert pod_of(made.manifest)["containers"][0]["volumeMounts"] == [
        {"name": "permit", "mountPath": "/p", "readOnly": True}]


def test_a_second_volume_for_the_permit_goes_with_its_mounts() -> None:
    one = {"name": "one", "volumeMounts": [{"name": "more", "mountPath": "/m", "readOnly": True}]}
    made = gating.add(manifest(volumes=[permit(), permit(name="more")], containers=[one]))
    assert pod_of(made.manifest)["volumes"] == [permit()] and not gating.faults(made.manifest)


@pytest.mark.parametrize("wrong,words", [
    (manifest(terminationGracePeriodSeconds=0), "terminationGracePeriodSeconds is 0"),
    (manifest(hostUsers=False), "hostUsers is false"),
    (manifest(volumes=[permit(hostPath={"path": "/run/aos/permits/shop/deployment/db"})]), "not this workload's own"),
    (manifest(volumes=[permit(hostPath={"path": "//run/aos/permits"})]), "not this workload's own"),
    (manifest(containers=[]), "no spec.template.spec.containers"),
    ({"kind": "DaemonSet", "metadata": {"name": "x"}}, "must be a Deployment or a StatefulSet"),
    ({"kind": "Deployment"}, "metadata.name is missing"),
])
def test_what_cannot_hold_is_refused_and_left_alone(wrong: Manifest, words: str) -> None:
    made = gating.add(wrong)
    assert words in made.refused and made.manifest == wrong and made.done == ()


def test_a_claim_template_takes_no_gates_place() -> None:
    """The StatefulSet's controller replaces a volume that has the name of a claim."""
    claims = [{"metadata": {"name": "permit"}}]
    one = {**manifest(), "kind": "StatefulSet"}
    one["spec"]["volumeClaimTemplates"] = claims
    made = gating.add(one)
    assert [volume["name"] for volume in pod_of(made.manifest)["volumes"]] == ["aos-permit"]
    own = "/run/aos/permits/shop/statefulset/web"
    pod_of(one)["volumes"] = [{"name": "permit", "hostPath": {"path": own, "type": "File"}}]
    assert "volume permit has the name of a claim template" in gating.add(one).refused


def test_the_namespace_may_be_told() -> None:
    one = manifest()
    del one["metadata"]["namespace"]
    assert pod_of(gating.add(one, "shop").manifest)["volumes"] == [permit()]
    assert "/permits/default/" in pod_of(gating.add(one).manifest)["volumes"][0]["hostPath"]["path"]
