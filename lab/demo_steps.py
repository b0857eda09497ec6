"""The steps of the demonstration; each proves what it says, by the oracle's record and by asking the sites."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from lab import demo_checks as checks
from lab import oracle_facts as facts
from lab import pairing, record
from lab.demo_screen import Screen
from lab.errors import LabError
from lab.oracle_facts import Boot, Fence, Outage
from lab.record import Record
from lab.report import Measure
from lab.sites import Lab, Site
from lab.verdict_model import Expectations, Quiet

APP = "app"
PREFERRED = "site-a"
BOUND = 20.0
SETUP_AIM, MOVE_AIM, TAKEOVER_AIM = 60.0, 2.5, 8.0
WATCH_ON = 10.0
Found = TypeVar("Found")


@dataclass
class Show:
    """The demonstration under way: where it plays, where it writes, what it has measured."""

    lab: Lab
    screen: Screen
    path: Path
    measures: list[Measure] = field(default_factory=list)
    expected: Expectations = Expectations(bound=BOUND)
    first_word: FirstWord | None = None

    def seen(self) -> Record:
        """What the oracle has written down so far."""
        return record.read(self.path)

    def await_record(
        self, what: str, condition: Callable[[Record], Found | None], limit: float, since: float | None = None
    ) -> Found:
        """The first true answer of the condition about the oracle's record."""
        return self.screen.await_that(what, lambda: condition(self.seen()), limit, since)

    def measure(self, label: str, seconds: float, most: float | None = None) -> None:
        """Keep one measured time for the summary."""
        self.measures.append(Measure(label, seconds, most))

    def other(self, name: str) -> Site:
        """The site that ``name`` is not."""
        return next(site for site in self.lab.sites.values() if site.name != name)


def pair_up(show: Show) -> None:
    """Both sites online, the workload on its preferred site and there alone."""
    show.screen.heading("Paired by one resource: `snopair init` once, then `kubectl apply -k` on each site")
    together = pairing.install(show.lab, show.screen.say)
    pairing.wait_online(show.lab, timeout=60)
    show.measure("one cluster after `kubectl apply` on both sites", together, SETUP_AIM)
    show.screen.fact("both sites are online, each in the other's eyes: one Pacemaker cluster over two encrypted links")
    runs_only_on(show, PREFERRED)
    show.screen.fact(f"{APP} was started on {PREFERRED}, the site it prefers, and serves from there alone")


def runs_only_on(show: Show, name: str) -> None:
    """Pacemaker, the runtimes and the service agree that the workload is on this site and nowhere else."""
    def so(seen: Record) -> bool:
        return running(seen) == {name} and serving(seen) == {name} and pairing.where(show.lab, APP) == name
    show.await_record(f"{APP} on {name} alone", so, 60)


def running(seen: Record) -> set[str]:
    """The sites whose runtime ran the workload at the oracle's last look."""
    return {site for site, row in seen.runtime.items() if row and row[-1].state.containers}


def serving(seen: Record) -> set[str]:
    """The sites whose service answered last time, with their own name."""
    last = {site: row[-1].state for site, row in seen.service.items() if row}
    return {site for site, answer in last.items() if answer.up and site in answer.detail}


def planned_move(show: Show, to: str) -> None:
    """Move the workload by hand and count the seconds without service."""
    # snopair refuses a move to a site that could not take it, and each conductor looks every few seconds.
    pairing.wait_for(show.lab, "TakeoverReady")
    show.screen.say(f"snopair move {APP} {to}")
    show.lab.event("move", to, f"planned move of {APP} to {to}")
    since = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(pairing.move, show.lab, APP, to)
        gone = show.await_record(f"moving {APP} to {to}", lambda seen: back_on(seen, to, since), 90)
        moving.result()
    runs_only_on(show, to)
    show.measure(f"planned move to {to}: without service", gone.seconds, MOVE_AIM)
    show.screen.fact(f"moved to {to}: {gone.seconds:.1f} s without service")


def back_on(seen: Record, site: str, since: float) -> Outage | None:
    """The outage that began after ``since``, once the service answers again and from that site."""
    ended = [gone for gone in facts.outages(seen) if gone.start >= since - 1 and gone.end is not None]
    return ended[-1] if ended and site in serving(seen) else None


class FirstWord(threading.Thread):
    """What a site's etcd says first after a boot. It is asked all along: a few seconds later the site has been put in
    order, and the replicas that it booted with are gone."""

    def __init__(self, site: Site, limit: float = 120) -> None:
        super().__init__(daemon=True)
        self._site, self._until = site, time.monotonic() + limit
        self.replicas: int | None = None

    def run(self) -> None:
        """Ask until there is an answer, or ``limit`` seconds have passed."""
        while self.replicas is None and time.monotonic() < self._until:
            time.sleep(0.1)
            self.replicas = checks.replicas_in_etcd(self._site)


