"""Signs of life of a lost site, and its power: what must be asked before anybody says that it is off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from k8sdeployment.cli import hostlook
from k8sdeployment.cli.codes import CannotTell, SnopairError
from k8sdeployment.cli.hostlook import Net
from k8sdeployment.cli.world import ProgramError, World
from k8sdeployment.pair import cr, fencing
from k8sdeployment.pair.model import Device, Site, SNOPair


@dataclass(frozen=True)
class Power:
    """What a fence device said: `on` None when it told nothing, and `why` says why."""

    name: str
    on: Optional[bool]
    why: str = ""

    def __str__(self) -> str:
        return self.why if self.on is None else f"the power is {'on' if self.on else 'off'}"


def known_pair(world: World) -> SNOPair:
    """The SNOPair as the conductor of this site keeps it, for the API may be away."""
    try:
        return cr.load(json.loads(world.pair.read_text(encoding="utf-8")))
    except (OSError, ValueError, cr.PairError) as error:
        raise CannotTell(f"the SNOPair of this site cannot be read from {world.pair} (call it in the conductor's "
                         f"container): {error}") from None


def shoots(pair: SNOPair) -> bool:
    """Whether Pacemaker fences a lost site by itself."""
    return pair.spec.failover.mode == "Automatic" and pair.spec.fencing.mode == "Required"


def on_links(target: Site, world: World, net: Net) -> Iterator[str]:
    """Why a site is alive, as its links show it."""
    links = hostlook.connected(world) or {}
    yield from (f"link {link} to {target.name} is connected: it is alive" for link, up in sorted(links.items()) if up)
    for link, address in enumerate(target.addresses):
        if not links.get(link) and not net.answers(str(address), hostlook.PCSD, hostlook.PATIENCE):
            yield f"{address}, link {link} of {target.name}, answers: its host is alive"


def powers(target: Site, world: World) -> list[Power]:
    """What each fence device of a site says of its power."""
    return [_ask(target, rank, device, world) for rank, device in enumerate(target.fencing.devices, start=1)]


def _ask(target: Site, rank: int, device: Device, world: World) -> Power:
    """What a device says of its target's power."""
    name = fencing.device_id(target, rank)
    try:
        world.run((device.agent,), fencing.ANSWER, fencing.proof(device))
    except ProgramError as error:
        if fencing.POWER.get(error.status or 1) == "off":
            return Power(name, False)
        return Power(name, None, f"it does not tell: {error}")
    return Power(name, True)


def switch_off(target: Site, world: World) -> str:
    """Which device switched a site off, in their order; SnopairError when none did, or none says so afterwards."""
    failed = []
    for rank, device in enumerate(target.fencing.devices, start=1):
        name = fencing.device_id(target, rank)
        try:
            world.run((device.agent,), fencing.ANSWER, fencing.order(device, "off"))
        except ProgramError as error:
            failed.append(f"{name}: {error}")
            continue
        power = _ask(target, rank, device, world)
        if power.on is False:
            return f"{name} switched {target.name} off"
        failed.append(f"{name}: it took the order, and says that the power is {'on' if power.on else 'unknown'}")
    raise SnopairError(f"{target.name} was not switched off: {'; '.join(failed) or 'it has no fence device'}")
