"""What `snopair must-gather` collects of one site, each piece by a program; what cannot be had is told as missing.

No Secret is among it. The values of the Secrets are read all the same where that is allowed: to mask them wherever else
they turn up.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from k8sdeployment.cli import reach
from k8sdeployment.cli.reach import CONTAINER, POD, Place
from k8sdeployment.cli.redact import redacted
from k8sdeployment.cli.world import ProgramError, World
from k8sdeployment.pair import paths
from k8sdeployment.pair.status import CRM_MON

SECONDS = 20.0
Reading = Callable[[], str]
_LOGS = ("settle", "corosync", "sbd", "qdevice", "pacemaker", "pcsd", "conductor")
# By kubectl.
OBJECTS = {
    "pair.yaml": ("get", "snopairs.snopair.dev", "--output=yaml"),
    "events.txt": ("get", "events", "--sort-by=.lastTimestamp"),
    "pods.yaml": ("get", "pods", "--output=yaml"),
    "objects.yaml": ("get", "statefulsets,deployments,configmaps,roles,rolebindings,serviceaccounts", "--output=yaml"),
    "secrets.txt": ("get", "secrets"),
    "nodes.txt": ("get", "nodes", "--output=wide"),
    "workloads.txt": ("get", "deployments,statefulsets,replicasets,pods", "--all-namespaces", "--output=wide"),
    "version.json": ("version", "--output=json"),
    "operator.log": ("logs", "deployment/snopair-operator", "--tail=3000"),
    **{f"{name}.log": ("logs", POD, f"--container={name}", "--tail=3000") for name in _LOGS},
    **{f"{name}.previous.log": ("logs", POD, f"--container={name}", "--tail=3000", "--previous") for name in _LOGS},
}
# In the peer pod.
CLUSTER = {
    "crm_mon.xml": CRM_MON,
    "crm_mon.txt": ("crm_mon", "--one-shot", "--inactive", "--failcounts", "--operations", "--timing-details"),
    "cib.xml": ("cibadmin", "--query"),
    "crm_verify.txt": ("sh", "-c", "crm_verify --live-check --verbose 2>&1 || true"),
    "fencing.txt": ("stonith_admin", "--history", "*", "--verbose"),
    # Its exit code says whether the site is quorate.
    "quorum.txt": ("sh", "-c", "corosync-quorumtool -s || true"),
    "arbitrator.txt": ("sh", "-c", "corosync-qdevice-tool -s -v 2>&1 || true"),
    "pill.txt": ("sh", "-c", f"sbd -d {paths.PILL} dump 2>&1; sbd -d {paths.PILL} list 2>&1 || true"),
    "links.txt": ("corosync-cfgtool", "-s"),
    "corosync.txt": ("corosync-cmapctl",),
    "status.json": ("cat", paths.STATUS),
    "permits.txt": ("ls", "-lR", "--time-style=full-iso", f"{paths.PERMITS}/permits"),
    "alerts.jsonl": ("tail", "-n", "2000", paths.ALERTS),
    "pacemaker-detail.log": ("tail", "-n", "5000", paths.LOG),
    "processes.txt": ("sh", "-c", "cat /proc/loadavg /proc/meminfo; uname -a"),
}


@dataclass
class Gathered:
    """One site's pieces, and why others are missing; by file. `values`: secrets that are known, of whatever place."""

    files: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list, repr=False)


def outside(world: World, at: Place) -> Gathered:
    """A site's view by way of its API. When that does not answer, everything is told as missing, once each."""
    found = Gathered()
    found.values += _secret_values(world, at, found)
    trouble = _trouble(world, at, ("get", "--raw", "/version"))
    for file, words in OBJECTS.items():
        _take(found, file, trouble, partial(reach.ask, world, at, *words, seconds=SECONDS))
    trouble = trouble or _trouble(world, at, ("exec", POD, f"--container={CONTAINER}", "--", "true"))
    for file, argv in CLUSTER.items():
        command = at.command("exec", POD, f"--container={CONTAINER}", "--", *argv)
        _take(found, file, trouble, partial(world.run, command, SECONDS, None))
    return found


def inside(world: World) -> Gathered:
    """A site's view from its own peer pod; its API is not asked."""
    found = Gathered(values=list(_mounted(Path(paths.FENCING))))
    for file, argv in CLUSTER.items():
        _take(found, file, "", partial(world.run, argv, SECONDS, None))
    for file in OBJECTS:
        found.missing[file] = "not asked for: this is the peer pod; call snopair where kubectl is"
    return found


def masked(sites: Mapping[str, Gathered]) -> dict[str, Gathered]:
    """The same without secrets. What one site knows of is masked in the other's pieces too."""
    values = [value for one in sites.values() for value in one.values]
    return {name: Gathered({file: redacted(text, values) for file, text in one.files.items()},
                           {file: redacted(why, values) for file, why in one.missing.items()}, one.notes)
            for name, one in sites.items()}


def _take(found: Gathered, file: str, trouble: str, read: Reading) -> None:
    if trouble:
        found.missing[file] = trouble
        return
    try:
        found.files[file] = read()
    except ProgramError as error:
        found.missing[file] = str(error)
        if error.output.strip():
            found.files[file] = error.output


def _trouble(world: World, at: Place, words: Sequence[str]) -> str:
    try:
        world.run(at.command(*words, "--request-timeout=8s") if words[0] == "get" else at.command(*words), 12.0, None)
    except ProgramError as error:
        return str(error)
    return ""


def _secret_values(world: World, at: Place, found: Gathered) -> list[bytes]:
    """What must not be in the archive, whatever its name there."""
    try:
        listed = json.loads(reach.ask(world, at, "get", "secrets", "--output=json"))
        return [base64.b64decode(value) for secret in listed["items"] for value in (secret.get("data") or {}).values()]
    except (ProgramError, ValueError, KeyError):
        found.notes.append("the values of the Secrets could not be read, so that they were masked by their names alone")
        return []


def _mounted(directory: Path) -> Iterator[bytes]:
    for file in directory.glob("*/*"):
        try:
            yield file.read_bytes().strip()
        except OSError:
            continue
