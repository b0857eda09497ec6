"""The bundle: each site whole by itself, and no secret where it is not needed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml

from k8sdeployment.pair import bundle, cr, crd, installation
from k8sdeployment.pair.advice import advice
from k8sdeployment.pair.bundle import Keys
from tests.pair.sample import ARBITRATED, document, methods, pair, site

KEYS = Keys(b"k" * bundle.KEY_BYTES, b"word-of-hacluster")
PASSWORDS = {("bmc-site-a", "password"): b"secret-of-a", ("bmc-site-b", "password"): b"secret-of-b"}
INSTALL = [*installation.manifests(), crd.manifest()]


def made(**spec: Any) -> dict[str, list[dict[str, Any]]]:
    return bundle.bundle(pair(**spec), document(**spec), INSTALL, KEYS, PASSWORDS)


def secrets(name: str) -> dict[str, dict[str, bytes]]:
    return {one["metadata"]["name"]: {key: base64.b64decode(value) for key, value in one["data"].items()}
            for one in made()[f"{name}/secrets.yaml"]}


def test_a_site_holds_the_password_of_the_other_sites_bmc_and_never_its_own() -> None:
    keys = {"authkey": b"k" * 256, "hacluster": b"word-of-hacluster"}
    assert secrets("site-a") == {"pair-key": keys, "bmc-site-b": {"password": b"secret-of-b"}}
    assert secrets("site-b") == {"pair-key": keys, "bmc-site-a": {"password": b"secret-of-a"}}


def test_no_secret_stands_anywhere_else() -> None:
    rest = {name: documents for name, documents in made().items() if not name.endswith("secrets.yaml")}
    for secret in ("secret-of", "word-of", "kkk", *(base64.b64encode(one).decode() for one in PASSWORDS.values())):
        assert secret not in str(rest)


def test_both_sites_get_the_same_pair_and_install_the_same() -> None:
    found = made()
    assert found["site-a/pair.yaml"] == found["site-b/pair.yaml"] == [document()]
    assert found["site-a/install.yaml"] == found["site-b/install.yaml"]
    kinds = [one["kind"] for one in found["site-a/install.yaml"]]
    assert kinds[0] == "Namespace" and {"Deployment", "CustomResourceDefinition", "Job"} <= set(kinds)


def test_the_seed_makes_the_same_cr_by_the_operators_account_and_image() -> None:
    changed = {**document(peer={"image": "registry.example/peer:2", "api": {"host": "192.0.2.1", "port": 6444}}),
               "metadata": {"name": "pair", "namespace": "elsewhere"}}
    found = bundle.bundle(cr.load(changed), changed, INSTALL, KEYS, PASSWORDS)["site-a/install.yaml"]
    by_kind = {one["kind"]: one for one in found}
    assert json.loads(by_kind["ConfigMap"]["data"]["pair.json"]) == changed
    pods = {kind: by_kind[kind]["spec"]["template"]["spec"] for kind in ("Deployment", "Job")}
    assert pods["Job"]["serviceAccountName"] == pods["Deployment"]["serviceAccountName"]
    for pod in pods.values():
        (container,) = pod["containers"]
        told = {one["name"]: one.get("value") for one in container["env"]}
        assert container["image"] == "registry.example/peer:2" and told["KUBERNETES_SERVICE_HOST"] == "192.0.2.1"
        assert told["KUBERNETES_SERVICE_PORT"] == "6444"


def test_another_namespace_is_one_everywhere() -> None:
    changed = {**document(), "metadata": {"name": "pair", "namespace": "elsewhere"}}
    found = bundle.bundle(cr.load(changed), changed, INSTALL, KEYS, PASSWORDS)
    everything = [one for documents in found.values() for one in documents]
    homes = {one["metadata"]["namespace"] for one in everything if one.get("metadata", {}).get("namespace")}
    assert homes == {"elsewhere"}
    left = [line for line in yaml.safe_dump(everything).splitlines() if "aos-sno-pair" in line]
    assert {line.split(":")[0].strip() for line in left} == {"app.kubernetes.io/name"}


def test_another_cr_is_another_job_and_the_same_is_the_same() -> None:
    names = [next(one["metadata"]["name"] for one in found["site-a/install.yaml"] if one["kind"] == "Job")
             for found in (made(), made(), made(corosync={"token": "9s"}))]
    assert names[0] == names[1] != names[2]


def test_a_kustomization_lists_the_files_beside_it() -> None:
    found = made()
    for name in ("site-a", "site-b"):
        (kustomization,) = found[f"{name}/kustomization.yaml"]
        beside = {path.partition("/")[2] for path in found if path.startswith(f"{name}/")}
        # The CR comes by the seed, for kubectl refuses a kind that it does not know yet.
        assert set(kustomization["resources"]) == beside - {"kustomization.yaml", "pair.yaml"}


def test_several_devices_and_keys() -> None:
    one = site("site-a", 11, "10s")
    one["fencing"]["devices"] += [
        {"agent": "fence_virsh", "secretRef": {"name": "bmc-site-a", "key": "ssh"}}, {"agent": "fence_apc"},
        {"agent": "fence_idrac", "secretRef": {"name": "bmc-site-a"}}]
    sites = [one, site("site-b", 12, "1s")]
    assert bundle.fence_secrets(pair(sites=sites).spec.sites[0]) == [("bmc-site-a", "password"), ("bmc-site-a", "ssh")]
    words = {**PASSWORDS, ("bmc-site-a", "ssh"): b"pem"}
    found = bundle.bundle(pair(sites=sites), document(sites=sites), [], KEYS, words)["site-b/secrets.yaml"]
    assert [sorted(secret["data"]) for secret in found] == [["authkey", "hacluster"], ["password", "ssh"]]
    with pytest.raises(KeyError):
        bundle.bundle(pair(sites=sites), document(sites=sites), [], KEYS, PASSWORDS)


def test_what_is_believed_of_a_device_goes_where_its_key_goes() -> None:
    spec = {"sites": methods()}
    key, host, ca = ("bmc-site-b", "ssh-privatekey"), ("bmc-site-b", "known_hosts"), ("ca", "ca.crt")
    assert [bundle.fence_secrets(one) for one in pair(**spec).spec.sites] == [
        [("bmc-site-a", "password"), ca], [key, host]]
    words = {("bmc-site-a", "password"): b"p", ca: b"c", key: b"k", host: b"h"}
    found = bundle.bundle(pair(**spec), document(**spec), [], KEYS, words)
    assert [sorted(one["data"]) for one in found["site-a/secrets.yaml"]] == [
        ["authkey", "hacluster"], ["known_hosts", "ssh-privatekey"]]
    assert [sorted(one["data"]) for one in found["site-b/secrets.yaml"]] == [
        ["authkey", "hacluster"], ["password"], ["ca.crt"]]


def test_keys_are_not_shown() -> None:
    assert "word-of" not in repr(KEYS) and "kkk" not in repr(KEYS)


# -- advice --------------------------------------------------------------------------------------------------------

def changed(*addresses: str, ip: str = "203.0.113.11") -> dict[str, Any]:
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    for number, one in enumerate(sites):
        one["addresses"] = [address.format(number + 1) for address in addresses]
    sites[0]["fencing"]["devices"][0]["parameters"]["ip"] = ip
    return {"sites": sites}


def gullible(index: int, **more: str) -> dict[str, Any]:
    """Without what one site's device must prove itself by."""
    sites = methods()
    for word in ("caRef", "knownHostsRef"):
        sites[index]["fencing"].pop(word, None)
    sites[index]["fencing"]["devices"][0]["parameters"] |= more
    return {"sites": sites}


