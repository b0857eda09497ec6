"""The oracle's eyes: real processes behind a make-believe site, so that only the process table decides who runs."""
from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.oracle_power import PowerEye
from lab.oracle_proc import PROC, Cgroups, Life, is_first_process, life
from lab.oracle_runtime import ANY, TASKS, RuntimeEye, SightLost, owner
from lab.record import Power

SITE = Life(4711, 1, True)
POD = {
    "container-type": "container", "sandbox-namespace": "default", "sandbox-name": "app-5d-x1", "container-name": "app",
}
UID = "11111111-2222-3333-4444-555555555555"

# A process whose first thread ends while another lives on: the process shows as a zombie, and runs.
HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=[60]).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


class NoCgroups(Cgroups):
    """Cgroups as a test says they are."""

    def __init__(self, *homes: Path) -> None:
        self.homes = homes

    def of(self, proc: Path, pid: int) -> tuple[Path, ...]:
        return self.homes


class MakeBelieveSite:
    """A site's root directory: its own /proc is the real one, its runtime's task directories are made by the test."""

    def __init__(self, proc: Path) -> None:
        self.proc = proc
        self.root = proc / str(SITE.pid) / "root"
        (self.root / TASKS).mkdir(parents=True)
        (self.root / "proc").symlink_to(PROC)

    def task(self, name: str, process: subprocess.Popen[str] | None, **notes: str) -> Path:
        """A task directory as containerd makes one."""
        directory = self.root / TASKS / name
        directory.mkdir()
        annotations = {f"io.kubernetes.cri.{key.replace('_', '-')}": value for key, value in {**POD, **notes}.items()}
        mounts = [{"source": f"/var/lib/kubelet/pods/{UID}/etc-hosts"}]
        (directory / "config.json").write_text(json.dumps({"annotations": annotations, "mounts": mounts}))
        if process is not None:
            (directory / "init.pid").write_text(str(process.pid))
        return directory

    def eye(self, *homes: Path) -> RuntimeEye:
        return RuntimeEye(["default/app"], self.proc, NoCgroups(*homes))


