"""Signs of life of a lost site, and its power: what must be asked before anybody says that it is off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from k8sdeployment.cli import hostlook
from k8sdeployment.cli.codes import SnopairError
from k8sdeployment.cli.hostlook import Net
from k8sdeployment.cli.world import ProgramError, World
from k8sdeployment.pair import fencing
from k8sdeployment.pair.model import Device, Site


@dataclass(frozen=True)
class Power:
    """What a fence device said: `on` None when it told nothing, and `why` says why. `works`: it would fence all the
    same."""

    name: str
    on: Optional[bool]
    why: str = ""
    works: bool = False

    def __str__(self) -> str:
        return self.why if self.on is None else f"the power is {'on' if self.on else 'off'}"


def on_links(target: Site, world: World, net: Net) -> Iterator[str]:
    """Why a site is alive, as its links show it."""
    links = hostlook.connected(world)
    if not links:
        yield "Corosync on this site does not tell whether its links are up"
        return
    yield from (f"link {link} to {target.name} is connected: it is alive" for link, up in sorted(links.items()) if up)
    for link, address in enumerate(target.addresses):
        if not links.get(link) and not net.answers(str(address), hostlook.PCSD, hostlook.PATIENCE):
            yield f"{address}, link {link} of {target.name}, answers: its host is alive"


def powers(target: Site, world: World) -> list[Power]:
    """What each fence device of a site says of its power."""
    return [ask(target, rank, device, world) for rank, device in enumerate(target.fencing.devices, start=1)]


def ask(target: Site, rank: int, device: Device, world: World) -> Power:
    """What a device says of its target's power."""
    name = fencing.device_id(target, rank)
    on = True
    try:
        world.run((device.agent,), fencing.ANSWER, fencing.proof(device, name))
    except ProgramError as error:
        if fencing.POWER.get(error.status or 1) != "off":
            return Power(name, None, f"it does not tell: {error}")
        on = False
    if device.agent == fencing.QUORUM:
        return Power(name, None, f"{target.name}'s watchdog ends it when it loses quorum; whether it runs nobody tells",
                     True)
    if device.agent == fencing.PILL:
        return Power(name, None, f"{target.name} {'can be' if on else 'was'} told to end itself; whether it runs the "
                     "disk does not tell", True)
    return Power(name, on)


def switch_off(target: Site, world: World) -> str:
    """Which devices say that a site is off, after each that could was told to switch it off.

    SnopairError when no whole level says so, or one says that the power is on: a site may have two power supplies.
    """
    off: dict[int, str] = {}
    failed, on = [], False
    for rank, device in enumerate(target.fencing.devices, start=1):
        name = fencing.device_id(target, rank)
        refused = False
        try:
            if device.agent != fencing.QUORUM:  # that one tells its target nothing
                world.run((device.agent,), fencing.ANSWER, fencing.order(device, name, "off"))
        except ProgramError as error:
            refused = True
            failed.append(f"{name}: {error}")
        power = ask(target, rank, device, world)
        if power.on is False:
            off[rank] = name
        elif power.on:
            on = True
            failed.append(f"{name}: it says that the power is on still")
        elif power.works or not refused:
            failed.append(f"{name}: {power}")
    if not on and any(off.keys() >= set(ranks) for ranks in fencing.levels(target).values()):
        return f"{target.name} is off, by the word of {' and '.join(off.values())}"
    raise SnopairError(f"{target.name} was not switched off: {'; '.join(failed) or 'it has no fence device'}")
