"""start, stop and monitor as whole processes: a small API server, real permits, real processes that hold them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from k8sdeployment.agent.permit import ABSENT, GRANTED, STOPPED, STOPPING

from .cluster import TIMEOUT, Cluster, Result, Site, act, api_of, environment, gated_spec, permit_at, ready_pod
from .kernel import CHECKOUT, PYTHON, holder, interpreters, line_of, needs_host, python_holder, reap, running
from .tls import Authority, reply

pytestmark = needs_host

NOTHING: Mapping[str, str] = {}
INTERVAL = {"OCF_RESKEY_CRM_meta_interval": "10000"}
DEEP = {"OCF_CHECK_LEVEL": "10"} | INTERVAL
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
UNAVAILABLE = reply('{"kind": "Status", "message": "etcd is away"}', "503 Service Unavailable")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


class Stage:
    """One site: the permit directory, its cluster, and the agent to run on it."""

    def __init__(self, site: Site, executable: Path, kubeconfig: Path, directory: Path) -> None:
        self.site, self.cluster, self.permit = site, site.cluster, site.permit
        self.executable, self.kubeconfig, self.directory = executable, kubeconfig, directory

    def run(self, action: str, more: Mapping[str, str] = NOTHING, seconds: float = 20.0, **values: object) -> Result:
        env = environment(**{"kubeconfig": self.kubeconfig, "permit_dir": self.directory, **values})
        result = act(interpreters()[0], self.executable, action, {**env, TIMEOUT: str(int(seconds * 1000)), **more})
        assert result.out == "" and "SECRET" not in result.err and "Traceback" not in result.err, result.err
        return result

    def probe(self, **values: object) -> Result:
        return self.run("monitor", NOTHING, 20.0, **values)

    def monitor(self, more: Mapping[str, str] = INTERVAL, **values: object) -> Result:
        return self.run("monitor", more, 20.0, **values)

    def when_scaled(self, *then: Callable[[int], object]) -> None:
        """What happens when somebody scales, in turn, in place of what kubelet would do."""
        def scaled(replicas: int) -> None:
            for step in then:
                step(replicas)
        self.cluster.on_scale = scaled


@pytest.fixture
def stage(permit_dir: Path, tmp_path: Path, authority: Authority, installed: Path) -> Iterator[Stage]:
    permit = permit_at(permit_dir)
    cluster = Cluster(gated_spec(permit.path))
    site = Site(tmp_path, cluster, permit)
    with api_of(cluster, authority, tmp_path) as kubeconfig, site.stack:
        yield Stage(site, installed, kubeconfig, permit_dir)


@pytest.fixture
def started(stage: Stage) -> Stage:
    """As after a start: granted, one pod that runs."""
    stage.site.grant()
    stage.site.run("app-a")
    return stage


def without_api(stage: Stage) -> None:
    stage.cluster.broken = UNAVAILABLE


# -- start ---------------------------------------------------------------------------------------------------------

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
    result = stage.run("start", seconds=4)
    assert result.code == 1 and "pod app-new is not ready" in result.reason


def test_available_without_a_holder_is_not_started(stage: Stage) -> None:
    """A status that lies: the kernel sees nobody."""
    spec = stage.cluster.spec
    stage.cluster.on_scale = lambda replicas: stage.cluster.change(available=1, pods={"x": ready_pod("x", spec)})
    result = stage.run("start", seconds=3)
    assert result.code == 1 and "not available" in result.reason


def test_pods_that_do_not_become_ready_are_quoted(stage: Stage) -> None:
    pod = ready_pod("app-x", stage.cluster.spec)
    pod["status"] = {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no x"}}}]}
    stage.cluster.on_scale = lambda replicas: stage.cluster.change(pods={"app-x": pod})
    result = stage.run("start", seconds=3)
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


def ungated(stage: Stage) -> None:
    stage.cluster.spec = {"containers": [{"name": "app"}]}


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
    result = stage.run(action, more, 2.5 if why == "unreachable" else 20.0, **values)
    assert result.code == code and words in result.reason
    assert stage.permit.state() == ABSENT and stage.cluster.asked == []


def test_a_start_that_the_api_answers_late_goes_on(stage: Stage) -> None:
    without_api(stage)
    threading.Timer(0.7, lambda: setattr(stage.cluster, "broken", b"")).start()
    assert stage.run("start").code == 0


# -- stop ----------------------------------------------------------------------------------------------------------

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
    result = started.run("stop", seconds=3, local_stop="false")
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
    result = started.run("stop", NOTHING, 3.0, kubeconfig="/none" if api == "no kubeconfig" else started.kubeconfig)
    assert result.code == 0 and "ended the processes from this host" in result.reason
    assert started.site.processes["app-a"].wait(20) == -signal.SIGTERM
    assert started.permit.state() == STOPPED


def test_who_ignores_sigterm_is_killed_after_the_grace(stage: Stage, tmp_path: Path) -> None:
    stage.site.grant()
    Path(stage.permit.beside, "memory").write_text("grace=1\n")
    without_api(stage)
    began = time.monotonic()
    with python_holder(stage.permit.path, tmp_path / "target", STUBBORN) as process:
        assert stage.run("stop", seconds=4).code == 0
        assert process.wait(20) == -signal.SIGKILL
    assert time.monotonic() - began > 2.0, "the grace was given"


def test_local_stop_off_leaves_the_holders_alone(started: Stage) -> None:
    without_api(started)
    result = started.run("stop", seconds=3, local_stop="false")
    assert result.code == 1 and "etcd is away" in result.reason
    assert started.site.alive() == ["app-a"] and started.permit.state() == STOPPING


def test_a_local_stop_spares_other_workloads(started: Stage, tmp_path: Path) -> None:
    other = Path(started.permit.path + "2")
    other.touch()
    without_api(started)
    with holder(other, tmp_path / "other") as process:
        assert started.run("stop", seconds=3).code == 0
        assert process.poll() is None


@pytest.mark.parametrize("path", ["absent", "directory", "tombstone"])
def test_processes_without_a_permit_are_stopped(stage: Stage, tmp_path: Path, path: str) -> None:
    stage.site.grant()
    with holder(stage.permit.path, tmp_path / "target") as process:
        os.unlink(stage.permit.path)
        if path == "directory":
            os.mkdir(stage.permit.path)
        elif path == "tombstone":
            stage.permit.withdraw(STOPPED)
        assert stage.probe().code == 1 and "without a permit" in stage.probe().reason
        without_api(stage)
        assert stage.run("stop", seconds=3).code == 0
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


# -- monitor and probe of a gated workload -------------------------------------------------------------------------

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
    assert stage.probe(guard="required").code == 7
    assert stage.run("monitor", seconds=1.5, guard="auto").code == 1, "it may have no gate at all"


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


# -- one writer ----------------------------------------------------------------------------------------------------

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
    assert stage.permit.state() == (ABSENT if probed else GRANTED)


# -- unguarded -----------------------------------------------------------------------------------------------------

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
        return bare.run(action, {**more, **extra}, 1.5 if bare.cluster.broken else 20.0, guard=guard).code

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
    result = bare.run("stop", seconds=3)
    assert result.code == 1 and "1 pods are still there" in result.reason


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
