"""The permit's rules on a real kubelet, containerd and API server; the agent runs in the peer pod, as for users.

Every test says which rule fails when its code is taken out (permit rules: docs/permit.md).
"""

from __future__ import annotations

import time
from itertools import combinations
from typing import Any

import pytest

from k8sdeployment.agent.permit import STOPPED, STOPPING
from lab import pairing, waiting
from lab.sites import Lab
from tests.lab.trial import PERMITS, Trial

pytestmark = pytest.mark.beside


def test_whole_life(trial: Trial) -> None:
    """Probe 7, start, probe 0 without the API being needed, monitors 0, start again changes nothing, stop, probe 7."""
    assert trial.agent("monitor").code == 7
    trial.started()
    before = (trial.pods(), trial.site.kubectl("get", "deployment", "trial", "-o", "jsonpath={.metadata.generation}"))
    assert trial.agent("monitor").code == 0
    assert trial.agent("monitor", interval=10).code == 0
    assert trial.agent("monitor", interval=60, level=10).code == 0
    assert trial.agent("start").code == 0
    after = (trial.pods(), trial.site.kubectl("get", "deployment", "trial", "-o", "jsonpath={.metadata.generation}"))
    assert before == after, "rule 1: a start of a running workload writes nothing"
    assert trial.agent("stop").code == 0
    assert not trial.alive()
    assert trial.standing() == STOPPED
    assert trial.agent("monitor").code == 7
    assert trial.agent("stop").code == 0


def test_rule_1_start_refuses_while_a_stranger_holds_the_permit(trial: Trial) -> None:
    """A holder without a permit is nobody's: a start must not legalise it."""
    trial.started()
    trial.withdraw()
    answer = trial.agent("start", timeout=20)
    assert answer.code == 1 and "run without a permit" in answer.text
    assert trial.standing() == STOPPING


def test_rule_1_start_replaces_a_stray_directory(trial: Trial) -> None:
    """A runtime leaves a directory at a missing mount source; no file can be renamed over it."""
    trial.site.run(["mkdir", "-p", trial.path])
    assert trial.agent("monitor").code == 1
    trial.started()


def test_rule_2_container_cannot_restart_after_the_withdrawal(trial: Trial) -> None:
    """kubelet does not check the path again inside a pod that passed: the tombstone stops the runtime."""
    pid = trial.started()
    trial.withdraw()
    assert trial.agent("monitor").code == 1, "withdrawn and still running is not 'not running'"
    trial.site.run(["kill", "-9", str(pid)])
    waiting.until(trial.refused, "the runtime's refusal", 60, trial.events)
    assert not trial.alive()
    assert trial.standing() == STOPPING, "the runtime must not have made a directory there"
    assert trial.agent("monitor").code == 7


def test_rule_2_stop_needs_no_controller_manager(trial: Trial) -> None:
    """The listed pods are deleted by the agent itself."""
    trial.started()
    trial.site.control("stop", "kube-controller-manager")
    assert trial.agent("stop", timeout=30, local_stop="false").code == 0
    assert not trial.alive()


def test_rule_2_force_deleted_pod_with_kubelet_stopped_is_not_stopped(trial: Trial) -> None:
    """The API's LIST is empty while the container runs on: only the witness tells."""
    trial.started()
    trial.site.kubelet("stop")
    (name,) = trial.pods().values()
    trial.site.kubectl("scale", "deployment", "trial", "--replicas=0")
    trial.site.kubectl("delete", "pod", name, "--force", "--grace-period=0", "--wait=false")
    waiting.until(lambda: not trial.pods(), "an empty LIST", 20)
    answer = trial.agent("stop", timeout=8, local_stop="false")
    assert trial.alive(), "the container must still run, or this test shows nothing"
    assert answer.code == 1 and "still runs" in answer.text
    assert trial.agent("monitor").code == 1
    trial.site.kubelet("start")
    assert trial.agent("stop", timeout=60).code == 0
    assert not trial.alive()


PARTS = ("api", "kubelet", "containerd")


