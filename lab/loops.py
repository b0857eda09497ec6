"""The machine's loop devices: which stand on files below a directory, and which of them on another one in turn.

kubelet puts a loop device of its own over each block volume of a pod and leaves it behind when its site dies. No path
leads to it by then. The kernel still knows the number of the disk below it, and the file system in which kubelet found
that disk: the /dev of that very boot of the site.
"""

import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from lab import shell

BLOCK = Path("/sys/block")
DEVICES = Path("/dev")
MAJOR = 7
# The machine may need more than the eight that it has at its boot; it makes the nodes of those by itself, a site's /dev
# is nobody's but the lab's.
NODES = 16
GET_STATUS, STATUS_BYTES = 0x4C05, 232


def over_files(directory: Path | str, block: Path = BLOCK) -> list[str]:
    """The loop devices whose file lies under the directory, be it removed by now."""
    under = f"{Path(directory).resolve()}/"
    return [f"{DEVICES}/{name}" for name, path in _bound(block) if path.startswith(under)]


def over_device(number: int, place: Optional[int] = None) -> list[str]:
    """The loop devices over the block device of this number; with `place`, those that found it in that file system."""
    found = ((f"{DEVICES}/{name}", *_status(f"{DEVICES}/{name}")) for name, _ in _bound(BLOCK))
    return [device for device, within, below in found if below == number and place in (None, within)]


def detach(devices: list[str]) -> None:
    """Take each of them off what it stands on."""
    for device in devices:
        shell.run(["losetup", "--detach", device])


def release(directory: Path | str) -> None:
    """Detach what stands on files under the directory, and first what stands on that."""
    for device in over_files(directory):
        detach(over_device(os.stat(device).st_rdev))
        detach([device])


def furnish(devices: Path) -> None:
    """Have every loop device in a site's /dev: the site was given those that the machine had when it was made."""
    for number in range(NODES):
        node = devices / f"loop{number}"
        if not node.exists():
            os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(MAJOR, number))


def _bound(block: Path) -> Iterator[tuple[str, str]]:
    """Name and file of each loop device that is in use."""
    for file in sorted(block.glob("loop*/loop/backing_file")):
        try:
            yield file.parent.parent.name, file.read_text()
        except OSError:
            continue  # it was detached meanwhile


def _status(device: str) -> tuple[int, int]:
    """The file system that holds what the device stands on, and the number of that if it is a block device, else 0."""
    status = bytearray(STATUS_BYTES)
    try:
        descriptor = os.open(device, os.O_RDONLY)
    except OSError:
        return 0, 0
    try:
        fcntl.ioctl(descriptor, GET_STATUS, status)
    except OSError:
        return 0, 0  # it was detached meanwhile
    finally:
        os.close(descriptor)
    within, _, below = struct.unpack_from("=QQQ", status)
    return within, below
