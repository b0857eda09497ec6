"""What kubelet and the runtime really do, each hole tried live: the table of docs/permit.md names these tests.

A test here shows the hole first, without the agent; where it could fool the agent, it then shows that it does not.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from k8sdeployment.agent.permit import STOPPED, STOPPING
from lab import waiting
from lab.sites import Site

from .trial import PERMITS, Trial

pytestmark = pytest.mark.beside

HOLES = f"{PERMITS}/holes"
TOMBSTONE = f"ln -s {STOPPED} $0"


@dataclass(frozen=True)
class Case:
    """What stands at the path, and whether a pod whose volume is of `type` and mounted (or not) runs then."""

    place: str
    runs: bool
    type: str = "File"
    mounted: bool = True


CASES = {
    "file": Case("touch $0", True),
    "link-to-file": Case("touch $0.target; ln -s $0.target $0", True),
    "directory": Case("mkdir $0", False),
    "fifo": Case("mkfifo $0", False),
    "tombstone": Case(TOMBSTONE, False),
    "nothing": Case("true", False),
    "unmounted": Case(TOMBSTONE, True, mounted=False),
    "or-create": Case("true", True, type="FileOrCreate"),
    "or-create-tombstone": Case(TOMBSTONE, False, type="FileOrCreate"),
}


def pod(trial: Trial, name: str, case: Case) -> dict[str, Any]:
    spec = copy.deepcopy(trial.manifest()["spec"]["template"]["spec"])
    (container,) = spec["containers"]
    container["env"] = [{"name": "TRIAL", "value": "hole"}]
    container["volumeMounts"] *= case.mounted
    path = f"{HOLES}/{name}"
    spec |= {"volumes": [{"name": "permit", "hostPath": {"path": path, "type": case.type}}]}
    return {"apiVersion": "v1", "kind": "Pod", "spec": spec | {"terminationGracePeriodSeconds": 1},
            "metadata": {"name": f"hole-{name}", "namespace": "default", "labels": {"hole": name}}}


def place(site: Site, script: str, path: str) -> None:
    site.run(["sh", "-ec", f'mkdir -p "$(dirname "$0")"; {script}', path])


@pytest.fixture
def holes(trial: Trial) -> Iterator[Trial]:
    """All cases at once, so that they are waited for once."""
    for name, case in CASES.items():
        place(trial.site, case.place, f"{HOLES}/{name}")
    items = [pod(trial, name, case) for name, case in CASES.items()]
    listing = {"apiVersion": "v1", "kind": "List", "items": items}
    trial.site.kubectl("apply", "-f", "-", input=json.dumps(listing))
    yield trial
    trial.site.kubectl("delete", "pods", "-l", "hole", "--wait=true")
    trial.site.run(["rm", "-rf", HOLES])


def outcomes(site: Site) -> dict[str, bool]:
    """Which pods run, and which kubelet refused by their volume."""
    items = json.loads(site.kubectl("get", "pods", "-l", "hole", "-o", "json"))["items"]
    found = {item["metadata"]["labels"]["hole"]: True for item in items if item["status"].get("phase") == "Running"}
    events = json.loads(site.kubectl("get", "events", "--field-selector", "reason=FailedMount", "-o", "json"))["items"]
    refused = {event["involvedObject"]["name"].removeprefix("hole-"): event["message"] for event in events}
    return {**{name: False for name in CASES if f"{HOLES}/{name}" in refused.get(name, "")}, **found}


def test_what_kubelet_lets_pass_for_a_permit(holes: Trial) -> None:
    """A link to a file does; a volume that no container mounts is not looked at; FileOrCreate writes the permit."""
    waiting.until(lambda: outcomes(holes.site).keys() == CASES.keys(), "kubelet's word on every pod", 60,
                  lambda: f"{outcomes(holes.site)} {holes.events()}")
    assert outcomes(holes.site) == {name: case.runs for name, case in CASES.items()}
    assert holes.site.run(["stat", "-c", "%F", f"{HOLES}/or-create"]).strip() == "regular empty file"
    assert holes.site.run(["stat", "-c", "%F", f"{HOLES}/or-create-tombstone"]).strip() == "symbolic link"


def restarted(trial: Trial, pid: int) -> bool:
    return any(found != pid for found in trial.alive())


def test_a_missing_source_becomes_a_directory_when_a_container_restarts(trial: Trial) -> None:
    """Nothing checks the path within a pod that passed: hence a withdrawal never leaves a gap. The agent is not fooled
    by what somebody else's unlink brought about, and tidies it."""
    pid = trial.started()
    trial.site.run(["rm", trial.path])
    trial.site.run(["kill", "-9", str(pid)])
    waiting.until(lambda: restarted(trial, pid), "the restart without a permit", 60)
    assert trial.standing() == "directory"
    answer = trial.agent("monitor")
    assert answer.code == 1 and "run" in answer.text
    assert trial.agent("stop").code == 0
    assert not trial.alive() and trial.standing() == STOPPED


