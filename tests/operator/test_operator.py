"""The operator on a real API server: what it makes, what it waits for, what kills and outages do to it."""

from __future__ import annotations

import random
import signal
import subprocess

import pytest

from k8sdeployment.pair import gating, installation, parity
from k8sdeployment.pair.peerpod import NSS_DATABASE
from tests.agent.kernel import needs_host
from tests.operator.conftest import HOME, NODE, Site
from tests.pair.sample import ARBITRATED, pair, poisoned

pytestmark = [pytest.mark.lab, needs_host]


def test_the_peer_stands_and_missing_secrets_are_told(site: Site) -> None:
    site.pair()
    process = site.start()
    site.until(lambda: site.at_home("statefulsets", "peer"), "the peer")
    words = site.waiting("Secret pair-key is missing")
    assert "Secret bmc-site-b is missing in namespace aos-sno-pair (key password): `snopair init` makes it" in words
    assert "bmc-site-a" not in words, "a site's own BMC is none of its business"
    site.secret("pair-key", "authkey")
    site.waiting("Secret pair-key in namespace aos-sno-pair has no key hacluster")
    site.secrets()
    site.done_waiting("Secret")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0, site.said()
    assert "Traceback" not in site.said()
    assert set(site.cr()["metadata"].get("annotations", {})) == {"kubectl.kubernetes.io/last-applied-configuration"}
    assert "kopf" not in str(site.status())


def test_a_node_that_is_no_site(site: Site) -> None:
    site.pair()
    site.start("site-x.example.org")
    words = site.waiting("no site is this one: the operator runs on node site-x.example.org")
    assert site.at_home("statefulsets", "peer") is None
    assert pair().spec.sites[0].node_name in words


def test_a_gate_is_added_when_nothing_runs_and_never_before(site: Site) -> None:
    site.shop("web", replicas=1)
    (before,) = site.until(lambda: site.pods("shop"), "its pod")
    site.pair(workloads=[{"name": "web", "namespace": "shop"}, {"name": "db", "namespace": "shop"},
                         {"name": "far", "namespace": "away"}])
    site.start()
    site.waiting("Deployment shop/web has no gate and is scaled up: scale it to 0 once, and the operator adds it")
    site.waiting("Deployment shop/db does not exist on this site: apply its manifest here too, with replicas: 0")
    assert site.status()["waitingFor"].count("namespace away does not exist on this site: make it") == 1
    assert site.local("web")["reason"].startswith("its pod template has no gate")
    assert [pod["metadata"]["uid"] for pod in site.pods("shop")] == [before["metadata"]["uid"]]
    assert site.workload("web")["metadata"]["generation"] == 1
    site.scale("web", 0)
    gated = site.until(lambda: not gating.faults(site.workload("web")) and site.workload("web") or None, "the gate")
    assert gated["spec"]["replicas"] == 0
    site.done_waiting("shop/web")
    assert site.local("web")["template"] == parity.digest(gated["spec"]["template"])
    assert site.workload("web")["metadata"]["generation"] == gated["metadata"]["generation"], "once is enough"


def test_what_a_workload_lacks_is_told(site: Site) -> None:
    site.shop("web", replicas=0, envFrom=[{"secretRef": {"name": "login"}}])
    site.plane.kubectl("label", "namespace", "shop", "--overwrite", "pod-security.kubernetes.io/enforce=baseline")
    site.pair(workloads=[{"name": "web", "namespace": "shop"}])
    site.start()
    site.waiting("namespace shop has pod-security.kubernetes.io/enforce=baseline, which forbids the gate")
    site.plane.kubectl("label", "namespace", "shop", "--overwrite", "pod-security.kubernetes.io/enforce=privileged")
    site.done_waiting("namespace shop")
    site.until(lambda: site.local("web")["reason"] == f"node {NODE} is not Ready" or None, "the node's state")
    site.node(images=["docker.io/library/web:1"])
    site.until(lambda: "Secret login, which its pods refer to, is missing" == site.local("web")["reason"] or None,
               "the missing Secret")
    site.secret("login", "word", namespace="shop")
    site.until(lambda: site.local("web")["ready"] or None, "readiness")
    assert "xxx" not in str(site.status())
    site.node()
    site.until(lambda: site.local("web")["reason"] == f"image web:1 is not on node {NODE}: pull it there" or None,
               "the missing image")


