"""A lab's state directory: its index, its secrets, what was cut, its events, and the lock that keeps two ups apart."""

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

from lab import paths
from lab.errors import LabError
from lab.names import LINKS, LabPlan, SitePlan

MANIFEST = "lab.json"
COMPLETE = "complete"
ORPHAN_SECONDS = 0.5


class LabState:
    """The files under one lab's directory; nothing here talks to a container engine."""

    def __init__(self, name: str, home: Optional[Path] = None) -> None:
        self.name = name
        self.home = home or paths.labs_home()
        self.directory = self.home / name

    @property
    def events_file(self) -> Path:
        return self.directory / "events.jsonl"

    @property
    def engine_directory(self) -> Path:
        return self.directory / "engine"

    def site_directory(self, site: SitePlan) -> Path:
        return self.directory / "sites" / site.name

    @property
    def arbitrator_directory(self) -> Path:
        """What the arbitrator keeps: its CA."""
        return self.directory / "arbitrator"

    def bmc_directory(self, site: SitePlan) -> Path:
        return self.directory / "bmc" / site.name

    @property
    def board_directory(self) -> Path:
        """What the board knows and shows; it is there once a board was asked for."""
        return self.directory / "board"

    @property
    def pill_directory(self) -> Path:
        """The disk that both sites share; it is there once one was asked for."""
        return self.directory / "pill"

    @property
    def pill_ready(self) -> Path:
        """Made by the watchdogs' process, which is known by this word of its command line."""
        return self.pill_directory / "ready"

    def power_lock(self, site: SitePlan) -> Path:
        """Held by whoever switches the site's power: the lab or its BMC."""
        return self.bmc_directory(site) / "power.lock"

    @property
    def complete(self) -> bool:
        """Whether the last up of this lab came to its end."""
        return (self.directory / COMPLETE).exists()

    def set_complete(self) -> None:
        """Note that the lab is up."""
        (self.directory / COMPLETE).touch()

    def create(self, plan: LabPlan) -> None:
        """Make the directories and remember the index; an existing lab's secrets are made anew."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for site in plan.sites:
            (self.site_directory(site) / "sno").mkdir(mode=0o700, parents=True, exist_ok=True)
            self.bmc_directory(site).mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self.bmc_directory(site) / "credentials.json",
                          json.dumps({"user": "fence", "password": secrets.token_hex(8)}))
        self.events_file.touch(mode=0o600)
        (self.directory / MANIFEST).write_text(json.dumps({"name": plan.name, "index": plan.index}))

    def plan(self) -> Optional[LabPlan]:
        """The plan this directory remembers, None when there is no lab of this name."""
        return _read_plan(self.directory)

    def remove(self, keep_logs: bool = False) -> None:
        """Forget the lab; with keep_logs its events and logs stay, everything secret goes."""
        if not keep_logs:
            shutil.rmtree(self.directory, ignore_errors=True)
            return
        for part in ("sites", "bmc", "board", "pill", "engine"):
            shutil.rmtree(self.directory / part, ignore_errors=True)
        for part in (MANIFEST, COMPLETE):
            (self.directory / part).unlink(missing_ok=True)

    def credentials(self, site: SitePlan) -> tuple[str, str]:
        """User and password of the site's BMC."""
        kept = json.loads((self.bmc_directory(site) / "credentials.json").read_text())
        return kept["user"], kept["password"]

    def event(self, what: str, site: Optional[str] = None, detail: str = "") -> None:
        """Append one line to events.jsonl; one write, so that several writers never mix their lines."""
        line = json.dumps({"mono": time.monotonic(), "wall": time.time(), "what": what, "site": site, "detail": detail})
        descriptor = os.open(self.events_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, (line + "\n").encode())
        finally:
            os.close(descriptor)

    def cut_links(self, site: SitePlan) -> set[int]:
        """The links that are cut at this site."""
        return parse_cut(self._cut_file(site).read_text()) if self._cut_file(site).exists() else set()

    def set_cut(self, site: SitePlan, links: set[int]) -> None:
        """Remember what is cut; the site reads it at every boot before any daemon starts."""
        partial = self._cut_file(site).with_suffix(".new")
        partial.write_text("".join(f"{link}\n" for link in sorted(links)))
        partial.rename(self._cut_file(site))

    def _cut_file(self, site: SitePlan) -> Path:
        return self.site_directory(site) / "sno" / "cut"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lab's lock; LabError at once when another up or down of this lab is at work."""
        with held(self.home / f".{self.name}.lock", f"another up or down of the lab {self.name!r} is at work"):
            yield

    @contextmanager
    def choosing(self) -> Iterator[None]:
        """Hold the lock under which labs choose their index."""
        with held(self.home / ".index.lock"):
            yield


@contextmanager
def held(file: Path, busy: Optional[str] = None) -> Iterator[None]:
    """Hold a lock file, which goes away afterwards; LabError when it is held and `busy` says by what."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        with open(file, "a") as handle:
            _take(handle.fileno(), busy)
            if not _is_open_file(file, handle.fileno()):
                continue  # whoever held it removed it: another one may hold the new file
            try:
                yield
            finally:
                file.unlink(missing_ok=True)
            return


def _take(descriptor: int, busy: Optional[str]) -> None:
    """Lock the file; not at once busy, since a child of a holder that was killed has the lock until its exec."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise LabError(f"{busy}; wait until it is done") from None
            time.sleep(0.02)


def _is_open_file(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def parse_cut(text: str) -> set[int]:
    """The links a cut file names."""
    links = {int(word) for word in text.split()}
    if not links <= set(LINKS):
        raise LabError(f"a cut file names links {sorted(links)}; there are only {LINKS}")
    return links


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner may read, never readable by others even for a moment."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)


def _read_plan(directory: Path) -> Optional[LabPlan]:
    manifest = directory / MANIFEST
    if not manifest.exists():
        return None
    kept: dict[str, Any] = json.loads(manifest.read_text())
    return LabPlan(kept["name"], kept["index"])


def known_labs(home: Optional[Path] = None) -> list[LabPlan]:
    """The labs that the state directories of a home remember."""
    place = home or paths.labs_home()
    entries = sorted(place.iterdir()) if place.is_dir() else []
    plans = (_read_plan(entry) for entry in entries if entry.is_dir())
    return [plan for plan in plans if plan is not None]