@pytest.fixture
def site(tmp_path: Path) -> MakeBelieveSite:
    return MakeBelieveSite(tmp_path / "proc")


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts processes that are gone after the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*argv: str) -> subprocess.Popen[str]:
        started.append(subprocess.Popen(argv or ("sleep", "60"), stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


Start = Callable[..., subprocess.Popen[str]]


def test_a_live_container_is_seen_with_its_pod(site: MakeBelieveSite, start: Start) -> None:
    site.task("c1", start())
    (found,) = site.eye().look(SITE)
    assert (found.workload, found.pod, found.uid) == ("default/app", "app-5d-x1", UID)
    assert (found.name, found.id) == ("app", "c1")


@pytest.mark.parametrize("notes", [
    {"container_type": "sandbox"}, {"sandbox_namespace": "other"}, {"sandbox_name": "application-1"},
])
def test_sandboxes_and_other_pods_do_not_count(site: MakeBelieveSite, start: Start, notes: dict[str, str]) -> None:
    site.task("c1", start(), **{key.replace("_", "-"): value for key, value in notes.items()})
    assert site.eye().look(SITE) == frozenset()


def test_a_dead_process_does_not_run_even_before_it_is_reaped(site: MakeBelieveSite, start: Start) -> None:
    process = start()
    site.task("c1", process)
    eye = site.eye()
    assert eye.look(SITE)
    process.kill()
    until(lambda: not eye.look(SITE))


def test_a_process_whose_first_thread_ended_still_runs(site: MakeBelieveSite, start: Start) -> None:
    process = start(sys.executable, "-c", HEADLESS)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    until(lambda: " Z " in (PROC / str(process.pid) / "stat").read_text())
    site.task("c1", process)
    assert site.eye().look(SITE)


def test_a_container_without_its_task_directory_still_runs_while_its_process_lives(
    site: MakeBelieveSite, start: Start
) -> None:
    process = start()
    directory = site.task("c1", process)
    eye = site.eye()
    assert eye.look(SITE)
    shutil.rmtree(directory)
    assert eye.look(SITE)
    process.kill()
    until(lambda: not eye.look(SITE))


def test_a_container_runs_while_anything_lives_in_its_cgroup(
    site: MakeBelieveSite, start: Start, tmp_path: Path
) -> None:
    home = tmp_path / "cgroup" / "c1"
    home.mkdir(parents=True)
    (home / "cgroup.procs").write_text("99\n")
    process = start()
    site.task("c1", process)
    eye = site.eye(home)
    assert eye.look(SITE)
    process.kill()
    process.wait()
    assert eye.look(SITE), "its first process is dead, but something still lives in its cgroup"
    (home / "cgroup.procs").write_text("")
    assert not eye.look(SITE)


def test_a_container_that_is_only_being_made_does_not_run(site: MakeBelieveSite, start: Start) -> None:
    directory = site.task("c1", None)
    eye = site.eye()
    assert not eye.look(SITE)
    (directory / "init.pid").write_text(str(start().pid))
    assert eye.look(SITE)


def test_what_cannot_be_attributed_counts_until_it_can(site: MakeBelieveSite, start: Start) -> None:
    directory = site.task("c1", start(), **{"sandbox-namespace": "other"})
    whole = (directory / "config.json").read_text()
    (directory / "config.json").write_text(whole[:20])
    eye = site.eye()
    assert {container.workload for container in eye.look(SITE)} == {ANY}
    (directory / "config.json").write_text(whole)
    assert eye.look(SITE) == frozenset()


def test_a_new_boot_begins_with_nothing_known(site: MakeBelieveSite, start: Start) -> None:
    directory = site.task("c1", start())
    eye = site.eye()
    assert eye.look(SITE)
    shutil.rmtree(directory)
    assert eye.look(Life(SITE.pid, 2, True)) == frozenset()


def test_a_site_that_cannot_be_seen_is_not_taken_for_empty(site: MakeBelieveSite, start: Start) -> None:
    site.task("c1", start())
    eye = site.eye()
    (site.root / "proc").unlink()
    with pytest.raises(SightLost):
        eye.look(SITE)


@pytest.mark.parametrize("pod, workload", [
    ("app-1", "default/app"), ("app-two-1", "default/app-two"), ("application-1", None), ("app", None),
])
def test_whose_pod_it_is(pod: str, workload: str | None) -> None:
    assert owner("default", pod, ["default/app", "default/app-two", "other/app"]) == workload


# Power

class Bench:
    """A make-believe host with one site: its engine's answer, its processes, its cgroup."""

    def __init__(self, path: Path) -> None:
        self.proc, self.home = path / "proc", path / "cgroup" / ("ab" * 32)
        self.answer: int | None = None
        self.home.mkdir(parents=True)
        self.proc.mkdir()

    def live(self, pid: int, started: int, state: str = "S", number: int = 1) -> None:
        (self.proc / str(pid)).mkdir(exist_ok=True)
        rest = " ".join(["0"] * 16 + ["1", "0", str(started)])
        (self.proc / str(pid) / "stat").write_text(f"{pid} (in) it) {state} {rest} 0\n")
        (self.proc / str(pid) / "status").write_text(f"Name:\tinit\nNSpid:\t{pid}\t{number}\n")

    def gone(self, pid: int) -> None:
        shutil.rmtree(self.proc / str(pid))

    def holds(self, *pids: int) -> None:
        (self.home / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))

    def eye(self) -> PowerEye:
        return PowerEye(lambda: self.answer, self.proc, NoCgroups(self.home))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_power_through_a_whole_cycle_without_asking_the_engine_twice(bench: Bench) -> None:
    bench.live(10, 100)
    bench.answer = 10
    eye = bench.eye()
    assert eye.look() == (Power.ON, Life(10, 100, True))
    bench.answer = None
    bench.gone(10)
    bench.holds()
    assert eye.look() == (Power.OFF, None)
    bench.live(20, 200, number=7)
    bench.holds(20)
    assert eye.look() == (Power.OFF, None), "a helper of the engine in the cgroup is not the site's first process"
    bench.live(21, 210)
    bench.holds(20, 21)
    assert eye.look() == (Power.ON, Life(21, 210, True))


def test_the_same_pid_again_is_another_boot(bench: Bench) -> None:
    bench.live(10, 100)
    bench.answer = 10
    bench.holds(10)
    eye = bench.eye()
    eye.look()
    bench.live(10, 300)
    assert eye.look() == (Power.ON, Life(10, 300, True))


def test_a_zombie_has_no_power(bench: Bench) -> None:
    bench.live(10, 100)
    bench.answer = 10
    bench.holds()
    eye = bench.eye()
    eye.look()
    bench.live(10, 100, state="Z")
    assert eye.look()[0] is not Power.ON


def test_a_site_that_is_off_from_the_start_is_off_and_found_when_it_boots(bench: Bench) -> None:
    eye = bench.eye()
    assert eye.look() == (Power.OFF, None)
    bench.live(10, 100)
    bench.answer = 10
    until(lambda: eye.look()[0] is Power.ON)


def test_an_engine_that_does_not_answer_proves_nothing(tmp_path: Path) -> None:
    def broken() -> int | None:
        raise OSError("no engine")
    (tmp_path / "proc").mkdir()
    assert PowerEye(broken, tmp_path / "proc", NoCgroups()).look() == (Power.UNSURE, None)


def test_this_very_process_is_alive_and_not_the_first_of_a_namespace_of_its_own() -> None:
    me = life(PROC, os.getpid())
    assert me is not None and me.alive and life(PROC, 2 ** 22 + 1) is None
    assert not is_first_process(PROC, 2 ** 22 + 1)


def test_a_process_in_a_pid_namespace_of_its_own_is_its_first(start: Start) -> None:
    if os.geteuid() != 0:
        pytest.skip("a PID namespace needs root")
    outer = start("unshare", "--pid", "--fork", "--kill-child", "sleep", "60")
    children = PROC / str(outer.pid) / "task" / str(outer.pid) / "children"
    until(lambda: bool(children.read_text().split()))
    assert is_first_process(PROC, int(children.read_text().split()[0]))
    assert not is_first_process(PROC, outer.pid)
    outer.send_signal(signal.SIGKILL)


def test_the_cgroups_of_this_host_are_found() -> None:
    homes = Cgroups().of(PROC, os.getpid())
    assert homes and all((home / "cgroup.procs").exists() for home in homes)


def test_the_oracle_shares_no_code_with_what_it_judges() -> None:
    """An oracle that looked with the agent's own eyes could not catch it lying."""
    here = Path(__file__).resolve().parents[2] / "lab"
    for path in [*here.glob("oracle*.py"), here / "record.py", here / "verdict.py", here / "verdict_model.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert not any(name.startswith("k8sdeployment") for name in [module, *names]), path
