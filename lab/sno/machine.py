"""What a machine's firmware and init would have done before the daemons start: mounts, cgroups, the disk."""

import os
import subprocess
from pathlib import Path

DISK = Path("/disk")
KEPT = {"etcd": "/var/lib/etcd", "containerd": "/var/lib/containerd", "kubelet": "/var/lib/kubelet",
        "aos": "/var/lib/aos", "log": "/var/log/sno"}
CGROUP2 = Path("/sys/fs/cgroup")


def boot() -> None:
    """Make mounts travel into pods and back, and put the disk's directories where the daemons expect them."""
    _mount("--make-rshared", "/")
    for part, place in KEPT.items():
        (DISK / part).mkdir(mode=0o700 if part in ("etcd", "kubelet") else 0o755, exist_ok=True)
        Path(place).mkdir(parents=True, exist_ok=True)
        _mount("--bind", str(DISK / part), place)
        _mount("-o", "remount,bind,suid,dev,exec", place)  # a volume forbids what a node's disk allows
    for place in ("/run/aos", "/run/sno", "/run/lock"):
        Path(place).mkdir(parents=True, exist_ok=True)
    if (CGROUP2 / "cgroup.controllers").exists():
        _leave_root_cgroup()


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _leave_root_cgroup() -> None:
    """With cgroup v2 a group that holds processes may not hand controllers down; move into a leaf first."""
    leaf = CGROUP2 / "init"
    leaf.mkdir(exist_ok=True)
    (leaf / "cgroup.procs").write_text(str(os.getpid()))
    controllers = (CGROUP2 / "cgroup.controllers").read_text().split()
    (CGROUP2 / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))
