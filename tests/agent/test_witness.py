"""The witness and its ground on the real kernel: real processes, mount namespaces, cgroups."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8sdeployment.agent.ground import Ground, Unproven, stand
from k8sdeployment.agent.permit import Permit
from k8sdeployment.agent.witness import Sight, Witness, first_processes, parent

from .kernel import PYTHON, holder, line_of, needs_host, python_holder, reap, running, tmpfs
from .permits import granted, look

pytestmark = needs_host

WAIT = "print('ready', flush=True); import time; time.sleep(600)"
CHROOT = "import os, sys; os.chroot(sys.argv[1]); os.chdir('/'); " + WAIT


def witness(directory: Path, permit: Permit, *pods: str) -> Witness:
    return Witness(stand(str(directory)), permit.relative, pods)


# -- who holds -----------------------------------------------------------------------------------------------------

def test_nobody_holds_a_permit_that_no_process_mounts(permit_dir: Path) -> None:
    """Neither this process, which sees the whole directory, nor anybody else."""
    permit = granted(permit_dir)
    assert witness(permit_dir, permit).holders() == []


def test_a_holder_is_found_until_it_ends(permit_dir: Path, tmp_path: Path) -> None:
    permit = granted(permit_dir)
    seen = witness(permit_dir, permit)
    with holder(permit.path, tmp_path / "target") as process:
        assert seen.holders() == [process.pid]
        assert seen.holds(process.pid) and not seen.holds(os.getpid())
        reap(process)
        assert seen.holders() == []
        assert not seen.holds(process.pid)


def test_a_holder_of_a_withdrawn_permit_is_still_found(permit_dir: Path, tmp_path: Path) -> None:
    """After the rename mountinfo shows the root as //deleted; also after a second grant, which is another file."""
    permit = granted(permit_dir)
    with holder(permit.path, tmp_path / "target") as process:
        permit.withdraw()
        assert witness(permit_dir, permit).holders() == [process.pid]
        again = granted(permit_dir)
        assert witness(permit_dir, again).holders() == [process.pid]


def test_a_killed_but_unreaped_process_holds_nothing(permit_dir: Path, tmp_path: Path) -> None:
    permit = granted(permit_dir)
    with holder(permit.path, tmp_path / "target") as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert witness(permit_dir, permit).holders() == []


def test_every_process_of_a_container_is_found_and_its_first_one_is_known(permit_dir: Path, tmp_path: Path) -> None:
    permit = granted(permit_dir)
    tree = "import subprocess; subprocess.Popen(['sleep', '600']); " + WAIT
    with python_holder(permit.path, tmp_path / "target", tree) as process:
        holders = witness(permit_dir, permit).holders()
        try:
            assert len(holders) == 2 and process.pid in holders
            assert first_processes(holders) == [process.pid]
        finally:
            for pid in holders:
                os.kill(pid, 9)


def test_other_permits_with_a_common_beginning_are_not_mistaken(permit_dir: Path, tmp_path: Path) -> None:
    others = [granted(permit_dir, "app2"), granted(permit_dir, "app.two"), granted(permit_dir, "default", "app"),
              granted(permit_dir, "app", "default2")]
    app = granted(permit_dir)
    targets = [tmp_path / str(number) for number in range(len(others))]
    with holder(others[0].path, targets[0]), holder(others[1].path, targets[1]), \
            holder(others[2].path, targets[2]), holder(others[3].path, targets[3]) as last:
        assert witness(permit_dir, app).holders() == []
        assert witness(permit_dir, others[3]).holders() == [last.pid]
        for other in others:
            other.withdraw()
        assert witness(permit_dir, app).holders() == []


def test_one_pass_answers_for_several_permits(permit_dir: Path, tmp_path: Path) -> None:
    """One process may hold two of them; who holds one is not counted for another."""
    first, second, third = (granted(permit_dir, name) for name in ("one", "two", "three"))
    seen = Sight(stand(str(permit_dir)), {permit.relative: () for permit in (first, second, third)})
    with holder(first.path, tmp_path / "a") as one, holder(second.path, tmp_path / "b") as two:
        assert seen.holders() == {first.relative: [one.pid], second.relative: [two.pid], third.relative: []}
        assert (seen.holds(one.pid), seen.holds(os.getpid())) == ({first.relative}, set())


