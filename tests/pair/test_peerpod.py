"""The peer pod: only what it needs, on the right site, and Corosync before and after Pacemaker."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from k8sdeployment.pair import peerpod, timing
from k8sdeployment.pair.model import SNOPair
from tests.pair.sample import ARBITRATED, document, methods, pair, poisoned, quorate

TWO = [
    {"name": "web", "terminationGrace": "20s"},
    {"name": "db", "kind": "StatefulSet", "namespace": "data", "replicas": {"min": 0, "max": 3}},
]
MANAGED = pair(workloads=TWO)
VOTED = pair(workloads=TWO, quorum=ARBITRATED)
POISONED = pair(workloads=TWO, **poisoned())
READ = ["get", "list", "watch"]
SCALE = ["get", "update", "patch"]


def manifests(of: SNOPair = MANAGED, index: int = 0) -> list[dict[str, Any]]:
    return peerpod.manifests(of, of.spec.sites[index])


def only(kind: str, of: SNOPair = MANAGED, index: int = 0) -> dict[str, Any]:
    found = [manifest for manifest in manifests(of, index) if manifest["kind"] == kind]
    assert len(found) == 1
    return found[0]


def pod(of: SNOPair = MANAGED, index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = only("StatefulSet", of, index)["spec"]["template"]["spec"]
    return found


def containers(of: SNOPair = MANAGED, index: int = 0) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in pod(of, index)["initContainers"] + pod(of, index)["containers"]}


def test_manifests_stand_in_the_order_in_which_they_can_be_applied() -> None:
    assert [manifest["kind"] for manifest in manifests()] == [
        "Namespace", "ServiceAccount", "Role", "Role", "RoleBinding", "RoleBinding", "Role", "RoleBinding",
        "ConfigMap", "StatefulSet"]


@pytest.mark.parametrize("of", [MANAGED, VOTED, POISONED])
def test_nothing_is_privileged(of: SNOPair) -> None:
    for name, container in containers(of).items():
        context = container["securityContext"]
        assert "privileged" not in context and context["allowPrivilegeEscalation"] is False
        assert context["capabilities"]["drop"] == ["ALL"]
        assert not {"SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "SYS_MODULE"} & set(context["capabilities"]["add"]), name


def test_the_rights_are_the_least() -> None:
    roles = {one["metadata"]["namespace"]: one["rules"] for one in manifests() if one["kind"] == "Role"}
    reading = [
        {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "replicasets"], "verbs": READ},
        {"apiGroups": [""], "resources": ["pods"], "verbs": [*READ, "delete"]},
    ]
    conducting = roles.pop("aos-sno-pair")
    assert roles == {
        "data": [*reading, scaling("statefulsets/scale", "db")],
        "default": [*reading, scaling("deployments/scale", "web")],
    }
    assert not [manifest for manifest in manifests() if manifest["kind"].startswith("Cluster")]
    assert {resource for rule in conducting for resource in rule["resources"]} == {
        "snopairs", "snopairs/status", "events", "statefulsets", "pods"}
    assert all(rule.get("resourceNames") for rule in conducting if rule["resources"][0] in ("statefulsets", "pods"))


def scaling(resource: str, name: str) -> dict[str, Any]:
    return {"apiGroups": ["apps"], "resources": [resource], "verbs": SCALE, "resourceNames": [name]}


def test_the_account_s_token_is_only_where_the_api_is_asked() -> None:
    assert pod()["automountServiceAccountToken"] is False
    holders = {name for name, one in containers().items() if "account" in mounts(one)}
    assert holders == {"settle", "pacemaker", "conductor"}


def mounts(container: dict[str, Any]) -> dict[str, str]:
    return {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize("index, other", [(0, "bmc-site-b"), (1, "bmc-site-a")])
def test_a_site_holds_the_fencing_secret_of_the_other_alone(index: int, other: str) -> None:
    names = [volume["secret"]["secretName"] for volume in pod(MANAGED, index)["volumes"] if "secret" in volume]
    assert sorted(names) == sorted(["pair-key", other])


@pytest.mark.parametrize("index, word, file", [
    (0, "AOS_KNOWN_HOSTS", "bmc-site-b/known_hosts"), (1, "REQUESTS_CA_BUNDLE", "ca/ca.crt")])
def test_what_the_other_s_devices_prove_themselves_by_is_told_where_they_are_asked(
        index: int, word: str, file: str) -> None:
    for name, one in containers(pair(sites=methods()), index).items():
        told = {env["name"]: env.get("value") for env in one.get("env", ())}
        asks = name in ("pacemaker", "conductor")
        assert {told.get("AOS_KNOWN_HOSTS"), told.get("REQUESTS_CA_BUNDLE")} == (
            {None, f"/etc/aos/fencing/{file}"} if asks else {None})
        assert told.get(word) == (f"/etc/aos/fencing/{file}" if asks else None)
        assert (f"/etc/aos/fencing/{file.partition('/')[0]}" in mounts(one).values()) == asks


def test_no_secret_is_readable_by_others() -> None:
    for mode in modes(pod(VOTED)["volumes"]):
        assert mode == 0o400


def test_the_arbitrator_is_asked_by_a_container_of_its_own_and_it_alone_has_the_key() -> None:
    assert "qdevice" not in containers() and "qdevice" not in str(pod()["volumes"])
    assert [one["name"] for one in pod(VOTED)["initContainers"]] == ["settle", "corosync", "qdevice"]
    asking = containers(VOTED)["qdevice"]
    assert asking["restartPolicy"] == "Always" and not [key for key in asking if key.endswith("Probe")]
    assert asking["securityContext"]["readOnlyRootFilesystem"]
    (mount,) = [one for one in asking["volumeMounts"] if one["name"] == "qdevice"]
    assert mount == {"name": "qdevice", "mountPath": "/etc/corosync/qdevice/net/nssdb", "readOnly": True}
    assert {name for name, one in containers(VOTED).items() if "qdevice" in mounts(one)} == {"qdevice"}
    (volume,) = [one for one in pod(VOTED)["volumes"] if one["name"] == "qdevice"]
    assert volume["secret"]["secretName"] == "arbitrator"
    assert [one["path"] for one in volume["secret"]["items"]] == ["cert9.db", "key4.db", "pkcs11.txt"]


def modes(volumes: list[dict[str, Any]]) -> Iterator[int]:
    """The mode of every file that comes from a Secret."""
    for volume in volumes:
        if "secret" in volume:
            yield volume["secret"]["defaultMode"]
        for source in volume.get("projected", {}).get("sources", []):
            yield from (item["mode"] for item in source.get("secret", {}).get("items", []))


def test_a_poison_pill_needs_the_disk_where_it_is_read_and_where_it_is_written() -> None:
    assert "sbd" not in containers() and not any(one.get("volumeDevices") for one in containers().values())
    for index, first in ((0, "yes"), (1, "no")):
        assert [one["name"] for one in pod(POISONED, index)["initContainers"]] == [
            "settle", "corosync", "sbd"], "it ends after Pacemaker, and Pacemaker begins after it"
        found = containers(POISONED, index)
        disk = [{"name": "pill", "devicePath": "/dev/snopair-pill"}]
        assert {name for name, one in found.items() if one.get("volumeDevices") == disk} == {
            "sbd", "pacemaker", "conductor"}
        told = {one["name"]: one["value"] for one in found["sbd"]["env"]}
        assert (told["SITE"], told["FIRST"], told["WATCHDOG"]) == (f"site-{'ab'[index]}", first, "/dev/watchdog")
    volumes = {one["name"]: one for one in pod(POISONED)["volumes"]}
    assert volumes["pill"] == {"name": "pill", "persistentVolumeClaim": {"claimName": "pill"}}
    assert volumes["watchdog"]["hostPath"] == {"path": "/dev/watchdog", "type": "CharDevice"}


def test_a_poison_pill_without_a_disk_needs_the_watchdog_alone() -> None:
    of = pair(**quorate())
    assert [one["name"] for one in pod(of)["initContainers"]] == [
        "settle", "corosync", "qdevice", "sbd"], "it lets go of the watchdog before the vote goes"
    assert not any(one.get("volumeDevices") for one in containers(of).values())
    told = {one["name"]: one["value"] for one in containers(of)["sbd"]["env"]}
    assert told["DISK"] == "no" and "FIRST" not in told
    names = {one["name"] for one in pod(of)["volumes"]}
    assert "watchdog" in names and "pill" not in names


def test_a_watchdog_may_come_from_a_device_plugin() -> None:
    spec = poisoned()
    spec["fencing"]["poisonPill"]["watchdogResource"] = "example.org/watchdog"
    of = pair(**spec)
    assert "watchdog" not in {one["name"] for one in pod(of)["volumes"]}
    sbd = containers(of)["sbd"]
    assert "watchdog" not in mounts(sbd) and sbd["resources"]["limits"] == {"example.org/watchdog": "1"}


def test_only_corosync_sees_the_authkey() -> None:
    assert {name for name, one in containers().items() if "corosync" in mounts(one)} == {"corosync"}


@pytest.mark.parametrize("of", [MANAGED, VOTED])
def test_every_mount_has_its_volume_and_every_volume_is_mounted(of: SNOPair) -> None:
    volumes = [volume["name"] for volume in pod(of)["volumes"]]
    assert len(volumes) == len(set(volumes))
    assert set(volumes) == {name for one in containers(of).values() for name in mounts(one)}


def test_corosync_starts_before_pacemaker_and_ends_after_it() -> None:
    settle, corosync = pod()["initContainers"]
    assert (settle["name"], corosync["name"], corosync["restartPolicy"]) == ("settle", "corosync", "Always")
    assert "startupProbe" in corosync and "restartPolicy" not in settle
    assert [one["name"] for one in pod()["containers"]] == ["pacemaker", "pcsd", "conductor"]


def test_no_probe_can_kill_a_daemon_that_works() -> None:
    assert not [name for name, one in containers().items() if "livenessProbe" in one]


def test_settle_is_told_every_gated_workload() -> None:
    assert containers()["settle"]["command"][-1] == "@/etc/aos/pair/workloads"
    assert mounts(containers()["settle"])["workloads"] == "/etc/aos/pair"
    assert only("ConfigMap")["data"]["workloads"].split() == ["default/deployment/web", "data/statefulset/db"]


def test_another_workload_makes_no_running_peer_an_old_one() -> None:
    assert pod(pair()) == pod(MANAGED)


def test_the_pod_may_take_as_long_to_end_as_its_slowest_stops() -> None:
    web, db = MANAGED.spec.workloads
    assert timing.stop(web) > timing.API_GRACE + 20
    assert pod()["terminationGracePeriodSeconds"] > timing.stop(web) + timing.stop(db)


def test_the_local_api_is_said_outright() -> None:
    of = pair(peer={"api": {"host": "api-int.example.org", "port": 7443}})
    for name in ("settle", "pacemaker", "conductor"):
        environment = {entry["name"]: entry.get("value") for entry in containers(of)[name]["env"]}
        assert environment["KUBERNETES_SERVICE_HOST"] == "api-int.example.org"
        assert environment["KUBERNETES_SERVICE_PORT"] == "7443"


def test_the_pod_runs_on_its_own_node_and_sees_its_processes() -> None:
    terms = pod()["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms[0]["matchFields"][0]["values"] == ["site-a.example.org"]
    assert pod()["hostNetwork"] and pod()["hostPID"]
    assert pod()["priorityClassName"] == "system-node-critical"


def test_nothing_secret_is_in_the_manifests_and_they_are_plain_json() -> None:
    assert json.loads(json.dumps(manifests())) == manifests()
    assert not [manifest for manifest in manifests() if manifest["kind"] == "Secret"]


def test_a_new_corosync_conf_shows_in_the_pod_and_restarts_nothing_by_itself() -> None:
    changed = document(corosync={"token": "5s"})["spec"]["corosync"]
    before, after = (only("StatefulSet", of)["spec"] for of in (pair(), pair(corosync=changed)))
    assert before["template"]["metadata"]["annotations"] != after["template"]["metadata"]["annotations"]
    assert after["updateStrategy"] == {"type": "OnDelete"}