def test_the_peer_is_not_renewed_before_its_secrets_are_there(site: Site) -> None:
    """Its new pod could not start, and a site without a peer is fenced."""
    def generation() -> int:
        found = site.at_home("statefulsets", "peer")
        return int(found["metadata"]["generation"]) if found else 0

    def has_arbitrator() -> bool:
        found = site.at_home("configmaps", "peer")
        return found is not None and "model: net" in found["data"]["corosync.conf"]
    site.secrets()
    site.pair(workloads=[])
    site.start()
    site.until(lambda: generation() == 1 or None, "the peer")
    site.pair(workloads=[], quorum=ARBITRATED)
    words = site.waiting("Secret arbitrator is missing in namespace aos-sno-pair")
    assert "`arbitrator-secret` on the arbitrator makes it" in words and generation() == 1
    assert not has_arbitrator(), "a Corosync that starts anew in the old pod would count a vote that nobody asks for"
    site.secret("arbitrator", *NSS_DATABASE)
    site.until(lambda: (generation() == 2 and has_arbitrator()) or None, "the renewed peer")
    site.done_waiting("Secret arbitrator")


def test_a_peer_that_runs_is_not_renewed_before_the_shared_disk_is_there(site: Site) -> None:
    def generation() -> int:
        found = site.at_home("statefulsets", "peer")
        return int(found["metadata"]["generation"]) if found else 0
    site.secrets()
    site.pair(workloads=[])
    site.start()
    site.until(lambda: generation() == 1 or None, "the peer")
    site.pair(workloads=[], **poisoned())
    assert "of volumeMode Block" in site.waiting("PersistentVolumeClaim pill is missing in namespace aos-sno-pair")
    assert generation() == 1
    site.claim("pill", "Filesystem")
    assert "make it anew" in site.waiting("pill in namespace aos-sno-pair has volumeMode Filesystem, not Block")
    assert generation() == 1
    site.plane.kubectl("delete", "pvc", "pill", "-n", HOME)
    site.claim("pill", "Block")
    site.until(lambda: generation() == 2 or None, "the renewed peer")
    site.done_waiting("PersistentVolumeClaim pill")


def test_the_next_image_is_brought_before_the_peer_is_renewed(site: Site) -> None:
    site.node()
    site.secrets()
    site.pair(workloads=[])
    site.start()
    site.until(lambda: site.at_home("statefulsets", "peer"), "the peer, for which nothing is brought")
    site.pair(workloads=[], peer={"image": "example.org/peer:2"})
    site.waiting("image example.org/peer:2 is")
    pod = site.until(lambda: site.at_home("pods", "peer-image"), "the pod that brings it")
    assert pod["spec"]["containers"][0]["image"] == "example.org/peer:2"
    assert site.peer_image() == "ghcr.io/snopair/peer:0.1.0"
    site.pair(workloads=[], peer={"image": "example.org/peer:3"})
    site.waiting("image example.org/peer:3 is")
    site.end_pods()
    site.until(lambda: "peer:3" in str(site.at_home("pods", "peer-image")) or None, "the pod for the newer image")
    site.node(images=["example.org/peer:3"])
    site.until(lambda: site.peer_image() == "example.org/peer:3" or None, "the renewed peer")
    site.end_pods()
    site.until(lambda: site.at_home("pods", "peer-image") is None or None, "the end of the pod that brought it")


def test_rights_grow_at_once_and_shrink_when_both_sites_agree(site: Site) -> None:
    site.shop("web", replicas=0)
    site.pair(workloads=[{"name": "web", "namespace": "shop"}, {"name": "db"}])
    site.start()
    site.until(lambda: site.role("shop") and site.role("default"), "the Roles")
    site.pair(workloads=[{"name": "cache"}])
    role = site.until(lambda: (found := site.role("default")) and "cache" in str(found) and found or None, "the Role")
    assert role["rules"][-1]["resourceNames"] == ["cache", "db"]
    site.waiting("default/cache does not exist")
    assert site.role("shop") and site.binding("shop"), "after a whole look, too"
    site.in_sync()
    site.until(lambda: not site.role("shop") or None, "the end of a Role that nobody needs")
    assert not site.binding("shop") and site.binding("default")
    site.until(lambda: site.role("default")["rules"][-1]["resourceNames"] == ["cache"] or None, "the narrower Role")