@pytest.mark.parametrize("dead", [parts for number in (1, 2, 3) for parts in combinations(PARTS, number)], ids="+".join)
def test_rule_3_stop_with_parts_dead_ends_the_processes_itself(trial: Trial, dead: tuple[str, ...]) -> None:
    """A dead API, kubelet or runtime need not end in a fence, and nothing comes back afterwards."""
    trial.started()
    for part in dead:
        getattr(trial.site, part)("stop")
    answer = trial.agent("stop", timeout=15 if "api" in dead else 24, direct="containerd" in dead)
    assert answer.code == 0, answer.text
    assert not trial.alive()
    assert "ended the processes from this host" in answer.text
    for part in reversed(dead):
        getattr(trial.site, part)("start")
    trial.site.wait_ready()
    # What must not happen gets its chance: kubelet's restart of the containers. Pods that the agent could delete, for
    # the API was alive, kubelet ends for good.
    dealt_with = trial.refused if "api" in dead else lambda: not trial.pods()
    waiting.until(dealt_with, "kubelet's next look at the pods", 60, trial.events)
    assert not trial.alive()
    assert trial.standing() == STOPPED


def test_rule_4_api_away_while_running_is_degraded_for_as_long_as_it_lasts(trial: Trial) -> None:
    """Witnessed running: 190 from a monitor, 0 from a probe, at once."""
    trial.started()
    trial.site.api("stop")
    answer = trial.agent("monitor", interval=10, timeout=20, unavailable_grace="0s")
    assert answer.code == 190 and "runs (witnessed on this host), but the API is away" in answer.text
    assert trial.agent("monitor", timeout=20).code == 0


def test_rule_5_pod_that_lost_its_labels_is_stopped_too(trial: Trial) -> None:
    """A ReplicaSet lets such a pod go and makes another: no owner, no label, but the permit path gives it away."""
    trial.started()
    (name,) = trial.pods().values()
    trial.site.kubectl("label", "pod", name, "app-")
    waiting.until(lambda: len(trial.alive()) == 2, "the ReplicaSet's second pod", 30)
    answer = trial.agent("stop", timeout=30, local_stop="false")
    assert answer.code == 0, answer.text
    assert not trial.alive()


HALF_GATED: dict[str, dict[str, Any]] = {
    "not mounted": {"volumeMounts": []},
    "not readOnly": {"volumeMounts": [{"name": "permit", "mountPath": "/run/permit"}]},
}


@pytest.mark.parametrize("fault", HALF_GATED)
def test_rule_6_start_refuses_a_half_gated_container(trial: Trial, fault: str) -> None:
    """A container that does not mount the permit is no witness."""
    (container,) = trial.manifest()["spec"]["template"]["spec"]["containers"]
    trial.remove()
    trial.apply(containers=[{**container, **HALF_GATED[fault]}])
    for guard in ("required", "auto"):
        answer = trial.agent("start", timeout=20, guard=guard)
        assert answer.code == 5 and "not well gated" in answer.text
    assert not trial.alive()


@pytest.mark.parametrize("pod", [
    {"terminationGracePeriodSeconds": 0},
    {"volumes": [{"name": "permit", "hostPath": {"path": f"{PERMITS}/deployment/trial", "type": "FileOrCreate"}}]},
], ids=["grace 0", "FileOrCreate"])
def test_rule_6_start_refuses_a_gate_that_does_not_hold(trial: Trial, pod: dict[str, Any]) -> None:
    """FileOrCreate lets kubelet write the permit itself; grace 0 removes objects while containers run."""
    trial.remove()
    trial.apply(**pod)
    assert trial.agent("start", timeout=20).code == 5
    assert not trial.alive()


def test_rule_6_start_refuses_a_replica_set_from_before_the_gate(trial: Trial) -> None:
    """The template is whole, but an older ReplicaSet that still has replicas is not."""
    trial.remove()
    (container,) = trial.manifest()["spec"]["template"]["spec"]["containers"]
    ungated = {**container, "volumeMounts": [], "image": "localhost/aos-sno-pair/app:dev"}
    trial.apply(replicas=1, containers=[ungated], volumes=[])
    waiting.until(lambda: trial.alive(), "the ungated pod", 30)
    trial.apply(replicas=1, containers=[container])
    answer = trial.agent("start", timeout=20)
    assert answer.code == 5 and "is not well gated" in answer.text


