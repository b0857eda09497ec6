"""The passwords of fence devices: the one that a device has answered to stays in use until a new one is proven.

Invariant: **what Pacemaker's fence agents are given was accepted by the device, or nothing ever was since this pod was
started.** Kept in memory alone, shared by the containers of the pod; libexec/secret reads it.
"""

import os
from pathlib import Path
from typing import Optional

from k8sdeployment.pair import paths
from k8sdeployment.pair.model import Device


class Passwords:
    """`given`: where the Secrets are mounted; `proven`: where the values are that devices answered to."""

    def __init__(self, given: str = paths.FENCING, proven: str = paths.PROVEN) -> None:
        self._given, self._proven = Path(given), Path(proven)

    def new(self, device: Device) -> bool:
        """Whether the Secret says something that the device has not answered to yet."""
        value = _read(self._given, device)
        return value is not None and value != _read(self._proven, device)

    def known(self, device: Device) -> bool:
        """Whether the device has ever answered to a value that is still kept."""
        return _read(self._proven, device) is not None

    def keep(self, device: Device) -> None:
        """Use the Secret's value from now on. OSError when memory is full; the old one is used then."""
        value = _read(self._given, device)
        if device.secret_ref is None or value is None:
            return
        file = self._proven / device.secret_ref.name / device.secret_ref.key
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400), "wb") as out:
            out.write(value)
        os.replace(fresh, file)


def _read(root: Path, device: Device) -> Optional[bytes]:
    if device.secret_ref is None:
        return None
    try:
        return (root / device.secret_ref.name / device.secret_ref.key).read_bytes()
    except OSError:
        return None