def test_two_at_once_and_kills_at_any_moment(site: Site) -> None:
    """In the end there is what one undisturbed operator makes, and each object was made once."""
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    print(f"seed {seed}")
    site.secrets()
    site.shop("web", replicas=0)
    site.pair(workloads=[{"name": "web", "namespace": "shop"}])
    for _ in range(5):
        victim = site.start()
        with pytest.raises(subprocess.TimeoutExpired):
            victim.wait(0.4 + 2 * chance.random())
        victim.kill()
    site.start()
    site.start()
    site.until(lambda: site.at_home("statefulsets", "peer") and not gating.faults(site.workload("web")) or None, "both")
    site.done_waiting("shop")
    assert site.at_home("statefulsets", "peer")["metadata"]["generation"] == 1  # type: ignore[index]
    assert site.workload("web")["metadata"]["generation"] == 2, "created, and gated once"


def test_an_api_that_goes_and_comes(site: Site) -> None:
    site.pair(workloads=[])
    process = site.start()
    site.waiting("Secret pair-key is missing")
    site.plane.stop_api()
    site.until(lambda: "Cannot connect" in site.said() or "refused" in site.said() or None, "its notice of it")
    site.plane.start_api()
    site.secrets()
    site.done_waiting("Secret")
    site.pair(workloads=[], corosync={"token": "5s"})
    site.until(lambda: "token: 5000" in str(site.at_home("configmaps", "peer")) or None, "a change after it")
    assert process.poll() is None, site.said()


def test_a_peer_that_never_ran_is_removed_at_once(site: Site) -> None:
    site.secrets()
    site.shop("web", replicas=0)
    site.pair(workloads=[{"name": "web", "namespace": "shop"}])
    site.start()
    site.until(lambda: not gating.faults(site.workload("web")) or None, "the gate")
    site.delete()
    site.gone()
    for left in (site.at_home("statefulsets", "peer"), site.at_home("configmaps", "peer"), site.role("shop"),
                 site.binding("shop"), site.at_home("serviceaccounts", "peer")):
        assert not left
    assert site.at_home("secrets", "pair-key") and not gating.faults(site.workload("web"))
    (event,) = [one for one in site.events() if one["reason"] == "PeerRemoved"]
    assert "Workloads were left as they are" in event["message"] and "cannot start" in event["message"]


@pytest.mark.parametrize("way", ["released", "forced"])
def test_a_peer_that_ran_lets_go_first(site: Site, way: str) -> None:
    site.pair(workloads=[])
    site.start()
    site.until(lambda: site.at_home("pods", "peer-0"), "the peer's pod")
    site.runs("peer-0")
    site.delete()
    site.waiting("being deleted: waiting until the peer has put the cluster into maintenance mode")
    assert site.at_home("statefulsets", "peer")
    if way == "released":
        site.kill()
        site.start()
        site.conduct(released=True)
    else:
        site.plane.kubectl("annotate", "snopair", "pair", "-n", HOME, "snopair.dev/force-removal=true")
    site.gone()
    assert site.at_home("statefulsets", "peer") is None


def test_a_second_pair_has_no_peer(site: Site) -> None:
    site.pair(workloads=[])
    site.start()
    site.until(site.waits, "the first")
    site.make_second("later")
    words = site.until(lambda: site.second("later").get("status", {}).get("waitingFor"), "its words")
    assert words == "the site belongs to the SNOPair pair of this namespace: delete one of both"
    site.delete("later")
    site.gone("later")
    assert site.at_home("statefulsets", "peer")


def test_the_operator_has_no_more_rights_than_it_says(site: Site) -> None:
    """The API server's own words on what it may not."""
    account = f"system:serviceaccount:{HOME}:{installation.ACCOUNT}"
    for verb, what, namespace in (("get", "secrets", "default"), ("list", "secrets", HOME), ("escalate", "roles", HOME),
                                  ("create", "pods", "default"), ("delete", "deployments.apps", "default"),
                                  ("create", "clusterrolebindings", ""), ("impersonate", "users", ""),
                                  ("bind", "clusterroles/cluster-admin", "default")):
        where = ["-n", namespace] if namespace else []
        answer = site.plane.kubectl("auth", "can-i", verb, what, f"--as={account}", *where, check=False)
        assert answer.strip().endswith("no"), (verb, what, answer)
