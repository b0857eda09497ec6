"""What the demo shows of `snopair`, called in the peers as a person on the node calls it.

Its pictures are shown as they are; what the demo claims with a tick it takes from the JSON of the same verb.
"""
from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from typing import Any

from lab.demo_steps import APP, Show
from lab.errors import LabError
from lab.sites import Site

SETTLES = 120.0


def told(site: Site, *words: str) -> dict[str, Any]:
    """The JSON of a verb; empty when nobody answers. Exit code 1, something to look at, is an answer."""
    with suppress(LabError, ValueError):
        found: dict[str, Any] = json.loads(site.peer(["snopair", *words, "--output", "json"], "conductor", check=False))
        return found
    return {}


def picture(show: Show, site: Site, *words: str) -> None:
    """The call and what it prints."""
    show.screen.line(f"  {site.name}$ snopair {' '.join(words)}")
    for line in site.peer(["snopair", *words], "conductor", check=False).splitlines():
        show.screen.line(f"    {line}".rstrip())


def all_well(show: Show) -> None:
    """Both sites' `snopair status`, once each says that there is nothing to look at."""
    for site in show.lab.sites.values():
        show.screen.await_that(f"`snopair status` on {site.name} saying that all is well",
                               partial(_well, site), SETTLES)
        picture(show, site, "status")
    show.screen.fact("on both sites `snopair status` says that all is well: a takeover would work now, either way")


def _well(site: Site) -> bool:
    return bool(told(site, "status").get("verdict") == "well")


def alone(show: Show, lost: str) -> None:
    """The survivor's view while the other site is away."""
    survivor = show.other(lost)
    show.screen.await_that(f"{survivor.name} saying that {lost} is away",
                           lambda: sees(told(survivor, "status"), survivor.name, lost), 30)
    picture(show, survivor, "status")
    show.screen.fact(f"`snopair status` on {survivor.name} needs nobody else: it says that {lost} is away, and why "
                     f"{APP} runs here")


def sees(status: dict[str, Any], survivor: str, lost: str) -> bool:
    """Whether a status says that the workload runs on the survivor, and that the other site is no member."""
    states = {one["name"]: one["state"] for one in status.get("sites", ())}
    places = {one["name"]: one["site"] for one in status.get("workloads", ())}
    return states.get(lost) in ("offline", "unclean", "joining") and places.get(APP) == survivor


def recovery(show: Show, lost: str, device: str) -> None:
    """The pair's own record of the failover, which must name the device that the demo saw at work."""
    survivor = show.other(lost)
    found = show.screen.await_that("the recovery in `snopair history`",
                                   lambda: latest(told(survivor, "history"), lost, survivor.name), 60)
    picture(show, survivor, "history")
    if found["fencedBy"] != device:
        raise LabError(f"`snopair history` should name {device} as what fenced {lost}, not {found['fencedBy']!r}")
    show.screen.fact(f"the pair kept a record: from the loss being seen, {lost} fenced by {device} after "
                     f"{found['fencedSeconds']:.1f} s, {APP} available after {found['availableSeconds']:.1f} s")


def latest(history: dict[str, Any], origin: str, target: str) -> dict[str, Any] | None:
    """The last recovery of the workload, if it was one from that site to that site and is told whole."""
    for one in history.get("recoveries", ()):
        if one["workload"] == APP:
            whole = all(one.get(name) is not None for name in ("fencedBy", "fencedSeconds", "availableSeconds"))
            return one if whole and (one["origin"], one["target"]) == (origin, target) else None
    return None
