"""The rules of the poison pill: who is told to end himself must hear it, and must end even when he cannot think."""

from typing import Optional

from k8sdeployment.pair.cel import listed
from k8sdeployment.pair.fencing import PILL, pilled
from k8sdeployment.pair.model import Device, PoisonPill, Spec
from k8sdeployment.pair.rule import Holes, Rule

# What fence_sbd is told by the pair, in each of its spellings (and crashdump, which takes the target's watchdog away),
# and what sbd takes for "none".
_OURS = ("devices", "plug", "port", "sbd_path", "sbd-path", "method", "crashdump")
_NONE = ("/dev/null", "/dev/nowatchdog")
_PILLED = f"self.sites.filter(s, s.fencing.devices.exists(d, d.agent == '{PILL}'))"


def _diskless(device: Device) -> Optional[Holes]:
    return {} if device.agent == "fence_watchdog" else None


def _told(device: Device) -> Optional[Holes]:
    told = [name for name in _OURS if name in device.parameters] if device.agent == PILL else []
    return {"name": told[0]} if told else None


def _without_disk(spec: Spec) -> Optional[Holes]:
    sites = pilled(spec)
    return {"site": sites[0].name} if sites and spec.fencing.poison_pill is None else None


def _without_agent(spec: Spec) -> Optional[Holes]:
    return {} if spec.fencing.poison_pill is not None and not pilled(spec) else None


def _no_watchdog(pill: PoisonPill) -> Optional[Holes]:
    return {"value": pill.watchdog} if pill.watchdog in _NONE else None


RULES = (
    Rule(Device, ".agent", "self.agent != 'fence_watchdog'",
         "fence_watchdog does not protect two sites: after a split both stay quorate with TwoNode, and with Arbitrator "
         "the loser may end later than the other one believes; use another device, or with TwoNode fence_sbd and the "
         "disk that both share (fencing.poisonPill)", _diskless),
    Rule(Device, ".parameters", f"self.agent != '{PILL}' || !self.parameters.exists(p, p in {listed(_OURS)})",
         "{name} of fence_sbd is set by the pair itself; remove it (the disk is fencing.poisonPill.claim)", _told,
         {"name": f"self.parameters.filter(p, p in {listed(_OURS)})[0]"}),
    Rule(Spec, ".fencing.poisonPill", f"has(self.fencing.poisonPill) || size({_PILLED}) == 0",
         "{site} is fenced by fence_sbd, which needs it; name the claim of the disk that both sites share",
         _without_disk, {"site": f"{_PILLED}[0].name"}),
    Rule(Spec, ".fencing.poisonPill", f"!has(self.fencing.poisonPill) || size({_PILLED}) > 0",
         "no device heeds it, for fence_sbd alone does; add that to the devices of a site, or remove it",
         _without_agent),
    Rule(Spec, ".fencing.poisonPill", "!has(self.fencing.poisonPill) || self.quorum.mode != 'Arbitrator'",
         "with quorum.mode Arbitrator a site that loses its links, the arbitrator and the disk at once may end later "
         "than the other one believes; use mode TwoNode, or another device",
         lambda spec: {} if spec.fencing.poison_pill is not None and spec.quorum.mode == "Arbitrator" else None),
    Rule(PoisonPill, ".watchdog", f"!(self.watchdog in {listed(_NONE)})",
         "{value} is no watchdog, and without one a site whose sbd hangs runs on while the other one takes over",
         _no_watchdog, {"value": "self.watchdog"}),
)
