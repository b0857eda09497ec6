"""stop as a whole process: it withdraws first, answers 0 on proof alone, and needs no API for it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from k8sdeployment.agent.permit import STOPPED, STOPPING, UNSEEN

from .cluster import ready_pod
from .kernel import holder, needs_host, python_holder, reap, running
from .stage import NOTHING, Stage, ungated, without_api

pytestmark = needs_host

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"


def test_a_stop_withdraws_before_anything_else_and_proves(started: Stage) -> None:
    states: list[str] = []
    started.when_scaled(lambda replicas: states.append(started.permit.state()), started.site.scaled)
    result = started.run("stop")
    assert (result.code, result.reason) == (0, "")
    assert states == [STOPPING] and started.permit.state() == STOPPED
    assert started.site.alive() == [] and started.cluster.asked[0] == "scale 0"
    asked = list(started.cluster.asked)
    assert started.run("stop").code == 0 and started.cluster.asked == asked, "stopped already: no API"
    assert started.probe().code == 7


def test_listed_pods_are_deleted_by_their_uid(started: Stage) -> None:
    """So an absent controller manager does not matter."""
    started.when_scaled()
    assert started.run("stop").code == 0
    assert started.cluster.asked == ["scale 0", "delete app-a uid-app-a"]


def test_objects_that_vanish_prove_nothing(started: Stage) -> None:
    """A force-delete empties the LIST while the container runs on."""
    started.cluster.on_scale = lambda replicas: started.cluster.change(pods={})
    result = started.run("stop", seconds=1.2, local_stop="false")
    pid = started.site.processes["app-a"].pid
    assert result.code == 1 and "still runs" in result.reason and f"({pid})" in result.reason
    assert started.permit.state() == STOPPING


def test_objects_that_stay_disprove_nothing(started: Stage) -> None:
    started.when_scaled()
    started.cluster.on_delete = lambda name: reap(started.site.processes[name])
    assert started.run("stop").code == 0
    assert started.cluster.pods and started.permit.state() == STOPPED


@pytest.mark.parametrize("api", ["503", "no kubeconfig"])
def test_without_the_api_the_holders_are_ended_from_here(started: Stage, api: str) -> None:
    without_api(started)
    result = started.run("stop", NOTHING, 4.0, kubeconfig="/none" if api == "no kubeconfig" else started.kubeconfig)
    assert result.code == 0 and "ended the processes from this host" in result.reason
    assert started.site.processes["app-a"].wait(20) == -signal.SIGTERM
    assert started.permit.state() == STOPPED


def test_who_ignores_sigterm_is_killed_after_the_grace(stage: Stage, tmp_path: Path) -> None:
    stage.site.grant()
    Path(stage.permit.beside, "memory").write_text("grace=1\n")
    without_api(stage)
    began = time.monotonic()
    with python_holder(stage.permit.path, tmp_path / "target", STUBBORN) as process:
        assert stage.run("stop", seconds=6.0).code == 0
        assert process.wait(20) == -signal.SIGKILL
    assert time.monotonic() - began > 2.5, "the grace was given"


def test_local_stop_off_leaves_the_holders_alone(started: Stage) -> None:
    without_api(started)
    result = started.run("stop", seconds=1.2, local_stop="false")
    assert result.code == 1 and "etcd is away" in result.reason
    assert started.site.alive() == ["app-a"] and started.permit.state() == STOPPING


def test_a_local_stop_spares_other_workloads(started: Stage, tmp_path: Path) -> None:
    other = Path(started.permit.path + "2")
    other.touch()
    without_api(started)
    with holder(other, tmp_path / "other") as process:
        assert started.run("stop", seconds=4.0).code == 0
        assert process.poll() is None


@pytest.mark.parametrize("path", ["absent", "directory", "tombstone"])
def test_processes_without_a_permit_are_stopped(stage: Stage, tmp_path: Path, path: str) -> None:
    stage.site.grant()
    with holder(stage.permit.path, tmp_path / "target") as process:
        os.unlink(stage.permit.path)
        if path == "directory":
            os.mkdir(stage.permit.path)
        elif path == "tombstone":
            stage.permit.withdraw()
            stage.permit.mark_stopped()
        assert stage.probe().code == 1 and "without a permit" in stage.probe().reason
        without_api(stage)
        assert stage.run("stop", seconds=4.0).code == 0
        assert process.wait(20) == -signal.SIGTERM
    assert stage.permit.state() == STOPPED


def test_a_stop_tidies_a_stray_directory(stage: Stage) -> None:
    (Path(stage.permit.path) / "a").mkdir(parents=True)
    assert stage.probe().code == 1
    assert stage.run("stop").code == 0
    assert stage.permit.state() == STOPPED and stage.probe().code == 7


def test_a_stop_of_what_was_never_granted_is_quick(stage: Stage) -> None:
    without_api(stage)
    assert stage.run("stop", guard="required").code == 0
    assert stage.cluster.asked == []


def test_a_faulty_parameter_does_not_prevent_a_stop(started: Stage) -> None:
    assert started.run("stop", replica_max="many").code == 0
    assert started.permit.state() == STOPPED


def test_a_pod_of_somebody_else_that_uses_the_permit_is_deleted(started: Stage) -> None:
    stranger = ready_pod("stranger", started.cluster.spec)
    stranger["metadata"]["ownerReferences"] = []
    foreign = ready_pod("foreign", {"containers": []})
    foreign["metadata"]["ownerReferences"][0]["uid"] = "other"
    started.cluster.change(pods={**started.cluster.pods, "stranger": stranger, "foreign": foreign})
    started.when_scaled()
    assert started.run("stop").code == 0
    assert set(started.cluster.asked) == {"scale 0", "delete app-a uid-app-a", "delete stranger uid-stranger"}


def test_who_scales_up_meanwhile_is_named(started: Stage) -> None:
    """Harmless, since its pods cannot start; but somebody there does not know of the pair."""
    started.when_scaled(started.site.scaled, lambda replicas: started.cluster.change(replicas=3))
    result = started.run("stop")
    assert result.code == 0 and "scaled Deployment default/app to 3 again" in result.reason
    assert started.site.alive() == [] and started.permit.state() == STOPPED


def test_an_unlinked_permit_is_withdrawn_before_a_stop_is_proven(started: Stage) -> None:
    """Nobody holds it at this moment; but without a tombstone the runtime may restart the container that crashed."""
    started.permit_file().unlink()
    reap(started.site.processes["app-a"])
    assert started.run("stop", guard="required").code == 0 and started.permit.state() == STOPPED


def test_who_runs_on_a_stray_directory_is_known_after_it_was_tidied(stage: Stage, tmp_path: Path) -> None:
    """A runtime makes a directory at a missing mount source; the kernel then shows the name it was moved to."""
    directory = stage.permit_file()
    directory.mkdir(parents=True)
    target = tmp_path / "mounted"
    target.mkdir()
    script = 'mount --bind "$0" "$1" && echo ready && exec sleep 600'
    with running("unshare", "-m", "--propagation", "private", "sh", "-c", script, directory, target) as process:
        result = stage.run("stop", seconds=1.5, guard="required", local_stop="false")
        assert result.code == 1 and f"({process.pid})" in result.reason
        assert stage.permit.state() == STOPPING and stage.probe().code == 1
    assert stage.run("stop").code == 0


def test_what_lost_its_gate_is_not_stopped_before_the_list_says_so(started: Stage) -> None:
    """A rollout replaced the gated pod by one that the witness cannot see."""
    ungated(started)
    reap(started.site.processes["app-a"])
    bare = ready_pod("app-b", started.cluster.spec)
    started.cluster.change(pods={"app-b": bare})
    started.when_scaled()
    started.cluster.on_delete = lambda name: None
    result = started.run("stop", seconds=2.0)
    assert result.code == 1 and "pods are still there: 1 (app-b)" in result.reason
    started.cluster.on_delete = started.site.deleted
    assert started.run("stop").code == 0 and started.cluster.pods == {}


def test_what_a_monitor_saw_lose_its_gate_is_not_stopped_without_the_api(started: Stage) -> None:
    ungated(started)
    reap(started.site.processes["app-a"])
    started.cluster.change(pods={"app-b": ready_pod("app-b", started.cluster.spec)})
    result = started.monitor(unavailable_grace="0")
    assert result.code == 190 and "not well gated any more" in result.reason
    without_api(started)
    assert started.run("stop", seconds=2.0).code == 1


def test_what_runs_by_a_link_to_another_file_is_not_stopped_without_the_list(stage: Stage, tmp_path: Path) -> None:
    """Somebody linked the path to a file of his own: kubelet lets the pods pass, and no mount names the permit."""
    (tmp_path / "file").touch()
    stage.permit_file().parent.mkdir(parents=True)
    stage.permit_file().symlink_to(tmp_path / "file")
    stage.cluster.change(pods={"app-b": ready_pod("app-b", stage.cluster.spec)}, replicas=1)
    stage.when_scaled()
    without_api(stage)
    result = stage.run("stop", seconds=2.0, guard="required")
    assert result.code == 1 and "is not proven stopped" in result.reason
    for action in ("stop", "monitor"):  # whoever comes later finds a tombstone, and must not take it for a proof
        assert stage.run(action, seconds=2.0, guard="required").code == 1, action
    stage.cluster.broken = b""
    refused = stage.run("start", guard="required")
    assert refused.code == 1 and "may run that do not mount the permit" in refused.reason
    assert stage.run("stop", guard="required").code == 0 and stage.cluster.pods == {}
    assert stage.permit.state() == STOPPED


def test_a_probe_that_finds_nothing_on_the_list_proves_what_the_witness_did_not_see(stage: Stage) -> None:
    """Else every answer from now on would need the API, on a site that only stands by."""
    stage.permit.withdraw(unseen=True)
    assert stage.probe().code == 7 and stage.permit.state() == STOPPED
    without_api(stage)
    assert stage.probe().code == 7


def test_a_start_refuses_what_a_link_to_another_file_may_let_run(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    stage.permit_file().parent.mkdir(parents=True)
    stage.permit_file().symlink_to(tmp_path / "file")
    result = stage.run("start", guard="required")
    assert result.code == 1 and "may run that do not mount the permit" in result.reason
    assert stage.permit_file().is_symlink() and stage.cluster.asked == []


def test_a_stop_that_was_killed_leaves_word_of_what_has_no_gate(started: Stage) -> None:
    """Nobody holds the permit, yet a pod without the gate runs: a probe must ask the API."""
    ungated(started)
    reap(started.site.processes["app-a"])
    started.cluster.change(pods={"app-b": ready_pod("app-b", started.cluster.spec)})
    started.when_scaled()
    started.cluster.on_delete = lambda name: None
    assert started.run("stop", seconds=2.0).code == 1 and started.permit.state() == UNSEEN
    shutil.rmtree(started.permit.beside)  # what is remembered is comfort: the tombstone says it
    result = started.probe()
    assert result.code == 1 and "pods are still there: 1" in result.reason
    started.cluster.change(pods={})
    assert started.probe().code == 7
