"""The ground on the real kernel: only the host's own tmpfs, seen by process 1 as well, proves anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from k8sdeployment.agent.ground import Unproven, stand

from .kernel import PYTHON, line_of, needs_host, run, running, tmpfs
from .permits import LOOK

pytestmark = needs_host


def make(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory


def refused(directory: Path) -> str:
    with pytest.raises(Unproven) as caught:
        stand(str(directory))
    return str(caught.value)


def test_a_tmpfs_of_the_host_is_ground(permit_dir: Path) -> None:
    ground = stand(str(permit_dir))
    device = os.stat(permit_dir).st_dev
    assert ground.device == f"{os.major(device)}:{os.minor(device)}"
    assert ground.within("permits/x") == "/permits/x"


def test_a_directory_within_a_tmpfs_is_ground(permit_dir: Path) -> None:
    (permit_dir / "run/aos").mkdir(parents=True)
    ground = stand(str(permit_dir / "run/aos"))
    assert ground.within("permits/x") == "/run/aos/permits/x"


def test_a_disk_is_no_ground(tmp_path: Path) -> None:
    """A permit there would outlive a boot."""
    run("mount", "--bind", "/usr/share", make(tmp_path / "disk"))
    try:
        assert "not on a tmpfs" in refused(tmp_path / "disk")
    finally:
        run("umount", tmp_path / "disk")


def test_a_missing_directory_is_no_ground(permit_dir: Path) -> None:
    assert "does not exist" in refused(permit_dir / "missing")


def test_a_link_is_no_ground(permit_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(permit_dir)
    assert "symbolic link" in refused(tmp_path / "link")


def test_a_mount_that_is_hidden_under_another_is_no_ground(tmp_path: Path) -> None:
    """The path leads to the upper mount; a witness of the lower one would look for the wrong file."""
    run_dir, aos = tmp_path / "run", tmp_path / "run/aos"
    with tmpfs(aos) as lower:
        below = os.stat(lower).st_dev
        with tmpfs(run_dir):
            aos.mkdir()
            above = os.stat(aos).st_dev
            assert above != below
            assert stand(str(aos)).device == f"{os.major(above)}:{os.minor(above)}"


def test_mounts_stacked_on_one_directory(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "aos") as aos, tmpfs(aos):
        device = os.stat(aos).st_dev
        assert stand(str(aos)).device == f"{os.major(device)}:{os.minor(device)}"


def inside(installed: Path, directory: Path, script: str, *arguments: object) -> str:
    """What `stand` says in a mount namespace that a shell script has changed."""
    library = installed.parents[2] / "lib/aos"
    with running("unshare", "-m", "--propagation", "private", "sh", "-c", script + ' && exec "$@"',
                 arguments[0] if arguments else "sh", PYTHON, "-c", LOOK, library, directory, "x") as process:
        return line_of(process)


def test_a_tmpfs_that_only_this_pod_sees_is_no_ground(permit_dir: Path, installed: Path) -> None:
    """A memory-backed emptyDir at the same path."""
    seen = inside(installed, permit_dir, 'mount -t tmpfs none "$0"', permit_dir)
    assert seen.startswith("unproven") and "not the host's own" in seen


def test_a_tmpfs_that_the_host_took_away_is_no_ground(tmp_path: Path, installed: Path) -> None:
    """The pod keeps the deleted mount; kubelet looks at what lies there now."""
    with tmpfs(tmp_path / "aos") as aos:
        script = f'nsenter -t {os.getpid()} -m umount -l "$0"'
        seen = inside(installed, aos, script, aos)
        run("mount", "-t", "tmpfs", "none", aos)  # for the fixture's own umount
    assert seen.startswith("unproven")


def test_a_directory_that_the_host_made_anew_is_no_ground(permit_dir: Path, tmp_path: Path, installed: Path) -> None:
    """The pod's bind mount is of the deleted one."""
    old = make(permit_dir / "aos")
    pod = make(tmp_path / "pod")
    script = (f'mount --bind "$0" {pod} && mount -t tmpfs none {permit_dir} && mkdir "$0" && mount --bind {pod} "$0" '
              f'&& nsenter -t {os.getpid()} -m rmdir "$0" && nsenter -t {os.getpid()} -m mkdir "$0"')
    seen = inside(installed, old, script, old)
    assert seen.startswith("unproven") and "not the host's own" in seen


def test_a_bind_mount_of_the_hosts_directory_is_ground(permit_dir: Path, tmp_path: Path, installed: Path) -> None:
    """What the peer pod has: the very directory, bind-mounted in its own mount namespace."""
    seen = inside(installed, permit_dir, 'mount --bind "$0" "$0"', permit_dir)
    assert seen == "holders"