def test_a_file_renamed_over_the_tombstone_lets_the_same_pod_run_again(trial: Trial) -> None:
    """The refused restart spoils nothing."""
    pid = trial.started()
    (uid,) = trial.pods()
    trial.withdraw()
    trial.site.run(["kill", "-9", str(pid)])
    waiting.until(trial.refused, "the runtime's refusal", 60)
    assert not trial.alive() and trial.standing() == STOPPING
    place(trial.site, 'touch "$0.new"; mv -T "$0.new" "$0"', trial.path)
    waiting.until(trial.alive, "the container's restart", 60)
    assert set(trial.pods()) == {uid}


# -- the object goes, the container stays ----------------------------------------------------------------------------

@pytest.fixture
def tainted(trial: Trial) -> Iterator[Trial]:
    """The trial, on a node that may be said to be out of service; it is not afterwards."""
    yield trial
    trial.site.kubectl("taint", "node", trial.site.name, "node.kubernetes.io/out-of-service-", check=False)


def without_kubelet(trial: Trial) -> None:
    """Stop it, and scale down: the ReplicaSet deletes the pod by its default grace, and makes no other."""
    trial.site.kubelet("stop")
    trial.site.kubectl("scale", "deployment", "trial", "--replicas=0")


def runs_on_unseen(trial: Trial) -> None:
    """The LIST is empty, the container runs, and the agent says so."""
    waiting.until(lambda: not trial.pods(), "an empty LIST", 60)
    assert trial.alive(), "the container must still run, or this test shows nothing"
    answer = trial.agent("stop", timeout=8, local_stop="false")
    assert answer.code == 1 and "still runs" in answer.text
    assert trial.agent("monitor").code == 1


def test_a_grace_of_0_in_the_pod_empties_the_list(trial: Trial) -> None:
    """A plain delete is a forced one then: why such a template is refused (rule 6). Granted by hand here."""
    trial.remove()
    trial.apply(terminationGracePeriodSeconds=0)
    place(trial.site, 'echo > "$0"', trial.path)
    trial.site.kubectl("scale", "deployment", "trial", "--replicas=1")
    waiting.until(trial.alive, "the container", 60)
    without_kubelet(trial)
    runs_on_unseen(trial)


def test_the_pod_garbage_collector_empties_the_list(tainted: Trial) -> None:
    """It takes a node's word for being out of service. NotReady is written here, or it would take a minute to come."""
    tainted.started()
    without_kubelet(tainted)
    status = {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "Trial", "message": "said by a test"}]}
    node = tainted.site.name
    tainted.site.kubectl("patch", "node", node, "--subresource=status", "-p", json.dumps({"status": status}))
    tainted.site.kubectl("taint", "node", node, "node.kubernetes.io/out-of-service=trial:NoSchedule")
    runs_on_unseen(tainted)
