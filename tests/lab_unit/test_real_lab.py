"""The lab itself, for real: what a crash leaves is cleaned, two labs live side by side, down leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import engine as engines
from lab import hostproc, make, waiting
from lab.engine import Engine
from lab.errors import LabError
from lab.names import LABEL
from lab.paths import CHECKOUT
from lab.sites import Lab, Site
from lab.state import LabState
from lab.up import down, up

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root; run the tests as root")]

NAME = f"t{os.getpid() % 100000}"


@pytest.fixture(scope="module")
def state() -> Iterator[LabState]:
    made = LabState(NAME)
    yield made
    down(made)


@pytest.fixture
def lab(state: LabState) -> Lab:
    """A lab that is up, whatever the test before did to it."""
    up(state, print)
    return Lab.attach(NAME)


def _lab_program(*words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "lab", "--name", NAME, *words], cwd=CHECKOUT,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _remains(engine: Engine) -> list[str]:
    """Everything of the test's lab that the engine or the kernel still knows."""
    filters = {"label": f"{LABEL}={NAME}"}
    found = [str(container.name) for container in make.labelled(engine, NAME)]
    found += [str(network.name) for network in engine.client.networks.list(filters=filters)]
    found += [str(volume.name) for volume in engine.client.volumes.list(filters=filters)]
    found += [f"pid {pid}" for pid in hostproc.with_mount_of(LabState(NAME).directory)]
    return found


def _reaches(site: Site, address: str) -> bool:
    probe = f"timeout 0.7 bash -c 'echo > /dev/tcp/{address}/6443' && echo yes || true"
    return site.run(["sh", "-c", probe]).strip().endswith("yes")


def _reachable(site: Site, other: Site) -> list[bool]:
    return [_reaches(site, address) for address in (*other.addresses, other.management)]


def test_up_twice_changes_nothing(state: LabState, lab: Lab) -> None:
    before = {name: site.pid() for name, site in lab.sites.items()}
    assert up(state, print) is False
    assert {name: site.pid() for name, site in lab.sites.items()} == before


def test_a_cut_outlives_a_power_cut_and_spares_the_management_network(lab: Lab) -> None:
    first, second = lab.sites["site-a"], lab.sites["site-b"]
    assert _reachable(first, second) == [True, True, True]
    lab.cut(1)
    assert _reachable(first, second) == [False, True, True]
    lab.cut()
    first.power("reset")
    first.wait_api()
    assert _reachable(first, second) == _reachable(second, first) == [False, False, True]
    lab.heal()
    assert _reachable(first, second) == _reachable(second, first) == [True, True, True]


def test_power_off_loses_run_and_keeps_the_disk(lab: Lab) -> None:
    site = lab.sites["site-b"]
    site.run(["touch", "/run/aos/gone", "/var/lib/aos/kept"])
    site.power("off")
    assert site.pid() is None
    site.power("on")
    site.daemons()  # the supervisor answers once the machine has booted
    assert site.run(["sh", "-c", "ls /run/aos /var/lib/aos"]).split() == ["/run/aos:", "/var/lib/aos:", "kept"]
    site.run(["rm", "/var/lib/aos/kept"])
    site.wait_ready()


@pytest.mark.parametrize("daemon, order", [("kubelet", "kubelet"), ("containerd", "containerd")])
def test_a_daemon_stays_stopped_until_started(lab: Lab, daemon: str, order: str) -> None:
    site = lab.sites["site-a"]
    getattr(site, order)("stop")
    assert site.daemons()[daemon]["pid"] is None
    getattr(site, order)("start")
    waiting.until(lambda: site.daemons()[daemon]["pid"], f"the start of {daemon}", 10)


def test_the_api_alone_goes_and_comes_back(lab: Lab) -> None:
    site = lab.sites["site-a"]
    site.api("stop")
    assert not site.kube.ready()
    assert site.daemons()["kubelet"]["pid"]
    site.api("start")
    site.wait_api()


def test_everyone_else_is_kept_out_of_the_kubelet(lab: Lab) -> None:
    site = lab.sites["site-a"]
    ask = "import ssl, urllib.request as u; u.urlopen('https://127.0.0.1:10250/pods', " \
          "context=ssl._create_unverified_context())"
    with pytest.raises(LabError, match="401"):
        site.run(["python3", "-c", ask])


def test_a_dead_engine_service_is_replaced_and_the_bmc_finds_the_new_one(lab: Lab) -> None:
    if not lab.engine.own:
        pytest.skip("the engine is not the lab's own")
    services = hostproc.with_argument(lab.engine.url)
    assert len(services) == 1
    hostproc.end(services, signal.SIGKILL)
    again = Lab.attach(NAME)
    assert again.sites["site-a"].pid()
    bmc = again.engine.client.containers.get(again.plan.site("site-a").bmc_container)
    done = bmc.exec_run(["python3", "-m", "bmc.chassis", "get", "power"])
    assert (done.exit_code, done.output) == (0, b"power:1\n")


def test_a_site_removed_from_outside_is_made_anew(state: LabState, lab: Lab) -> None:
    lab.engine.client.containers.get(lab.plan.site("site-a").container).remove(force=True)
    with pytest.raises(LabError, match="the container of site-a is gone"):
        lab.sites["site-a"].power("off")
    said: list[str] = []
    assert up(state, said.append) is True
    assert any("a crash left" in line for line in said)


def test_a_site_whose_keeper_was_killed_is_made_anew(state: LabState, lab: Lab) -> None:
    """Without its conmon, podman says for ever that the site runs."""
    if not lab.engine.podman:
        pytest.skip("the engine is not podman")
    site = lab.sites["site-b"]
    pid = site.pid()
    assert pid is not None
    keeper = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert Path(f"/proc/{keeper}/comm").read_text().strip() == "conmon"
    hostproc.end([keeper, pid], signal.SIGKILL)
    assert site.pid() is None
    assert up(state, print) is True
    assert Lab.attach(NAME).sites["site-b"].pid()


@pytest.mark.parametrize("milestone", ["lab.json", "bmc/site-b/bmc.json"])
def test_an_up_that_was_killed_on_its_way_does_not_trouble_the_next(state: LabState, milestone: str) -> None:
    down(state)
    program = _lab_program("up")
    waiting.until(lambda: (state.directory / milestone).exists(), f"the making of {milestone}", 120)
    program.kill()
    program.wait()
    assert not state.complete
    assert up(state, print) is True


def test_down_leaves_nothing_even_when_the_state_directory_is_lost(state: LabState, lab: Lab) -> None:
    (state.directory / "complete").unlink()
    (state.directory / "lab.json").unlink()
    down(state)
    assert not state.directory.exists()
    with engines.borrowed(state.home.parent / "engine") as engine:
        assert _remains(engine) == []
    assert hostproc.with_argument(f"unix://{state.engine_directory}/podman.sock") == []
    assert down(state) == ""


def test_events_tell_what_was_done(lab: Lab) -> None:
    began = time.monotonic()
    lab.sites["site-a"].power("reset")
    lab.cut(2)
    lab.heal()
    lines = [json.loads(line) for line in lab.state.events_file.read_text().splitlines()]
    recent = [(line["what"], line["site"]) for line in lines if line["mono"] >= began]
    assert recent == [("power-reset", "site-a"), ("power-reset-done", "site-a"), ("cut", None), ("heal", None)]
