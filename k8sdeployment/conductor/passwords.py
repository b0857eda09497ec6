"""The passwords of fence devices: the one that a device has answered to stays in use until a new one is proven.

Invariant: **what a device's fence agent is given was accepted by that device, or nothing ever was since this pod was
started.** Kept in memory alone, for the containers that fence; libexec/secret reads it. One that was refused is tried
again when the Secret says something else, and else seldom: a BMC may lock an account that fails too often.
"""

import hashlib
import os
import time
from pathlib import Path
from typing import Optional

from k8sdeployment.pair import paths
from k8sdeployment.pair.model import Device

# Seconds after which a refused password is tried once more: the device may have been set to it meanwhile.
RETRY = 1800.0


class Passwords:
    """`given`: where the Secrets are mounted; `proven`: where the values are that devices answered to."""

    def __init__(self, given: str = paths.FENCING, proven: str = paths.PROVEN) -> None:
        self._given, self._proven = Path(given), Path(proven)
        self._refused: dict[str, tuple[str, float, str]] = {}

    def candidate(self, name: str, device: Device) -> Optional[bytes]:
        """What the Secret says that this device has not answered to yet; None when there is no such thing."""
        value = self._mounted(device)
        return None if value is None or value == self._kept(name, device) else value

    def known(self, name: str, device: Device) -> bool:
        """Whether the device has ever answered to a value that is still kept."""
        return self._kept(name, device) is not None

    def refused(self, name: str, value: bytes) -> str:
        """Why the device refused this value a short while ago; "" when it did not."""
        digest, when, why = self._refused.get(name, ("", 0.0, ""))
        return why if digest == _digest(value) and time.monotonic() - when < RETRY else ""

    def refuse(self, name: str, value: bytes, why: str) -> None:
        """Remember that the device refused it."""
        self._refused[name] = (_digest(value), time.monotonic(), why)

    def keep(self, name: str, device: Device, value: bytes) -> bool:
        """Use this value from now on; False when the Secret says another one by now, which nobody has proven.

        OSError when memory is full; the old one is used then.
        """
        if device.secret_ref is None or self._mounted(device) != value:
            return False
        file = self._proven / name / device.secret_ref.key
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.new")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400), "wb") as out:
            out.write(value)
        os.replace(fresh, file)
        self._refused.pop(name, None)
        return True

    def _mounted(self, device: Device) -> Optional[bytes]:
        ref = device.secret_ref
        return None if ref is None else _read(self._given / ref.name / ref.key)

    def _kept(self, name: str, device: Device) -> Optional[bytes]:
        ref = device.secret_ref
        return None if ref is None else _read(self._proven / name / ref.key)


def _digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def _read(file: Path) -> Optional[bytes]:
    try:
        return file.read_bytes()
    except OSError:
        return None
