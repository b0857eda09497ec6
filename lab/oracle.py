"""The oracle: watches both container runtimes and the service from outside, and writes down what it saw.

It runs as a process of its own, above the ordinary priorities, so that neither the demo's nor a test's own work keeps
it from looking; it ends when its standard input is closed, so it never outlives whoever started it.

    with Oracle(lab, record_path):
        ...what is to be watched...
    verdict = judge(record.read(record_path))
"""
from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from lab import record
from lab.oracle_lane import Changed, Lane
from lab.oracle_power import PowerEye
from lab.oracle_probe import Prober, ask_api, ask_service
from lab.oracle_proc import Cgroups, Life
from lab.oracle_runtime import RuntimeEye, SightLost
from lab.record import Answer, Event, Header, Power, Runtime, Writer

PERIOD = 0.1
API_PERIOD = 0.5
READY_SECONDS = 15.0
EVENTS = "events.jsonl"
WORKLOADS = ("default/app",)


class WatchedSite(Protocol):
    """What the oracle needs of a site of the lab."""

    @property
    def name(self) -> str: ...

    @property
    def management(self) -> str: ...

    @property
    def service_url(self) -> str: ...

    def pid(self) -> int | None: ...


class WatchedLab(Protocol):
    """What the oracle needs of a lab."""

    @property
    def name(self) -> str: ...

    @property
    def state_dir(self) -> Path: ...


class OracleError(Exception):
    """The oracle could not watch; one sentence says why."""


class SiteEye:
    """Looks at one site: its power, then the containers that run there."""

    def __init__(self, site: WatchedSite, workloads: Iterable[str], cgroups: Cgroups) -> None:
        self._power = PowerEye(site.pid, cgroups=cgroups)
        self._runtime = RuntimeEye(workloads, cgroups=cgroups)
        self._last = Runtime(Power.UNSURE)

    def look(self) -> Runtime:
        """What runs now. What cannot be seen for a moment, because the site is dying, is taken to run on."""
        power, boot = self._power.look()
        seen: Runtime
        if power is Power.ON and boot is not None:
            seen = self._look_inside(boot)
        elif power is Power.OFF:
            seen = Runtime(Power.OFF)
        else:
            seen = Runtime(Power.UNSURE, self._last.boot, self._last.containers)
        self._last = seen
        return seen

    def _look_inside(self, boot: Life) -> Runtime:
        name = f"{boot.pid}:{boot.started}"
        try:
            return Runtime(Power.ON, name, self._runtime.look(boot))
        except SightLost:
            kept = self._last.containers if self._last.boot == name else frozenset()
            return Runtime(Power.UNSURE, name, kept)


class EventTail:
    """Reads what is appended to the lab's events, line by line; a line not whole yet waits for the next look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0

    def new(self) -> list[Event]:
        """The events since the last call."""
        try:
            if self._path.stat().st_size <= self._offset:
                return []
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                whole, _, _ = stream.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._offset += len(whole) + 1 if whole else 0
        return [record.parse_event(line) for line in whole.decode("utf-8", "replace").splitlines()]


class Sampler:
    """The loop: every ``PERIOD`` seconds one look at every site, all of it written to the record."""

    def __init__(
        self, sites: Mapping[str, WatchedSite], eyes: Mapping[str, SiteEye], writer: Writer, events: EventTail,
        changed: Changed | None = None,
    ) -> None:
        self._sites = sites
        self._eyes = eyes
        self._runtime = {name: Lane[Runtime]("runtime", name, writer, changed) for name in sites}
        self._service = {name: Lane[Answer]("service", name, writer, changed) for name in sites}
        self._api = {name: Lane[Answer]("api", name, writer, changed) for name in sites}
        self._writer = writer
        self._events = events

    def run(self, stop: threading.Event) -> None:
        """Watch until ``stop`` is set, then end the record as it should end."""
        probers = self._probers(stop)
        for prober in probers:
            prober.start()
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + PERIOD, time.monotonic())
            for name, eye in self._eyes.items():
                self._runtime[name].took(time.monotonic(), eye.look())
            self._copy_events()
        for prober in probers:
            prober.join()
        self._finish()

    def _finish(self) -> None:
        self._copy_events()
        for lanes in (self._runtime, self._service, self._api):
            for lane in lanes.values():
                lane.close()
        self._writer.end(time.monotonic())

    def _copy_events(self) -> None:
        for event in self._events.new():
            self._writer.event(event)

    def _probers(self, stop: threading.Event) -> list[Prober]:
        found = []
        for name, site in self._sites.items():
            service, api = partial(ask_service, site.service_url), partial(ask_api, site.management)
            found.append(Prober(service, self._service[name].took, PERIOD, stop))
            found.append(Prober(api, self._api[name].took, API_PERIOD, stop))
        return found


def sample(
    lab_name: str, sites: Mapping[str, WatchedSite], events: Path, stream: IO[str], stop: threading.Event,
    workloads: Iterable[str] = WORKLOADS, changed: Changed | None = None,
) -> None:
    """Watch in this process until ``stop`` is set."""
    workloads, cgroups = tuple(workloads), Cgroups()
    eyes = {name: SiteEye(site, workloads, cgroups) for name, site in sites.items()}
    header = Header(lab_name, tuple(sites), workloads, PERIOD, time.monotonic(), time.time())
    Sampler(sites, eyes, Writer(stream, header), EventTail(events), changed).run(stop)


def take_precedence() -> None:
    """Run before ordinary processes, as far as this machine lets us: the oracle needs little, but needs it in time."""
    with suppress(OSError):
        os.nice(-15)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


class Oracle:
    """The oracle as a process of its own; ``path`` is the record it writes."""

    def __init__(self, lab: WatchedLab, path: Path, workloads: Iterable[str] = WORKLOADS) -> None:
        self.path = path
        self._command = [sys.executable, "-m", "lab.oracle_process", lab.name, str(path), *workloads]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Oracle:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The oracle's process while it watches."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start watching; returns when the oracle says that it has looked at every site once."""
        here = Path(__file__).resolve().parent.parent
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=here, text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if said.strip() != "watching":
            self.stop()
            raise OracleError(said.strip() or "the oracle ended before it watched anything")

    def stop(self) -> None:
        """Stop watching; returns when the record is complete."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(READY_SECONDS)
