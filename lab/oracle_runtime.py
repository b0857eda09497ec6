"""Which watched containers run on a site: the runtime's task directories, and the processes they name.

Never the Kubernetes API, and not the permit's mounts either: those are what the agent judges by, and the oracle must be
able to catch it lying. Through ``/proc/<first process of the site>/root`` the host sees the site's own
``/run/containerd/.../<id>/`` (``config.json`` says whose container it is, ``init.pid`` its first process in the site's
numbering) and the site's own ``/proc``.

A container counts as running while its first process lives *or* anything lives in its cgroup, whether or not its
task directory is still there. Whose pod it is follows from the pod's name: a pod of the workload's namespace whose name
begins with the workload's name and a dash belongs to it (of several such workloads, to the longest name). A live
container that cannot be attributed counts for every workload.
"""
from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.oracle_proc import PROC, Cgroups, Life, life, members, names, pid_in
from lab.record import Container

TASKS = "run/containerd/io.containerd.runtime.v2.task/k8s.io"
CRI = "io.kubernetes.cri."
ANY = "?"
POD_UID = re.compile(r"pods?/([0-9a-f]{8}-[0-9a-f-]{27})|pod([0-9a-f]{8}[-_][0-9a-f_-]{27})")


class SightLost(Exception):
    """The site's files can no longer be seen: it is dying, or not there yet."""


@dataclass(frozen=True)
class Watched:
    """A container of a watched workload and its first process, once that is known."""

    container: Container
    first: Life | None = None
    cgroups: tuple[Path, ...] = ()


class RuntimeEye:
    """Sees the live containers of ``workloads`` (each ``namespace/name``) on one site, boot after boot."""

    def __init__(self, workloads: Iterable[str], proc: Path = PROC, cgroups: Cgroups | None = None) -> None:
        self._workloads = tuple(workloads)
        self._proc = proc
        self._cgroups = cgroups or Cgroups(proc)
        self._boot: Life | None = None
        self._others: set[str] = set()
        self._watched: dict[str, Watched] = {}

    def look(self, boot: Life) -> frozenset[Container]:
        """The watched containers that live now; SightLost when that cannot be said."""
        if boot != self._boot:
            self._boot, self._others, self._watched = boot, set(), {}
        root = self._proc / str(boot.pid) / "root"
        present = self._present(root)
        self._others &= present
        known = {name for name, watched in self._watched.items() if watched.container.workload != ANY}
        for name in present - self._others - known:
            self._meet(root, name)
        live = frozenset(self._living(root, present))
        _insist_on_sight(root)
        return live

    def _present(self, root: Path) -> set[str]:
        try:
            return set(names(root / TASKS) or ())
        except OSError as error:
            raise SightLost(str(error)) from error

    def _meet(self, root: Path, name: str) -> None:
        """Find out whose container this is; look again next time while its description is not whole."""
        try:
            text = (root / TASKS / name / "config.json").read_text(encoding="utf-8")
            container = self._whose(name, json.loads(text))
        except (OSError, ValueError, TypeError, AttributeError):
            container = Container(ANY, "", "", "", name)
        if container is None:
            self._others.add(name)
            self._watched.pop(name, None)
        else:
            self._watched[name] = Watched(container)

    def _whose(self, name: str, config: dict[str, Any]) -> Container | None:
        notes = config.get("annotations") or {}
        if notes.get(CRI + "container-type") == "sandbox":
            return None
        workload = owner(notes.get(CRI + "sandbox-namespace", ""), notes.get(CRI + "sandbox-name", ""), self._workloads)
        if workload is None:
            return None
        pod, container = notes.get(CRI + "sandbox-name", ""), notes.get(CRI + "container-name", "")
        return Container(workload, pod, _uid(notes, config), container, name)

    def _living(self, root: Path, present: set[str]) -> Iterable[Container]:
        for name in list(self._watched):
            watched = self._refreshed(root, name)
            if self._lives(root, watched):
                yield watched.container
            elif name not in present:
                del self._watched[name]

    def _refreshed(self, root: Path, name: str) -> Watched:
        """The container with its first process, as soon as the runtime has written down which that is."""
        watched = self._watched[name]
        if watched.first is not None:
            return watched
        try:
            pid = pid_in(root / TASKS / name / "init.pid")
        except OSError:
            pid = None
        first = life(root / "proc", pid) if pid is not None else None
        if first is None:
            return watched
        try:
            homes = tuple(home for home in self._cgroups.of(root / "proc", first.pid) if name in str(home))
        except OSError:
            homes = ()
        self._watched[name] = watched = replace(watched, first=first, cgroups=homes)
        return watched

    def _lives(self, root: Path, watched: Watched) -> bool:
        if watched.first is None:
            return False
        now = life(root / "proc", watched.first.pid)
        if now is not None and now.alive and now.started == watched.first.started:
            return True
        return any(members(home) for home in watched.cgroups[:1])


def owner(namespace: str, pod: str, workloads: Iterable[str]) -> str | None:
    """The watched workload a pod belongs to by its name, None when it belongs to none."""
    fits = [w for w in workloads if f"{namespace}/{pod}".startswith(f"{w}-")]
    return max(fits, key=len, default=None)


def _uid(notes: dict[str, Any], config: dict[str, Any]) -> str:
    """The pod's UID: from the annotation where the runtime writes one, else from the paths kubelet mounts."""
    noted = notes.get(CRI + "sandbox-uid")
    if noted:
        return str(noted)
    for mount in config.get("mounts") or ():
        found = POD_UID.search(str(mount.get("source", "")))
        if found:
            return found[1] or found[2]
    return ""


def _insist_on_sight(root: Path) -> None:
    if life(root / "proc", 1) is None:
        raise SightLost(f"{root} cannot be seen")
