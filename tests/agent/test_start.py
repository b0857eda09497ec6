"""start as a whole process: it refuses, clears, grants, scales and believes the kernel, in this order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from k8sdeployment.agent.permit import ABSENT, GRANTED, STOPPING

from .cluster import ready_pod
from .kernel import holder, needs_host
from .stage import DEEP, Stage, ungated, without_api
from .tls import reply

pytestmark = needs_host


def test_a_start_grants_then_scales_up_and_waits_for_a_holder(stage: Stage) -> None:
    states: list[str] = []
    stage.when_scaled(lambda replicas: states.append(stage.permit.state()), stage.site.scaled)
    assert stage.run("start").code == 0
    assert states == [GRANTED] and stage.cluster.asked == ["scale 1"]
    assert len(stage.site.alive()) == 1
    assert stage.run("start", guard="required").code == 0, "again: nothing to do"
    assert stage.cluster.asked == ["scale 1"]
    assert [stage.probe().code, stage.monitor().code, stage.monitor(DEEP).code] == [0, 0, 0]


def test_a_running_workload_is_never_cleared_deleted_or_rescaled(started: Stage) -> None:
    alive = started.site.alive()
    assert started.run("start").code == 0
    assert started.cluster.asked == [] and started.site.alive() == alive


def test_leftovers_of_an_earlier_boot_go_first_and_are_not_believed(stage: Stage) -> None:
    """After a boot the API still shows the old pod ready and available: the start waits for one of its own."""
    old = ready_pod("app-old", stage.cluster.spec)
    stage.cluster.change(replicas=1, available=1, pods={"app-old": old})
    granted: list[str] = []
    stage.when_scaled(lambda replicas: granted.append(stage.permit.state()),
                      lambda replicas: stage.site.scaled(replicas) if replicas else None)
    assert stage.run("start").code == 0
    assert stage.cluster.asked == ["scale 0", "delete app-old uid-app-old", "scale 1"]
    assert granted == [ABSENT, GRANTED]
    assert "app-old" not in stage.cluster.pods and len(stage.site.alive()) == 1


def test_a_leftover_that_stays_and_lies_is_not_taken_for_the_new_pod(stage: Stage) -> None:
    """The old object stays listed as ready while the new pod's init container runs already and holds the permit."""
    stage.cluster.change(replicas=1, available=1, pods={"app-old": ready_pod("app-old", stage.cluster.spec)})
    stage.cluster.on_delete = lambda name: None

    def begin(replicas: int) -> None:
        if replicas:
            stage.site.run("app-new")
            stage.cluster.pods["app-new"]["status"] = {"phase": "Pending"}

    stage.when_scaled(begin)
    result = stage.run("start", seconds=3)
    assert result.code == 1 and "pod app-new is not ready" in result.reason


def test_available_without_a_holder_is_not_started(stage: Stage) -> None:
    """A status that lies: the kernel sees nobody."""
    spec = stage.cluster.spec
    stage.cluster.on_scale = lambda replicas: stage.cluster.change(available=1, pods={"x": ready_pod("x", spec)})
    result = stage.run("start", seconds=2)
    assert result.code == 1 and "not available" in result.reason


def test_pods_that_do_not_become_ready_are_quoted(stage: Stage) -> None:
    pod = ready_pod("app-x", stage.cluster.spec)
    pod["status"] = {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no x"}}}]}
    stage.cluster.on_scale = lambda replicas: stage.cluster.change(pods={"app-x": pod})
    result = stage.run("start", seconds=2)
    assert result.code == 1 and "pod app-x: ImagePullBackOff (no x)" in result.reason


def test_a_start_refuses_while_somebody_runs_without_a_permit(stage: Stage, tmp_path: Path) -> None:
    stage.site.grant()
    with holder(stage.permit.path, tmp_path / "target") as process:
        stage.permit.withdraw()
        result = stage.run("start")
        assert result.code == 1 and f"processes {process.pid} " in result.reason
    assert stage.permit.state() == STOPPING and stage.cluster.asked == []


@pytest.mark.parametrize("when", ["before the grant", "after the grant"])
def test_a_stop_voids_a_start_that_is_running(stage: Stage, when: str) -> None:
    """Even an orphaned one: it grants nothing and does not claim to run."""
    first = {"before the grant": 0, "after the grant": 1}[when]
    if first == 0:
        stage.cluster.change(replicas=1)  # it has leftovers to scale down first

    def overtake(replicas: int) -> None:
        if replicas == first:
            stage.permit.withdraw()

    stage.when_scaled(overtake)
    result = stage.run("start")
    assert result.code == 1 and ("overtaken" in result.reason or "withdrew" in result.reason)
    assert stage.permit.state() == STOPPING


def test_a_stray_directory_does_not_stop_a_start(stage: Stage) -> None:
    (Path(stage.permit.path) / "a").mkdir(parents=True)
    assert stage.run("start").code == 0
    assert stage.permit.state() == GRANTED


def half(stage: Stage) -> None:
    stage.cluster.spec["volumes"][0]["hostPath"]["type"] = ""


def gone(stage: Stage) -> None:
    stage.cluster.exists = False


def forbidden(stage: Stage) -> None:
    stage.cluster.broken = reply('{"kind": "Status", "message": "may not"}', "403 Forbidden")


REFUSED: dict[str, tuple[Callable[[Stage], None], dict[str, object], int, str]] = {
    "half-gated": (half, {}, 5, "type must be File"),
    "half-gated, required": (half, {"guard": "required"}, 5, "type must be File"),
    "no gate though required": (ungated, {"guard": "required"}, 5, "no hostPath volume"),
    "a minimum with a gate": (lambda stage: None, {"replica_min": 1, "replica_max": 2}, 5, "replica_min=1 must be 0"),
    "missing": (gone, {}, 5, "does not exist"),
    "forbidden": (forbidden, {}, 4, "may not"),
    "unreachable": (without_api, {}, 1, "etcd is away"),
}


@pytest.mark.parametrize("action,more", [("start", {}), ("validate-all", {"OCF_CHECK_LEVEL": "10"})])
@pytest.mark.parametrize("why", REFUSED)
def test_what_a_start_refuses_changes_nothing(stage: Stage, why: str, action: str, more: dict[str, str]) -> None:
    prepare, values, code, words = REFUSED[why]
    prepare(stage)
    result = stage.run(action, more, 2.0 if why == "unreachable" else 20.0, **values)
    assert result.code == code and words in result.reason
    assert stage.permit.state() == ABSENT and stage.cluster.asked == []


def test_a_start_that_the_api_answers_late_goes_on(stage: Stage) -> None:
    without_api(stage)
    threading.Timer(0.7, lambda: setattr(stage.cluster, "broken", b"")).start()
    assert stage.run("start").code == 0
