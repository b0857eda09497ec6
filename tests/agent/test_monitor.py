"""monitor as a whole process: what the permit and the kernel say first, the API where it must be asked."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from k8sdeployment.agent.permit import ABSENT, GRANTED, STOPPED

from .cluster import ready_pod
from .kernel import CHECKOUT, PYTHON, line_of, needs_host, running
from .stage import DEEP, INTERVAL, NOTHING, UNAVAILABLE, Stage, ungated, without_api
from .tls import reply

pytestmark = needs_host


def test_a_probe_needs_no_api_once_the_path_says_all(started: Stage) -> None:
    without_api(started)
    assert started.probe().code == 0
    started.permit.withdraw()
    assert (started.probe().code, started.probe().reason) == (1, "is being stopped and still runs")
    os.kill(started.site.processes["app-a"].pid, signal.SIGKILL)
    started.site.processes["app-a"].wait(20)
    assert started.probe().code == 7
    started.permit.mark_stopped()
    assert started.probe().code == 7 and started.monitor().code == 7 and started.monitor(DEEP).code == 7


def test_an_absent_permit_with_guard_required_is_enough(stage: Stage) -> None:
    without_api(stage)
    assert stage.run("monitor", seconds=0.8, guard="auto").code == 1, "it may have no gate at all"
    assert stage.probe(guard="required").code == 7
    assert stage.permit.state() == STOPPED, "on that word nothing may begin: an absent permit is no tombstone"


def test_a_granted_permit_that_nobody_holds_must_be_withdrawn_first(stage: Stage) -> None:
    stage.site.grant()
    assert stage.probe().code == 1


@pytest.mark.parametrize("more", [INTERVAL, DEEP], ids=["shallow", "deep"])
def test_a_silent_api_never_fails_what_is_witnessed(started: Stage, more: dict[str, str]) -> None:
    for broken in (UNAVAILABLE, reply("<html>"), reply("{}", "403 Forbidden"), reply("", "401 Unauthorized"),
                   reply("{", "200 OK"), b"nonsense\r\n\r\n"):
        started.cluster.broken = broken
        result = started.monitor(more)
        assert result.code == 190 and "witnessed" in result.reason, (broken, result)
    assert started.monitor(more, kubeconfig="/none").code == 190


def test_a_silent_api_does_not_confirm_what_nobody_holds(stage: Stage) -> None:
    stage.site.grant()
    without_api(stage)
    assert stage.monitor(unavailable_grace="0").code == 1
    assert stage.monitor(unavailable_grace="1h").code == 190


def test_drift_and_disappearance(started: Stage) -> None:
    started.cluster.change(replicas=3)
    assert started.monitor().code == 190 and "3 replicas" in started.monitor().reason
    assert started.monitor(drift="fail").code == 1
    started.cluster.change(replicas=0)
    assert started.monitor().code == 1
    started.cluster.exists = False
    assert started.monitor().code == 1 and "not exist" in started.monitor().reason


def test_deep_monitor(started: Stage) -> None:
    started.cluster.change(available=0)
    assert started.monitor(DEEP).code == 190
    assert started.monitor(DEEP, unavailable_grace="0").code == 1
    started.cluster.change(available=1)
    assert started.monitor(DEEP).code == 0
    started.cluster.spec = {"containers": []}
    assert started.monitor(DEEP).code == 190 and "gate" in started.monitor(DEEP).reason


# -- one writer --------------------------------------------------------------------------------------------------------

ANNOUNCED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from k8sdeployment.agent.parameters import load
from k8sdeployment.agent.permit import Permit
permit = Permit(load({"OCF_RESKEY_deployment": "app", "OCF_RESKEY_permit_dir": sys.argv[2]}))
permit.announce()
print("ready", flush=True)
sys.stdin.readline()
with permit.locked():
    permit.grant()
"""


def test_a_probe_does_not_say_not_running_while_a_start_is_under_way(stage: Stage) -> None:
    with running(PYTHON, "-c", ANNOUNCED, CHECKOUT, stage.directory) as start:
        result = stage.probe(guard="required")
        assert result.code == 1 and f"process {start.pid}" in result.reason
        assert start.stdin is not None
        start.stdin.write("\n")
        start.stdin.flush()
        assert start.wait(20) == 0
    assert stage.permit.state() == GRANTED


