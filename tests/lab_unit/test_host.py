"""Finding a lab's processes, services and loop devices on the host; the engine's settings; waiting."""

import os
import signal
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

from lab import hostproc, waiting
from lab.api import ready_since
from lab.engine import containers_conf
from lab.errors import LabError
from lab.loops import over_files
from lab.shell import run

MOUNTS = """22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 254:1 /vol /home rw,relatime - ext4 /dev/vdb rw
31 22 0:5 / /proc rw - proc proc rw
"""


def test_a_path_is_named_as_its_own_file_system_names_it() -> None:
    assert hostproc.source_of("/srv/labs/one", MOUNTS) == ("254:0", "/srv/labs/one")
    assert hostproc.source_of("/home/me/labs/one", MOUNTS) == ("254:1", "/vol/me/labs/one")
    assert hostproc.source_of("/homes", MOUNTS) == ("254:0", "/homes")


def test_processes_are_found_by_an_exact_argument_and_ended() -> None:
    word = f"unix:///nowhere/{os.getpid()}/podman.sock"
    ours = subprocess.Popen(["sh", "-c", "read line", word], stdin=subprocess.PIPE)
    other = subprocess.Popen(["sh", "-c", "read line", word + ".other"], stdin=subprocess.PIPE)
    try:
        # Popen returns when the exec has closed its pipe; the kernel sets up the new command line a moment after that.
        waiting.until(lambda: hostproc.with_argument(word) == [ours.pid], "the first command line", 10)
        waiting.until(lambda: hostproc.with_argument(word + ".other") == [other.pid], "the second command line", 10)
        hostproc.end([other.pid], signal.SIGKILL)
        assert ours.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.communicate()


def test_a_process_that_is_gone_needs_no_end() -> None:
    done = subprocess.Popen(["true"])
    done.wait()
    assert not hostproc.alive(done.pid)
    hostproc.end([done.pid], signal.SIGKILL)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root; run the tests as root")
def test_processes_with_a_labs_directory_mounted_are_found_and_no_others(tmp_path: Path) -> None:
    for lab in ("one", "one-more"):
        (tmp_path / lab / "sites").mkdir(parents=True)
    (tmp_path / "target").mkdir()
    script = f"mount --bind {tmp_path}/one/sites {tmp_path}/target && echo ready && read line"
    holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
        assert hostproc.with_mount_of(tmp_path / "one") == [holder.pid]
        assert hostproc.with_mount_of(tmp_path / "one-more") == []
    finally:
        holder.kill()
        holder.communicate()


def test_loop_devices_over_a_disk_are_found(tmp_path: Path) -> None:
    for name, path in (("loop0", "/disks/one/a.img"), ("loop1", "/disks/one-more/b.img")):
        (tmp_path / name / "loop").mkdir(parents=True)
        (tmp_path / name / "loop" / "backing_file").write_text(path + "\n")
    assert over_files("/disks/one", tmp_path) == ["/dev/loop0"]


def test_podman_is_asked_for_no_more_than_it_may_hand_on() -> None:
    assert '"nofile=4096:4096", "nproc=32768:32768"' in containers_conf(4096, 32768)


def _node(status: str, heartbeat: str) -> dict[str, object]:
    return {"status": {"conditions": [{"type": "Ready", "status": status, "lastHeartbeatTime": heartbeat}]}}


@pytest.mark.parametrize("status, heartbeat, ready", [
    ("True", "2026-01-02T03:04:06Z", True),
    ("True", "2026-01-02T03:04:05Z", False),
    ("True", "2026-01-02T03:00:00Z", False),
    ("False", "2026-01-02T03:04:06Z", False),
])
def test_a_ready_of_the_boot_before_does_not_count(status: str, heartbeat: str, ready: bool) -> None:
    """The engine gives nanoseconds in the host's zone, the heartbeat whole seconds in UTC."""
    assert ready_since(_node(status, heartbeat), "2026-01-02T05:04:05.123456789+02:00") is ready


def test_a_node_without_conditions_is_not_ready() -> None:
    assert not ready_since({}, datetime.now(timezone.utc).isoformat())


def test_a_wait_that_expires_says_what_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match="the moon rising did not happen within 0.05 s. It is cloudy."):
        waiting.until(lambda: None, "the moon rising", 0.05, lambda: "It is cloudy.")


def test_a_wait_gives_back_what_it_found() -> None:
    answers = iter([0, 0, 7])
    assert waiting.until(lambda: next(answers), "a seven", 5) == 7


def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(LabError, match="was not done after 0.3 s"):
        run(["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"], timeout=0.3)
    child = int(pid_file.read_text())
    waiting.until(lambda: not hostproc.alive(child), "the end of the child", 5)


def test_a_failing_program_is_quoted() -> None:
    with pytest.raises(LabError, match="sh ended with code 3: no such luck"):
        run(["sh", "-c", "echo no such luck >&2; exit 3"])
    with pytest.raises(LabError, match="the program nonesuch is missing"):
        run(["nonesuch"])
