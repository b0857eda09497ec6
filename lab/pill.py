"""What fencing by poison pill stands on, in a running lab: a disk that both sites share, and a watchdog for each.

No lab has them by itself; `down` takes them away. The disk is a loop device over a file of the lab. The sites see it by
the same name, and each claims it as a local block volume of its own cluster. The watchdogs are emulated, see
lab/watchdog.py, by a process of the lab that runs until `stop`.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8sdeployment.pair import guard
from lab import clean, hostproc, loops, pairing, shell, waiting
from lab.paths import CHECKOUT
from lab.pill_process import FIFO
from lab.sites import Lab, Site
from lab.state import LabState
from lab.watchdog import LIMIT

Say = Callable[[str], None]
CLAIM = "shared-disk"
BYTES = 8 << 20
START_SECONDS = 30.0
BOUND_SECONDS = 60.0


@dataclass(frozen=True)
class Pill:
    """What the CR names, and the disk as the machine and the sites call it; "" without one."""

    claim: str
    watchdog: str
    disk: str


def start(lab: Lab, say: Say = print, disk: bool = True) -> Pill:
    """The disk, blank when it is new, and the watchdogs of a lab whose sites are on; what is there already stays.
    Without a disk the watchdogs have the longer time that sbd would ask of them then."""
    directory = lab.state.pill_directory
    directory.mkdir(mode=0o700, exist_ok=True)
    device = _disk(directory / "disk") if disk else ""
    for site in lab.sites.values():
        if not (site.disk / FIFO).exists():
            os.mkfifo(site.disk / FIFO, 0o600)
    _watch(lab.state, say, LIMIT if disk else float(guard.WATCHDOG))
    for site in lab.sites.values() if disk else ():
        say(f"{site.name} claims the disk {device}")
        _claim(site, device)
    return Pill(CLAIM if disk else "", f"/disk/{FIFO}", device)


def stop(lab: Lab, say: Say = print) -> None:
    """Take it away again; LabError while a peer still uses the disk. The sites must be on."""
    for site in lab.sites.values():
        for kind in ("persistentvolumeclaim", "persistentvolume"):
            pairing.kubectl(site, "delete", kind, CLAIM, "-n", pairing.NAMESPACE, "--ignore-not-found",
                            "--timeout=60s", timeout=90)
    say("ending the watchdogs")
    clean.end_watchdogs(lab.state)
    loops.release(lab.state.pill_directory)
    for site in lab.sites.values():
        (site.disk / FIFO).unlink(missing_ok=True)
    shutil.rmtree(lab.state.pill_directory, ignore_errors=True)


def _disk(file: Path) -> str:
    """The loop device over the file, made if need be."""
    if not file.exists():
        file.touch(mode=0o600)
        os.truncate(file, BYTES)
    there = loops.over_files(file.parent)
    return there[0] if there else shell.run(
        ["losetup", "--find", "--show", "--direct-io=on", str(file)]).strip()


def _watch(state: LabState, say: Say, limit: float) -> None:
    """The watchdogs' process, running, with so many seconds for each."""
    ready = state.pill_ready
    if hostproc.with_argument(str(ready)):
        return
    say("starting the watchdogs")
    ready.unlink(missing_ok=True)
    log = ready.with_name("log")
    with open(log, "ab") as output:
        subprocess.Popen([sys.executable, "-m", "lab.pill_process", state.name, str(ready), str(limit)],
                         cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    waiting.until(ready.exists, "the watchdogs looking at their sites", START_SECONDS,
                  lambda: shell.tail(log.read_text(errors="replace")))


# -- the claim -------------------------------------------------------------------------------------------------------

def _claim(site: Site, disk: str) -> None:
    kinds = {"apiVersion": "v1", "kind": "List", "items": [volume(site.name, disk), claim()]}
    pairing.kubectl(site, "apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(kinds))
    waiting.until(lambda: _phase(site) == "Bound", f"{site.name} having its claim of the disk", BOUND_SECONDS,
                  lambda: _phase(site))


def _phase(site: Site) -> str:
    return pairing.kubectl(site, "get", "persistentvolumeclaim", CLAIM, "-n", pairing.NAMESPACE,
                           "-o", "jsonpath={.status.phase}").strip()


def volume(site: str, disk: str) -> dict[str, Any]:
    """The disk, as a site's cluster knows it."""
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": CLAIM}, "spec": {
        "capacity": {"storage": str(BYTES)}, "volumeMode": "Block", "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain", "local": {"path": disk},
        "claimRef": {"namespace": pairing.NAMESPACE, "name": CLAIM},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [site]}]}]}}}}


def claim() -> dict[str, Any]:
    """The claim that the CR names; no class of storage stands behind it."""
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "namespace": pairing.NAMESPACE}, "spec": {
                "volumeMode": "Block", "accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": CLAIM,
                "resources": {"requests": {"storage": str(BYTES)}}}}
