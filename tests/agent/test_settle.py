"""settle: the site is put in order before it joins; what the cluster's word keeps running is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8sdeployment.agent.deadline import Deadline
from k8sdeployment.agent.parameters import load
from k8sdeployment.agent.permit import ABSENT, FOREIGN, GRANTED, STOPPED, STOPPING
from k8sdeployment.agent.scene import scenes
from k8sdeployment.conductor.settle import main, settle

from .cluster import environment, ready_pod
from .kernel import holder, needs_host
from .stage import Stage, ungated, without_api

pytestmark = needs_host


def settled(stage: Stage, seconds: float = 20.0, kubeconfig: object = None) -> str:
    env = environment(kubeconfig or stage.kubeconfig, stage.directory)
    return settle(scenes(load(env), env, Deadline(seconds))[0])


def boot(stage: Stage) -> None:
    """As after a power cut: replicas 1 and the old pod in etcd, nothing on the tmpfs."""
    stage.cluster.change(replicas=1, available=1, pods={"app-old": ready_pod("app-old", stage.cluster.spec)})
    stage.when_scaled()


def test_a_booted_site_is_scaled_down_cleared_and_marked(stage: Stage) -> None:
    boot(stage)
    assert settled(stage).startswith("stopped (replicas were 1, 1 leftover")
    assert stage.cluster.asked == ["scale 0", "delete app-old uid-app-old"]
    assert stage.permit.state() == STOPPED
    without_api(stage)
    assert stage.probe().code == 7, "at once, and without the API"


def test_a_second_time_changes_nothing(stage: Stage) -> None:
    boot(stage)
    settled(stage)
    stage.cluster.asked.clear()
    assert "left alone" in settled(stage)
    assert stage.cluster.asked == []


@pytest.mark.parametrize("state", [GRANTED, STOPPING, FOREIGN])
def test_what_was_granted_since_the_boot_is_left_alone(stage: Stage, state: str) -> None:
    """Only the peer pod was restarted."""
    boot(stage)
    if state == FOREIGN:
        Path(stage.permit.path).mkdir(parents=True)
    else:
        stage.site.grant()
    if state == STOPPING:
        stage.permit.withdraw()
    assert "left alone" in settled(stage)
    assert stage.cluster.asked == [] and stage.permit.state() == state


def test_processes_without_a_permit_are_left_to_a_stop(stage: Stage, tmp_path: Path) -> None:
    boot(stage)
    stage.site.grant()
    with holder(stage.permit.path, tmp_path / "target"):
        Path(stage.permit.path).unlink()
        assert "left alone" in settled(stage)
    assert stage.cluster.asked == [] and stage.permit.state() == ABSENT


def test_a_workload_without_a_gate_is_left_alone(stage: Stage) -> None:
    """It may be running: nothing on this host proves otherwise."""
    boot(stage)
    ungated(stage)
    stage.cluster.pods["app-old"]["spec"] = stage.cluster.spec
    assert "not well gated" in settled(stage)
    assert stage.cluster.asked == [] and stage.permit.state() == ABSENT


def test_a_site_joins_without_its_api(stage: Stage) -> None:
    without_api(stage)
    assert "etcd is away" in settled(stage, 1.0)
    assert "not settled" in settled(stage, 1.0, "/none")
    assert stage.permit.state() == ABSENT


@pytest.mark.parametrize("argument", ["", "default", "default/deployment", "default/pod/app", "default/deployment/APP",
                                      "../deployment/app"])
def test_a_workload_that_is_none_is_named(stage: Stage, argument: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([argument], {}, str(stage.directory)) == 1
    assert repr(argument) in capfd.readouterr().err


def test_where_nothing_is_proven_it_says_so_and_the_site_does_not_join(tmp_path: Path,
                                                                       capfd: pytest.CaptureFixture[str]) -> None:
    disk = Path("/var/tmp") / f"aos-{tmp_path.name}"
    try:
        assert main(["default/deployment/app"], {}, str(disk)) == 1
    finally:
        for part in (disk / "permits", disk):
            part.rmdir()
    assert "nothing can be proven on this host" in capfd.readouterr().err


def test_the_directory_is_made_before_the_site_joins(stage: Stage) -> None:
    assert main([], {}, str(stage.directory / "aos")) == 0
    assert (stage.directory / "aos" / "permits").is_dir()