def test_the_same_path_on_another_file_system_is_no_permit(permit_dir: Path, tmp_path: Path) -> None:
    app = granted(permit_dir)
    with tmpfs(tmp_path / "other") as other, holder(granted(other).path, tmp_path / "target"):
        assert witness(permit_dir, app).holders() == []


def test_a_path_that_mountinfo_escapes(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "host") as host:
        directory = host / "a b\\c\td"
        directory.mkdir()
        permit = granted(directory)
        with holder(permit.path, tmp_path / "target") as process:
            assert stand(str(directory)).root == "/a b\\c\td"
            assert witness(directory, permit).holders() == [process.pid]


# -- what mountinfo alone would miss -------------------------------------------------------------------------------

LEADER_EXITS = """
import ctypes, os, sys, threading, time
def live():
    time.sleep(0.05)
    print("ready", flush=True)
    time.sleep(600)
ctypes.CDLL("libgcc_s.so.1")  # pthread_exit loads it, which a chroot would prevent
if sys.argv[1:]:
    os.chroot(sys.argv[1])
threading.Thread(target=live).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_thread_group_whose_first_thread_has_exited_is_found(permit_dir: Path, tmp_path: Path) -> None:
    """Its own mountinfo answers EINVAL although the process runs."""
    permit = granted(permit_dir)
    with python_holder(permit.path, tmp_path / "target", LEADER_EXITS) as process:
        wait_for_zombie_leader(process.pid)
        with pytest.raises(OSError), open(f"/proc/{process.pid}/mountinfo") as file:
            file.read()
        assert witness(permit_dir, permit).holders() == [process.pid]


def wait_for_zombie_leader(pid: int) -> None:
    for _ in range(1000):
        if Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z":
            return
        os.sched_yield()
    raise AssertionError(f"the first thread of {pid} did not exit")


@pytest.fixture
def pod_cgroup() -> Iterator[tuple[str, Path]]:
    """A cgroup as kubelet makes it for a pod, with its UID in the name."""
    uid = str(uuid.uuid4())
    roots = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/pids")]
    root = next((root for root in roots if (root / "cgroup.procs").exists() and os.access(root, os.W_OK)), None)
    if root is None:
        pytest.skip("no cgroup hierarchy can be written here")
    group = root / f"aos-test-pod{uid}"
    group.mkdir()
    yield uid, group
    for _ in range(200):
        try:
            return group.rmdir()
        except OSError:
            os.sched_yield()


def enter(group: Path, process: subprocess.Popen[str]) -> None:
    (group / "cgroup.procs").write_text(str(process.pid))


def test_a_chrooted_process_is_found_through_its_pod(permit_dir: Path, tmp_path: Path,
                                                     pod_cgroup: tuple[str, Path]) -> None:
    """After a chroot its mountinfo shows the permit no more; its cgroup still names the pod."""
    uid, group = pod_cgroup
    permit = granted(permit_dir)
    (tmp_path / "jail").mkdir()
    with python_holder(permit.path, tmp_path / "target", CHROOT, tmp_path / "jail") as process:
        enter(group, process)
        assert witness(permit_dir, permit).holders() == [], "the chroot must hide the permit to prove anything here"
        assert witness(permit_dir, permit, uid).holders() == [process.pid]
        assert witness(permit_dir, permit, str(uuid.uuid4())).holders() == []
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert witness(permit_dir, permit, uid).holders() == [], "a zombie runs nothing"


def test_a_chrooted_process_whose_first_thread_has_exited_is_found(permit_dir: Path, tmp_path: Path,
                                                                   pod_cgroup: tuple[str, Path]) -> None:
    uid, group = pod_cgroup
    permit = granted(permit_dir)
    (tmp_path / "jail").mkdir()
    # As in a container: in the cgroup from the beginning, since the kernel moves no thread group without its first one.
    entered = ("sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', group)
    with holder(permit.path, tmp_path / "target", (*entered, PYTHON, "-c", LEADER_EXITS, tmp_path / "jail")) as process:
        assert line_of(process) == "ready"
        wait_for_zombie_leader(process.pid)
        assert witness(permit_dir, permit, uid).holders() == [process.pid]


def test_a_pod_of_the_systemd_cgroup_driver_is_known(permit_dir: Path, tmp_path: Path,
                                                     pod_cgroup: tuple[str, Path]) -> None:
    uid, group = pod_cgroup
    slice_ = group.with_name(f"aos-test-pod{uid.replace('-', '_')}.slice")
    slice_.mkdir()
    permit = granted(permit_dir)
    try:
        with running("sh", "-c", "echo ready; exec sleep 600") as process:
            enter(slice_, process)
            assert witness(permit_dir, permit, uid).holders() == [process.pid]
            reap(process)
    finally:
        slice_.rmdir()


def test_the_pods_pause_process_runs_nothing_of_the_workload(permit_dir: Path, tmp_path: Path,
                                                             pod_cgroup: tuple[str, Path]) -> None:
    uid, group = pod_cgroup
    permit = granted(permit_dir)
    shutil.copy("/bin/sleep", tmp_path / "pause")
    with running("sh", "-c", 'echo ready; exec "$0" 600', tmp_path / "pause") as process:
        enter(group, process)
        while Path(f"/proc/{process.pid}/comm").read_text() != "pause\n":
            os.sched_yield()
        assert witness(permit_dir, permit, uid).holders() == []
        reap(process)


# -- no sight is never "nobody" ------------------------------------------------------------------------------------

@pytest.mark.parametrize("broken", ["no proc", "unreadable process"])
def test_what_cannot_be_read_is_unproven(tmp_path: Path, broken: str) -> None:
    proc = tmp_path / "proc"
    if broken == "unreadable process":
        (proc / "4711" / "mountinfo").mkdir(parents=True)  # reading it fails with EISDIR, for root as well
    with pytest.raises(Unproven):
        Witness(Ground("0:1", "/"), "permits/a/deployment/b", proc=str(proc)).holders()


def test_a_vanished_process_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "4711").mkdir()
    (tmp_path / "self").mkdir()
    assert Witness(Ground("0:1", "/"), "permits/a/deployment/b", proc=str(tmp_path)).holders() == []


def test_parent() -> None:
    assert parent(os.getpid()) == os.getppid()
    assert parent(2 ** 22 + 1) == 0


def let_everybody_pass(directory: Path) -> None:
    """pytest's directories are its user's alone."""
    top = Path(tempfile.gettempdir()).resolve()
    for part in directory.resolve().parents:
        if top in part.parents:
            part.chmod(0o755)


def test_no_privilege_is_needed(permit_dir: Path, tmp_path: Path, installed: Path) -> None:
    permit = granted(permit_dir)
    let_everybody_pass(tmp_path)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    with holder(permit.path, tmp_path / "target") as process:
        assert look(installed, permit_dir, permit, *nobody) == f"holders {process.pid}"


@pytest.mark.parametrize("hidepid", ["1", "2"])
def test_a_proc_that_hides_processes_proves_nothing(permit_dir: Path, tmp_path: Path, installed: Path,
                                                    hidepid: str) -> None:
    permit = granted(permit_dir)
    let_everybody_pass(tmp_path)
    script = 'mount -t proc -o hidepid=$0 proc /proc && exec "$@"'
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    with holder(permit.path, tmp_path / "target"):
        seen = look(installed, permit_dir, permit, "unshare", "-m", "sh", "-c", script, hidepid, *nobody)
    assert seen.startswith("unproven")


def test_without_sight_of_the_hosts_processes_nothing_is_proven(permit_dir: Path, tmp_path: Path,
                                                                installed: Path) -> None:
    """As in a pod without hostPID: the holder exists, but cannot be seen."""
    permit = granted(permit_dir)
    with holder(permit.path, tmp_path / "target"):
        seen = look(installed, permit_dir, permit, "unshare", "-pm", "--fork", "--mount-proc")
    assert seen.startswith("unproven") and "hostPID" in seen


def test_a_process_forked_during_the_scan_is_found(tmp_path: Path) -> None:
    """One look lists the processes first: a child that came afterwards shows in the second look only."""
    parent_file = tmp_path / "1" / "mountinfo"
    parent_file.parent.mkdir()
    os.mkfifo(parent_file)

    def fork_while_read() -> None:
        with open(parent_file, "w"):  # opens when the scan has listed the processes and reads the parent
            (tmp_path / "2").mkdir()
            (tmp_path / "2/mountinfo").write_text("9 8 0:7 /permits/a/deployment/b /x ro - tmpfs none rw\n")
            parent_file.rename(tmp_path / "was")
        (tmp_path / "1").rmdir()

    writer = threading.Thread(target=fork_while_read)
    writer.start()
    assert Witness(Ground("0:7", "/"), "permits/a/deployment/b", proc=str(tmp_path)).holders() == [2]
    writer.join(20)
