"""Drills: what can be seen without disturbing anything, and a site fenced on purpose, step by step."""

import fcntl
import ipaddress
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from functools import partial
from typing import Any

from k8sdeployment.cli import deeds, hostlook, lifesigns, snapshot, sockets
from k8sdeployment.cli.codes import SnopairError
from k8sdeployment.cli.findings import Finding
from k8sdeployment.cli.hostlook import Net
from k8sdeployment.cli.live import Live, Work
from k8sdeployment.cli.view import View
from k8sdeployment.cli.world import ProgramError, World
from k8sdeployment.pair import fencing, paths, timing
from k8sdeployment.pair.lies import STILL_OFF, caught
from k8sdeployment.pair.model import Site, Spec

Result = dict[str, Any]
# Seconds between two looks at the links.
GLANCE = 0.3


# -- without disturbing anything -----------------------------------------------------------------------------------

def look(spec: Spec, target: str, view: View, world: World, net: Net) -> Iterator[Finding]:
    """Everything that can be told of a takeover from `target` while both sites run."""
    site = spec.site(target)
    if view.protection.true is not True:
        yield Finding("fail", "takeover", f"nobody would take over now: {view.protection.message}")
    yield from _devices(spec, site, world)
    yield from _ways(site, spec.other(target), net)
    for work in view.works:
        if work.site == target:
            ready = work.takeover is True
            yield Finding("ok" if ready else "fail", "workloads", f"{work.name} could be taken over now" if ready else
                          f"{work.name} could not be taken over now: {work.lacking or 'nobody knows why'}")
    yield _last(view.drill, target)


def _devices(spec: Spec, site: Site, world: World) -> Iterator[Finding]:
    if spec.fencing.mode == "Disabled":
        yield Finding("fail", "fencing", "fencing is disabled: after a split a workload may run twice")
    for rank, device in enumerate(site.fencing.devices, start=1):
        begin = world.monotonic()
        power = lifesigns.ask(site, rank, device, world)
        seconds = world.monotonic() - begin
        yield Finding("ok" if power.on or power.works else "warn" if power.on is False else "fail", "fencing",
                      f"{power.name} ({device.agent}): {power} ({seconds:.1f} s)")


def _ways(target: Site, own: Site, net: Net) -> Iterator[Finding]:
    """Whether the way to a device is another one than the links': one fault must not take both."""
    known = net.routes()
    links = {home.interface: link for link, address in enumerate(own.addresses)
             if (home := sockets.home(address, known)) is not None}
    for device in target.fencing.devices:
        try:
            address = ipaddress.ip_address(fencing.address(device))
        except ValueError:
            continue
        home = sockets.home(address, known)
        if home is not None and home.interface in links:
            yield Finding("warn", "network", f"the way to {address}, which fences {target.name}, is that of link "
                          f"{links[home.interface]} ({home.interface}): one fault can take both")
        elif home is not None:
            yield Finding("ok", "network", f"the way to {address} is no link's ({home.interface})")


def _last(last: Mapping[str, Any], target: str) -> Finding:
    if not last:
        return Finding("warn", "drill", f"nobody has fenced {target} from here on purpose yet: `snopair drill --fence`")
    return Finding("ok" if last.get("good") else "fail", "drill", f"the last one, {last.get('ended')}: "
                   f"{last.get('message') or 'all went well'}")


# -- with the power taken --------------------------------------------------------------------------------------------

def fence(target: str, works: list[Work], patience: deeds.Patience, world: World, spec: Spec) -> Result:
    """Fence a site, see it gone, see its workloads here and itself back; the result, which is kept on this site.

    Whatever goes wrong is the drill's result and no error: that is what it is for.
    """
    begin, own = world.monotonic(), spec.other(target).name
    found: Result = {"target": target, "good": False, "message": ""}

    def passed() -> float:
        return round(world.monotonic() - begin, 1)

    try:
        patience.say(f"  0.0 s  {target} is fenced")
        with _vouched(spec.site(target), world) as vouched:
            _order(target, patience.seconds, world, at_once=vouched)
        found["fencedSeconds"] = passed()
        patience.say(f"{passed():5.1f} s  its device confirms it")
        _gone(target, spec, world)
        if works:
            patience.until(lambda now: _all_here(now, works, own), f"the takeover from {target}")
            found["availableSeconds"] = passed()
        patience.until(lambda now: deeds.not_yet(now, target, "online"), f"the return of {target}")
        found["returnedSeconds"] = passed()
        _give_back(works, own, target, patience, world)
        found |= {"good": True, "message": f"{target} was fenced and came back"
                  + (f", and {', '.join(work.name for work in works)} was taken over and given back" if works else "")}
    except (SnopairError, ProgramError) as error:
        found["message"] = str(error)
    found["ended"] = datetime.fromtimestamp(int(world.clock()), timezone.utc).isoformat().replace("+00:00", "Z")
    _keep(found, world)
    return found