@pytest.mark.parametrize("spec, sentence", [
    (changed("192.0.2.{}"), "there is a single link"),
    (changed("192.0.2.{}", "192.0.2.1{}"), "site-a has two links in 192.0.2.0/24: they will fail together"),
    (changed("2001:db8::{}", "2001:db8::1{}"), "site-b has two links in 2001:db8::/64: they will fail together"),
    (changed("192.0.2.{}", "198.51.100.{}", ip="198.51.100.9"),
     "the device 198.51.100.9 that fences site-a stands in the network of link 2"),
    ({"quorum": {**ARBITRATED, "arbitrator": {**ARBITRATED["arbitrator"], "host": "198.51.100.9"}}},
     "the arbitrator 198.51.100.9 stands in the network of link 2"),
    ({"fencing": {"mode": "Disabled"}}, "fencing is disabled"),
    (gullible(1), "fence_virsh that fences site-b believes whatever host answers: name its host key"),
    (gullible(0, ssl_insecure="1"), "fence_redfish that fences site-a believes whatever host answers: name its cert"),
    ({"workloads": [{"name": "web"}]}, "web has no preferredSite"),
    ({"workloads": [{"name": "web", "preferredSite": "site-a", "gate": False}]}, "web has no gate"),
])
def test_what_should_be_thought_over(spec: dict[str, Any], sentence: str) -> None:
    assert any(one.startswith(sentence) for one in advice(pair(**spec).spec))


def test_a_sound_pair_needs_no_advice() -> None:
    assert advice(pair().spec) == advice(pair(quorum=ARBITRATED).spec) == advice(pair(sites=methods()).spec) == []
