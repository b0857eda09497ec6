"""The pair as people make and use it: set up, workloads on both sites, one site lost, what is refused."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab import pairing, waiting
from lab.errors import LabError
from lab.record import parse_event
from lab.sites import Lab, Site
from lab.verdict_model import Expectations, Quiet
from tests.lab.conftest import Watch, held
from tests.lab.pairs import (
    EVERYTHING, SHOP, WEB, all_three, manifest, pod_uid, restored, uids, wait_settled, wait_takeover, with_workloads,
    workload)
from tests.lab.test_scenarios import KEPT, rejoined, rest

Watching = Callable[..., Watch]
SETUP, STATUS = 60.0, 1.0
INSTALLED = "roles,rolebindings,clusterroles,clusterrolebindings,serviceaccounts,configmaps,deployments,statefulsets," \
            "replicasets,jobs,pods,events,snopairs"


# -- set up -----------------------------------------------------------------------------------------------------------

def test_setup_test(pair: Lab) -> None:
    """Setup Test: one quorate, encrypted cluster over two links, in at most 60 s with the images there."""
    events = map(parse_event, (pair.state_dir / "events.jsonl").read_text(encoding="utf-8").splitlines())
    seconds = [float(event.detail) for event in events if event.what == pairing.PAIRED]
    assert seconds and seconds[0] <= SETUP, "from `kubectl apply` on both sites to one membership"
    for site in pair.sites.values():
        links = site.peer(["corosync-cfgtool", "-s"], container="corosync")
        assert links.count("LINK ID") == 2 and "disconnected" not in links, links
        running = site.peer(["corosync-cmapctl"], container="corosync")
        for setting in ("totem.crypto_cipher (str) = aes256", "totem.crypto_hash (str) = sha256"):
            assert setting in running
        quorum = site.peer(["corosync-quorumtool", "-s"], container="corosync")
        assert "Quorate:          Yes" in quorum and "Nodes:            2" in quorum, quorum


def test_functionality_test(three: Lab) -> None:
    """Functionality Test: a workload in the CR starts on its preferred site, behind a gate that the operator added."""
    for name in (WEB, SHOP):
        for site in three.sites.values():
            text = pairing.kubectl(site, "get", "deployment", name, "-o", "json")
            assert f"/run/aos/permits/default/deployment/{name}" in text
            assert json.loads(text)["spec"]["replicas"] == int(site.name == "site-b")


def test_no_secret_no_privilege_in_any_object(pair: Lab) -> None:
    """No privileged container, no cluster-admin, and no secret in clear text in any object but Secrets."""
    for site in pair.sites.values():
        pods = json.loads(pairing.kubectl(site, "get", "pods", "-n", pairing.NAMESPACE, "-o", "json"))["items"]
        assert len(pods) >= 2
        assert not [who for pod in pods for who, context in contexts(pod["spec"])
                    if context.get("privileged") or context.get("allowPrivilegeEscalation") is not False]
        bindings = json.loads(pairing.kubectl(site, "get", "clusterrolebindings,rolebindings", "-A", "-o", "json"))
        ours = [one["roleRef"]["name"] for one in bindings["items"] if any(
            subject.get("namespace") == pairing.NAMESPACE for subject in one.get("subjects") or ())]
        assert ours and not {"cluster-admin", "admin", "edit"} & set(ours)
        secrets = json.loads(pairing.kubectl(site, "get", "secrets", "-n", pairing.NAMESPACE, "-o", "json"))["items"]
        values = [value for one in secrets for value in one["data"].values()]
        assert len(values) >= 3
        everything = pairing.kubectl(site, "get", INSTALLED, "-A", "-o", "json") + site.peer(["cibadmin", "--query"])
        for value in values:
            assert value not in everything and not told(base64.b64decode(value), everything)


def contexts(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in (*spec["containers"], *spec.get("initContainers", ())):
        yield one["name"], one.get("securityContext") or {}


def told(secret: bytes, text: str) -> bool:
    """Whether a secret that is text stands in a text."""
    try:
        return secret.decode("ascii").strip() in text
    except UnicodeDecodeError:
        return False


# -- two workloads on each their own site, one site lost ---------------------------------------------------------------

def test_a_lost_site_s_workloads_move_and_go_back_only_if_failback_says_so(three: Lab, watch: Watching) -> None:
    """Active-active: site-b is lost. Its two workloads move, `app` is left alone; on return `web` alone goes back."""
    lab, lost = three, three.sites["site-b"]
    wait_takeover(lab)
    with watch(*EVERYTHING) as seen:
        rest(lab)
        starts, began = (seen.told("site-a"), seen.told("site-b")), time.monotonic()
        lost.power("off")
        waiting.until(lambda: _where(lab) == {"app": "site-a", WEB: "site-a", SHOP: "site-a"}, "the takeover", 60)
        taken = time.monotonic() - began
        rejoined(lab)
        wait_settled(lab, app="site-a", web="site-b", shop="site-a")
        seen.expect(Expectations(starts=starts))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I4")
    assert taken < 30 and [fence.site for fence in verdict.fences] == ["site-b"]
    pods = {name: [run.container.pod for run in verdict.runs if run.site == "site-a"
                   and run.container.workload == f"default/{name}"] for name in ("app", WEB, SHOP)}
    assert {name: len(set(found)) for name, found in pods.items()} == {"app": 1, WEB: 1, SHOP: 1}


def _where(lab: Lab) -> dict[str, str | None]:
    view = pairing.pair_status(lab)
    return {name: view.where(name) if view else None for name in ("app", WEB, SHOP)}


# -- status -----------------------------------------------------------------------------------------------------------

def test_status_answers_within_a_second_with_the_other_site_off(calm_pair: Lab) -> None:
    """Its BMC has fenced it and switches it on again, and then it is switched off once more, which is no new loss."""
    lab, off = calm_pair, calm_pair.sites["site-b"]
    off.power("off")
    waiting.until(lambda: _fenced(lab), "the fence", 60)
    waiting.until(lambda: off.pid() is not None, "the fenced site powered on", 60)
    off.power("off")
    try:
        assert status_seconds(lab.sites["site-a"]) < STATUS
        shown = status_of(lab.sites["site-a"])
        assert {one["name"]: one["state"] for one in shown["sites"]} == {"site-a": "online", "site-b": "offline"}
        assert [one["site"] for one in shown["workloads"]] == ["site-a"]
    finally:
        off.power("on")


def _fenced(lab: Lab) -> bool:
    view = pairing.pair_status(lab)
    node = view.nodes.get("site-b") if view else None
    return node is not None and not node.online and node.clean


def test_status_answers_within_a_second_with_the_local_api_stopped(calm_pair: Lab) -> None:
    """The site that is asked has no API, and runs the workload."""
    site = calm_pair.sites["site-a"]
    site.api("stop")
    try:
        assert status_seconds(site) < STATUS
        shown = status_of(site)
        assert shown["asked"]["live"] and [one["site"] for one in shown["workloads"]] == ["site-a"]
    finally:
        site.api("start")
        site.wait_ready()


def status_seconds(site: Site) -> float:
    """How long `snopair status` takes in the peer, the median of five."""
    script = "TIMEFORMAT=%R; for i in 1 2 3 4 5; do time snopair status >/dev/null; done; true"
    said = site.peer(["bash", "-c", f"{{ {script}; }} 2>&1"], container="conductor")
    return sorted(map(float, said.split()))[2]


def status_of(site: Site) -> dict[str, Any]:
    """Exit code 1 says that there is something to look at, which is so here."""
    shown: dict[str, Any] = json.loads(site.peer(["snopair", "status", "-o", "json"], "conductor", check=False))
    return shown


# -- changes of the CR -------------------------------------------------------------------------------------------------

BAD: dict[str, Callable[[dict[str, Any]], object]] = {
    "exactly two sites": lambda spec: spec["sites"].pop(),
    "password": lambda spec: spec["sites"][0]["fencing"]["devices"][0]["parameters"].update(password="x"),
    "preferredSite": lambda spec: spec["workloads"][0].update(preferredSite="site-c"),
    "keeps its name for good": lambda spec: spec["sites"][0].update(name="site-x"),
}


@pytest.mark.parametrize("word", BAD)
def test_a_bad_cr_is_refused_and_changes_nothing(calm_pair: Lab, word: str) -> None:
    """Refused by the API itself, in words; what is in force stays letter by letter."""
    lab, site = calm_pair, calm_pair.sites["site-a"]
    before = site.peer(["cibadmin", "--query", "--scope=configuration"]), pod_uid(site), pairing.resource(site)["spec"]
    whole = pairing.document(lab)
    BAD[word](whole["spec"])
    with pytest.raises(LabError) as refusal:
        pairing.change(lab, whole, "site-a")
    rest(lab)
    assert word in str(refusal.value)
    assert before == (site.peer(["cibadmin", "--query", "--scope=configuration"]), pod_uid(site),
                      pairing.resource(site)["spec"])


def test_a_workload_taken_out_of_the_cr_runs_on_and_is_taken_over_again(three: Lab, watch: Watching) -> None:
    """Out of the CR and into it again: Pacemaker lets go of it and finds it, and its pods are the same."""
    lab, before = three, uids(three)
    with watch(*EVERYTHING) as seen:
        rest(lab)
        began = time.monotonic()
        pairing.change(lab, pairing.document(lab))
        wait_settled(lab, app="site-a")
        rest(lab, 5)
        pairing.change(lab, all_three(lab))
        wait_settled(lab, app="site-a", web="site-b", shop="site-b")
        kept = tuple(Quiet(site, began, time.monotonic()) for site in lab.sites)
        seen.expect(Expectations(quiet=kept))
        rest(lab)
    held(seen.verdict(bound=KEPT), "I1", "I2", "I3", "I7")
    assert uids(lab) == before


def test_the_cr_deleted_and_applied_again_leaves_workloads_alone(calm_pair: Lab, watch: Watching) -> None:
    """Both peers go, the workload runs on; with the CR there again the pair takes it over as it is."""
    lab, before = calm_pair, uids(calm_pair)
    with watch() as seen:
        rest(lab)
        began = time.monotonic()
        for site in lab.sites.values():
            pairing.kubectl(site, "delete", "snopair", "pair", "-n", pairing.NAMESPACE, "--wait=false")
        for site in lab.sites.values():
            pairing.kubectl(site, "wait", "--for=delete", "snopair/pair", "-n", pairing.NAMESPACE, "--timeout=120s",
                            timeout=130)
            assert not pod_uid(site)
        rest(lab, 5)
        pairing.change(lab, pairing.document(lab))
        wait_settled(lab, app="site-a")
        seen.expect(Expectations(quiet=(Quiet("site-a", began, time.monotonic()),)))
        rest(lab)
    verdict = seen.verdict(bound=KEPT)
    held(verdict, "I1", "I2", "I3", "I7")
    assert uids(lab) == before and not verdict.fences


def test_two_operators_do_as_one(calm_pair: Lab) -> None:
    """With two replicas nothing is made twice, nothing comes and goes, and a change comes into force once."""
    lab, site = calm_pair, calm_pair.sites["site-a"]
    pairing.kubectl(site, "scale", "deployment", "snopair-operator", "-n", pairing.NAMESPACE, "--replicas=2")
    try:
        pairing.kubectl(site, "rollout", "status", "deployment/snopair-operator", "-n", pairing.NAMESPACE,
                        "--timeout=60s")
        before = _versions(site)
        for one in lab.sites.values():
            pairing.kubectl(one, "apply", "--server-side", "-f", "-", input=json.dumps(manifest(WEB)))
        pairing.change(lab, with_workloads(lab, workload(WEB)))
        wait_settled(lab, app="site-a", web="site-b")
        assert _versions(site) == before
    finally:
        pairing.kubectl(site, "scale", "deployment", "snopair-operator", "-n", pairing.NAMESPACE, "--replicas=1")
        restored(lab)


def _versions(site: Site) -> tuple[str, str]:
    """The peer's pod, and how often its StatefulSet was changed."""
    generation = pairing.kubectl(site, "get", "statefulset", "peer", "-n", pairing.NAMESPACE,
                                 "-o", "jsonpath={.metadata.generation}")
    return pod_uid(site), generation