@contextmanager
def _vouched(target: Site, world: World) -> Iterator[bool]:
    """Have a device that lied before believed in this drill, if the site is seen alive now: nothing else could show
    that it does by now what it says. fence_gone heeds the locks; the conductor takes the marks away. Whether there is
    such a device: then the order must not wait, for what was seen now would say little later."""
    links = hostlook.connected(world)
    if not links or not any(links.values()):
        yield False
        return
    found = False
    with ExitStack() as stack:
        for rank, _ in enumerate(target.fencing.devices, start=1):
            with suppress(FileNotFoundError):
                mark = stack.enter_context(open(world.liars / fencing.device_id(target, rank), encoding="utf-8"))
                fcntl.flock(mark, fcntl.LOCK_EX)
                found = True
        yield found


def _order(target: str, seconds: float, world: World, at_once: bool) -> None:
    """Have a site fenced, without the device's own wait if `at_once`. Pacemaker says no more than that it failed; its
    log knows a device that lied."""
    before = _lies(world)
    try:
        world.run(("stonith_admin", "--reboot", target, *(["--delay=-1"] if at_once else [])), seconds, None)
    except ProgramError as error:
        liars = [name for name, line in _lies(world).items() if line and before.get(name) != line]
        if liars:
            raise SnopairError(f"{' and '.join(liars)} said that {target} is off, but a link to it is still connected: "
                               f"the device does not do what it says, and {STILL_OFF}") from error
        raise


def _lies(world: World) -> dict[str, str]:
    try:
        return caught(world.run(("tail", "--bytes=256K", paths.LOG), 10.0, None))
    except ProgramError:
        return {}


def _gone(target: str, spec: Spec, world: World) -> None:
    """A device may confirm what it did not do. The links know: each must have gone down once.

    SnopairError when one never did.
    """
    begin, seen = world.monotonic(), False
    wanted = timing.gone(spec)
    while world.monotonic() - begin < wanted:
        links = hostlook.connected(world)
        if links and not any(links.values()):
            seen = True
            break
        world.wait(GLANCE)
    if not seen:
        raise SnopairError(f"the fence device said that {target} was off, and a link to it never went down for "
                           f"{wanted} s: the device does not do what it says")


def _all_here(found: Live, works: list[Work], own: str) -> str:
    return next((lack for work in works if (lack := deeds.elsewhere(found, work, own))), "")


def _give_back(works: list[Work], own: str, target: str, patience: deeds.Patience, world: World) -> None:
    """Where each workload was before. Those that fail back by themselves are waited for alone."""
    for work in works:
        if work.prefers == target and work.preference > work.stay:
            patience.until(partial(deeds.elsewhere, work=work, target=target), f"the return of {work.name}")
            continue
        patience.until(partial(_not_ready, work=work, world=world), f"{target} being ready for {work.name}")
        deeds.move(work, own, target, patience)


def _not_ready(_: Live, work: Work, world: World) -> str:
    takeover = snapshot.read(world.snapshot).named("workloads", work.name).get("takeover")
    if isinstance(takeover, dict) and takeover.get("ready") is True:
        return ""
    return str(takeover.get("reason") or "not known") if isinstance(takeover, dict) else "not known"


def _keep(found: Result, world: World) -> None:
    file = world.pair.with_name(paths.DRILL_FILE)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(found), encoding="utf-8")
    os.replace(new, file)


def told(found: Result) -> str:
    """The result for people."""
    steps = (("fenced", "fencedSeconds"), ("available here", "availableSeconds"), ("back", "returnedSeconds"))
    lines = [f"  {word:15} {found[key]:6.1f} s" for word, key in steps if key in found]
    return "\n".join([f"{'The drill went well' if found['good'] else 'THE DRILL FAILED'}: {found['message']}", *lines])
