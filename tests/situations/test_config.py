"""What is wrong with the workload or with this host, though every parameter reads well; and a clock that jumps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..agent.stage import INTERVAL
from .shop import Shop, template

# The agent with a wall clock that is ten years off, now in this and now in that direction.
JUMPING = """
import itertools, runpy, time
real, turns = time.time, itertools.cycle((-1, 1))
time.time = lambda: real() + next(turns) * 10 * 365 * 86400
runpy.run_path({!r}, run_name="__main__")
"""


def halves(path: str) -> dict[str, dict[str, Any]]:
    """Pod specs that have a gate by halves, by what is said of them."""
    bare = {"name": "first", "image": "x"}
    volume = {"name": "permit", "hostPath": {"path": path, "type": "FileOrCreate"}}
    return {"container first does not mount permit": {"initContainers": [bare]},
            "hostPath type must be File": {"volumes": [volume]},
            "terminationGracePeriodSeconds must not be 0": {"terminationGracePeriodSeconds": 0}}


@pytest.mark.situation("a gate by halves")
@pytest.mark.parametrize("fault", halves(""))
def test_a_gate_by_halves(shop: Shop, fault: str) -> None:
    shop.add(pod=halves(shop.permit.path)[fault])
    assert shop.start().code == 5
    result = shop.validate()
    assert result.code == 5 and fault in result.reason
    assert shop.probe().code == 7, "nothing of it was ever started"
    assert shop.proxy.writes() == []


@pytest.mark.situation("no gate where one is required")
def test_no_gate_where_one_is_required(shop: Shop) -> None:
    shop.add("bare")
    assert shop.start(deployment="bare", guard="required").code == 5
    assert shop.validate(deployment="bare", guard="required").code == 5
    assert shop.proxy.writes() == []


@pytest.mark.situation("a ReplicaSet from before the gate")
def test_a_replica_set_from_before_the_gate(shop: Shop) -> None:
    """Its pod runs ungated while the new template is gated: the rollout has not come so far."""
    shop.add(strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, replicas=1, pod=template(""))
    shop.patch({"spec": {"template": {"spec": {**template(shop.permit.path), "volumes": None, "containers": [
        {"name": "app", "image": "app"}]}}}})
    shop.available(1)
    whole = template(shop.permit.path)
    shop.patch({"spec": {"template": {"spec": {"volumes": whole["volumes"], "containers": whole["containers"]}}}})
    assert shop.start().code == 5


@pytest.mark.situation("a gate, and replica_min above 0")
def test_a_gate_and_replica_min(shop: Shop) -> None:
    shop.add()
    assert shop.start(replica_min=1, replica_max=2).code == 5
    assert shop.validate(replica_min=1, replica_max=2).code == 5


@pytest.mark.situation("the kubeconfig is not there")
def test_the_kubeconfig_is_not_there(shop: Shop) -> None:
    shop.begun()
    assert shop.monitor(kubeconfig="/none/kubeconfig").code == 190
    assert shop.start(kubeconfig="/none/kubeconfig").code == 5
    assert shop.validate(kubeconfig="/none/kubeconfig").code == 5


@pytest.mark.situation("the permit directory is not the host's tmpfs")
def test_the_permit_directory_proves_nothing(shop: Shop, tmp_path: Path) -> None:
    shop.add()
    disk = tmp_path / "disk"
    disk.mkdir()
    for action in (shop.start, shop.validate):
        assert action(permit_dir=disk, guard="required").code == 5
    assert shop.probe(permit_dir=disk, guard="required").code == 7, "the API's list says so"
    shop.api_away()
    assert shop.probe(2, permit_dir=disk, guard="required").code == 1


@pytest.mark.situation("the agent's directory cannot be written")
def test_without_a_place_for_the_memory(shop: Shop, tmp_path: Path) -> None:
    """Nothing is remembered, nothing else changes."""
    shop.add("bare")
    (tmp_path / "file").touch()
    nowhere = {"HA_RSCTMP": str(tmp_path / "file")}
    assert shop.run("start", nowhere, deployment="bare", guard="off").code == 0
    assert shop.run("monitor", {**nowhere, **INTERVAL}, deployment="bare", guard="off").code == 0
    assert shop.run("stop", nowhere, deployment="bare", guard="off").code == 0


@pytest.mark.situation("the wall clock is set")
def test_the_wall_clock_jumps(shop: Shop, tmp_path: Path) -> None:
    """Neither a permit nor a grace depends on it."""
    jumping = tmp_path / "jumping.py"
    jumping.write_text(JUMPING.format(str(shop.executable)))
    shop.executable = jumping
    shop.begun()
    shop.add("bare")
    assert shop.start(deployment="bare").code == 0
    server = shop.proxy.url
    shop.api_away()
    assert shop.monitor().code == 190
    assert shop.monitor(2, deployment="bare").code == 190
    shop.ask_at(server)
    assert shop.monitor().code == 0
    assert shop.stop().code == 0