def power_cut(show: Show, victim: str) -> float:
    """Cut the active site's power; gives the time of the cut once the other site has taken over."""
    site, survivor = show.lab.sites[victim], show.other(victim)
    cut = time.monotonic()
    site.power("off")
    show.first_word = FirstWord(site)
    show.first_word.start()
    show.screen.say(f"power of {victim} cut while it serves")
    fence = show.await_record("the fence", lambda seen: fence_of(seen, victim, cut), 60, cut)
    device = checks.fence_device(survivor, victim)
    show.screen.fact(f"+{fence.asked - cut:.1f} s  {survivor.name} fences {victim} through {device}, "
                     f"its BMC at {site.plan.bmc} obeys")
    gone = show.await_record("nobody serves", lambda seen: back_on(seen, survivor.name, cut), 60, cut)
    back = gone.end or gone.until
    show.screen.fact(f"+{back - cut:.1f} s  the service answers on {survivor.name}")
    if not checks.fence_succeeded(survivor, victim):
        raise LabError(f"Pacemaker's history on {survivor.name} has no successful fence of {victim}")
    runs_only_on(show, survivor.name)
    show.measure(f"power cut of {victim}: fenced after", fence.asked - cut)
    show.measure(f"power cut of {victim}: without service", gone.seconds, TAKEOVER_AIM)
    return cut


def fence_of(seen: Record, site: str, since: float) -> Fence | None:
    """The first fence of a site since a time."""
    return next((fence for fence in facts.fences(seen.events) if fence.site == site and fence.asked >= since), None)


def boots_and_stays_down(show: Show, name: str, cut: float) -> Boot:
    """The fenced site boots with the workload still scaled up in its etcd, and runs none of it."""
    boot = show.await_record(f"{name} booting", lambda seen: boot_of(seen, name, cut), 90, cut)
    show.screen.fact(f"+{boot.on - cut:.1f} s  {name} is powered on again by the fence")
    word = show.first_word
    if word is None:
        raise LabError(f"nobody asked the etcd of {name} from its boot on")
    show.screen.await_that(f"etcd of {name} answering", lambda: not word.is_alive(), 120, boot.on)
    if not word.replicas:
        raise LabError(f"replicas should still be 1 in the etcd of {name} at its first answer, not {word.replicas}")
    show.screen.fact(f"its etcd still said replicas: {word.replicas} when it first answered after the boot")
    require_down(show, boot)
    return boot


def boot_of(seen: Record, site: str, since: float) -> Boot | None:
    """The first power-on of a site since a time."""
    return next((boot for boot in facts.boots(seen) if boot.site == site and boot.on >= since), None)


def require_down(show: Show, boot: Boot) -> None:
    """LabError when anything of the workload ran on the site since that boot."""
    ran = [run for run in facts.runs(show.seen()) if run.site == boot.site and run.first >= boot.off]
    if ran:
        raise LabError(f"{ran[0].container.pod} ran on {boot.site} after its boot, before the cluster started it there")


def rejoins(show: Show, boot: Boot, cut: float) -> None:
    """The fenced site becomes a member again, its pod still down and the healthy one undisturbed."""
    site = show.lab.sites[boot.site]
    show.screen.await_that(f"{site.name} rejoining", lambda: online(show.lab), 180, cut)
    rejoined = time.monotonic()
    show.screen.fact(f"+{rejoined - cut:.1f} s  {site.name} is back in the cluster, as the passive site")
    show.measure(f"{site.name} back in the cluster after its boot", rejoined - boot.on)
    show.screen.await_that("its pod stays down", lambda: time.monotonic() - rejoined > WATCH_ON, WATCH_ON + 5, boot.on)
    require_down(show, boot)
    if checks.permit_there(site):
        raise LabError(f"{site.name} holds a permit although {APP} was never started there")
    age = time.monotonic() - boot.on
    show.screen.fact(f"{age:.0f} s after its boot {site.name} has run nothing of {APP}: it holds no permit")


def online(lab: Lab) -> bool:
    """Whether both sites are online in each other's eyes; a peer that does not answer yet is not."""
    with suppress(LabError):
        return pairing.wait_online(lab, timeout=0) >= 0
    return False


def ask_around(show: Show, survivor: str, cut: float) -> None:
    """What the runtimes cannot show is asked elsewhere and put into the record beside the rest."""
    back = next(gone.end for gone in facts.outages(show.seen()) if gone.start >= cut - 1 and gone.end is not None)
    quiet = Quiet(survivor, back + 1, time.monotonic() - 1)
    healed, says_why = checks.healed(show.lab), checks.says_why(show.lab.sites[survivor])
    expected = replace(show.expected, quiet=(quiet,), healed=healed, says_why=says_why)
    show.lab.event("expect", None, expected.as_json())