def test_rule_7_leftovers_do_not_delay_or_fool_a_start(trial: Trial) -> None:
    """A pod that waits in mount back-off would take 27 to 83 s; it is deleted, and a new one counts."""
    trial.site.kubectl("scale", "deployment", "trial", "--replicas=1")
    waiting.until(lambda: "hostPath type check failed" in trial.events(), "kubelet's refusal", 60)
    stale = set(trial.pods())
    began = time.monotonic()
    trial.started()
    assert not stale & set(trial.pods())
    assert time.monotonic() - began < 15


def test_rule_7_reboot_with_leftovers(trial: Trial, calm_pair: Lab) -> None:
    """The site loses power with the workload running: after the boot nothing runs, the probe says so without the API,
    and a start counts a pod of this boot only, whatever the API still says of the old one."""
    trial.started()
    (old,) = trial.pods()
    site = trial.site
    site.power("off")
    waiting.until(lambda: site.pid() is not None, "the fence that switches the site on again", 60)
    site.wait_api(60)
    waiting.until(lambda: peer_answers(trial), "the peer pod", 120)
    trial.site.api("stop")
    assert trial.agent("monitor", timeout=20).code == 7, "the probe needs no API"
    trial.site.api("start")
    trial.site.wait_ready()
    assert not trial.alive()
    began = time.monotonic()
    trial.started()
    assert old not in trial.pods()
    print(f"start after the reboot: {time.monotonic() - began:.1f} s")
    pairing.wait_online(calm_pair, 120)


def peer_answers(trial: Trial) -> bool:
    return trial.site.peer(["true"], check=False, timeout=10) == "" and \
        trial.site.peer(["echo", "here"], check=False, timeout=10).strip() == "here"


def test_rule_8_a_directory_that_is_not_the_hosts_tmpfs_proves_nothing(trial: Trial) -> None:
    """The pod's own memory-backed /run is a tmpfs, too: a permit there would be no gate at all."""
    trial.site.peer(["mkdir", "-p", "/run/other/permits"])
    answer = trial.agent("start", timeout=20, permit_dir="/run/other")
    assert answer.code == 5 and "not the host's own" in answer.text
    answer = trial.agent("start", timeout=20, permit_dir="/usr/lib")
    assert answer.code == 5 and "not on a tmpfs" in answer.text


def test_rule_8_a_mount_over_the_permit_directory_is_noticed(trial: Trial) -> None:
    """kubelet would look at another file than the agent."""
    trial.site.run(["mount", "-t", "tmpfs", "tmpfs", "/run/aos"])
    try:
        answer = trial.agent("start", timeout=20)
    finally:
        trial.site.run(["umount", "/run/aos"])
    assert answer.code == 5 and "not the host's own" in answer.text
    assert not trial.alive()


def test_rule_9_an_orphaned_start_cannot_grant_after_a_probe_said_not_running(trial: Trial) -> None:
    """The start waits for the API; its caller is gone; a probe says 7; when the API is back nothing may start."""
    trial.site.api("stop")
    trial.begin("start", timeout=90)
    assert trial.agent("monitor", timeout=20).code == 7
    trial.site.api("start")
    answer = trial.answer(120)
    assert answer.code == 1 and "overtaken" in answer.text
    assert trial.standing() == STOPPED and not trial.alive()


def test_rule_9_a_stop_voids_a_start_that_is_still_running(trial: Trial) -> None:
    """crm_resource --force-start by hand while the cluster stops the workload."""
    trial.site.api("stop")
    trial.begin("start", timeout=90)
    assert trial.agent("stop", timeout=20).code == 0
    trial.site.api("start")
    answer = trial.answer(120)
    assert answer.code == 1 and "overtaken" in answer.text
    assert not trial.alive()


def test_rule_11_deployment_and_stateful_set_of_one_name_have_permits_of_their_own(trial: Trial) -> None:
    """What runs as a Deployment does not make the StatefulSet of the same name look started, and vice versa."""
    other = Trial(trial.site, kind="StatefulSet")
    other.remove()
    other.apply()
    try:
        trial.started()
        assert other.agent("monitor").code == 7
        other.started()
        assert trial.agent("stop").code == 0
        assert other.alive() and other.agent("monitor").code == 0
        assert other.agent("stop").code == 0
    finally:
        other.remove()