ORPHAN = """
import os, sys
sys.path.insert(0, sys.argv[1])
from k8sdeployment.agent.codes import Voided
from k8sdeployment.agent.parameters import load
from k8sdeployment.agent.permit import Permit
permit = Permit(load({"OCF_RESKEY_deployment": "app", "OCF_RESKEY_permit_dir": sys.argv[2]}))
said, say = os.pipe()
if os.fork():
    os.read(said, 1)
    print("ready", flush=True)
    os._exit(0)
permit.announce()
os.write(say, b"x")
sys.stdin.readline()
try:
    with permit.locked():
        permit.grant()
    print("granted", flush=True)
except Voided:
    print("voided", flush=True)
"""


@pytest.mark.parametrize("probed", [True, False])
def test_after_a_probe_said_not_running_an_orphaned_start_may_not_grant(stage: Stage, probed: bool) -> None:
    """Its caller died (Pacemaker was restarted); the probe's answer lets the other site start."""
    with running(PYTHON, "-c", ORPHAN, CHECKOUT, stage.directory) as caller:
        assert caller.wait(20) == 0
        if probed:
            assert stage.probe(guard="required").code == 7
        assert caller.stdin is not None
        caller.stdin.write("\n")
        caller.stdin.flush()
        assert line_of(caller) == ("voided" if probed else "granted")
    assert stage.permit.state() == (STOPPED if probed else GRANTED)


# -- unguarded ---------------------------------------------------------------------------------------------------------

@pytest.fixture
def bare(stage: Stage) -> Stage:
    """A workload without a gate (guard=auto)."""
    ungated(stage)
    stage.cluster.on_scale = lambda replicas: stage.cluster.change(
        available=replicas, pods={name: ready_pod(name, stage.cluster.spec) for name in ["app-x"][:replicas]})
    return stage


@pytest.mark.parametrize("guard", ["auto", "off"])
def test_the_life_of_an_unguarded_workload(bare: Stage, tmp_path: Path, guard: str) -> None:
    more = {"HA_RSCTMP": str(tmp_path)}

    def code(action: str, extra: Mapping[str, str] = NOTHING) -> int:
        return bare.run(action, {**more, **extra}, 0.8 if bare.cluster.broken else 20.0, guard=guard).code

    assert code("monitor") == 7
    assert code("start") == 0 and code("start") == 0
    assert bare.cluster.asked == ["scale 1"] and bare.permit.state() == ABSENT
    assert [code("monitor"), code("monitor", INTERVAL), code("monitor", DEEP)] == [0, 0, 0]
    without_api(bare)
    assert code("monitor") == 1 and code("monitor", INTERVAL) == 190
    bare.cluster.broken = b""
    assert code("stop") == 0 and code("stop") == 0 and code("monitor") == 7
    assert bare.cluster.asked == ["scale 1", "scale 0"]


@pytest.mark.parametrize("guard", ["auto", "off"])
def test_a_lost_kubeconfig_is_as_an_api_that_is_away(bare: Stage, tmp_path: Path, guard: str) -> None:
    more = {"HA_RSCTMP": str(tmp_path)} | INTERVAL
    assert bare.run("start", more, guard=guard).code == 0
    result = bare.run("monitor", more, 1.5, guard=guard, kubeconfig="/none")
    assert result.code == 190 and "/none" in result.reason


def test_a_stop_of_an_unguarded_workload_waits_for_its_last_pod(bare: Stage) -> None:
    bare.cluster.change(replicas=1, pods={"app-x": ready_pod("app-x", bare.cluster.spec)})
    bare.when_scaled()
    result = bare.run("stop", seconds=1.5)
    assert result.code == 1 and "pods are still there: 1" in result.reason


def test_an_unguarded_stop_scales_down_again_when_somebody_scales_up(bare: Stage) -> None:
    pod = {"app-x": ready_pod("app-x", bare.cluster.spec)}
    bare.cluster.change(replicas=1, pods=pod)
    left = [2]

    def fight(replicas: int) -> None:
        left[0] -= 1
        bare.cluster.change(replicas=1 if left[0] else 0, pods=pod if left[0] else {})

    bare.cluster.on_scale = fight
    assert bare.run("stop").code == 0
    assert bare.cluster.asked == ["scale 0", "scale 0"]


def test_where_the_cluster_stopped_it_an_absent_api_restarts_nothing(stage: Stage) -> None:
    """role=Stopped on the passive site: anything but 7 stops the healthy copy on the other one."""
    ungated(stage)
    passive = INTERVAL | {"OCF_RESKEY_CRM_meta_role": "Stopped"}
    assert stage.monitor(passive).code == 7
    without_api(stage)
    result = stage.run("monitor", passive, 1.0)
    assert result.code == 7 and "confirmed stopped" in result.reason
    assert stage.run("monitor", INTERVAL, 1.0).code == 1 and stage.run("monitor", NOTHING, 1.0).code == 1
