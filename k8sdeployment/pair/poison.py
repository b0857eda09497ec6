"""The rules of the poison pill: who is told to end himself must hear it, and must end even when he cannot think."""

from typing import Optional

from k8sdeployment.pair.cel import listed
from k8sdeployment.pair.fencing import PILL, QUORUM, SELF_ENDED, pilled
from k8sdeployment.pair.model import Device, PoisonPill, Spec
from k8sdeployment.pair.rule import Holes, Rule

# What fence_sbd is told by the pair, in each of its spellings (and crashdump, which takes the target's watchdog away),
# and what sbd takes for "none".
_OURS = ("devices", "plug", "port", "sbd_path", "sbd-path", "method", "crashdump")
_NONE = ("/dev/null", "/dev/nowatchdog")
_PILLED = f"self.sites.filter(s, s.fencing.devices.exists(d, d.agent == '{PILL}'))"
_QUORATE = f"self.sites.filter(s, s.fencing.devices.exists(d, d.agent == '{QUORUM}'))"
# Whether there is one on a disk, and one without.
_DISK = "has(self.fencing.poisonPill) && has(self.fencing.poisonPill.claim)"
_NO_DISK = "has(self.fencing.poisonPill) && !has(self.fencing.poisonPill.claim)"


def _pacemakers(device: Device) -> Optional[Holes]:
    return {} if device.agent == "fence_watchdog" else None


def _words(device: Device) -> Optional[Holes]:
    return {} if device.agent == QUORUM and device.parameters else None


def _disk(spec: Spec) -> bool:
    return spec.fencing.poison_pill is not None and spec.fencing.poison_pill.claim is not None


def _diskless(spec: Spec) -> bool:
    return spec.fencing.poison_pill is not None and spec.fencing.poison_pill.claim is None


def _told(device: Device) -> Optional[Holes]:
    told = [name for name in _OURS if name in device.parameters] if device.agent == PILL else []
    return {"name": told[0]} if told else None


def _without_disk(spec: Spec) -> Optional[Holes]:
    sites = pilled(spec)
    return {"site": sites[0].name} if sites and not _disk(spec) else None


def _with_disk(spec: Spec) -> Optional[Holes]:
    sites = pilled(spec, QUORUM)
    return {"site": sites[0].name} if sites and not _diskless(spec) else None


def _without_agent(spec: Spec) -> Optional[Holes]:
    heeded = pilled(spec) or pilled(spec, QUORUM)
    return {} if spec.fencing.poison_pill is not None and not heeded else None


def _without_arbitrator(spec: Spec) -> Optional[Holes]:
    return {} if _diskless(spec) and spec.quorum.mode != "Arbitrator" else None


def _no_watchdog(pill: PoisonPill) -> Optional[Holes]:
    return {"value": pill.watchdog} if pill.watchdog in _NONE else None


RULES = (
    Rule(Device, ".agent", "self.agent != 'fence_watchdog'",
         "fence_watchdog is Pacemaker's own, which takes any site for ended that was silent for long enough; use "
         "fence_quorum with quorum.mode Arbitrator, or fence_sbd with a disk that both sites share", _pacemakers),
    Rule(Device, ".parameters", f"self.agent != '{QUORUM}' || size(self.parameters) == 0",
         "fence_quorum takes none, for the pair sets them; remove them", _words),
    Rule(Device, ".parameters", f"self.agent != '{PILL}' || !self.parameters.exists(p, p in {listed(_OURS)})",
         "{name} of fence_sbd is set by the pair itself; remove it (the disk is fencing.poisonPill.claim)", _told,
         {"name": f"self.parameters.filter(p, p in {listed(_OURS)})[0]"}),
    Rule(Spec, ".fencing.poisonPill", f"({_DISK}) || size({_PILLED}) == 0",
         "{site} is fenced by fence_sbd, which needs it; name the claim of the disk that both sites share",
         _without_disk, {"site": f"{_PILLED}[0].name"}),
    Rule(Spec, ".fencing.poisonPill", f"({_NO_DISK}) || size({_QUORATE}) == 0",
         "{site} is fenced by fence_quorum, which needs it without a claim; name the watchdog alone, or use fence_sbd",
         _with_disk, {"site": f"{_QUORATE}[0].name"}),
    Rule(Spec, ".fencing.poisonPill",
         "!has(self.fencing.poisonPill) || "
         f"self.sites.exists(s, s.fencing.devices.exists(d, d.agent in {listed(SELF_ENDED)}))",
         "no device heeds it; add fence_sbd, with a claim, or fence_quorum, without one, to the devices of a site, or "
         "remove it", _without_agent),
    Rule(Spec, ".fencing.poisonPill", f"!({_NO_DISK}) || self.quorum.mode == 'Arbitrator'",
         "without a claim it needs quorum.mode Arbitrator, for with TwoNode both sites of a split have quorum, and "
         "neither ends; name an arbitrator, or the claim of a disk that both sites share", _without_arbitrator),
    Rule(Spec, ".fencing.poisonPill", f"!({_DISK}) || self.quorum.mode != 'Arbitrator'",
         "with quorum.mode Arbitrator a site that loses its links, the arbitrator and the disk at once may end later "
         "than the other one believes; use mode TwoNode, or fence_quorum and no claim",
         lambda spec: {} if _disk(spec) and spec.quorum.mode == "Arbitrator" else None),
    Rule(PoisonPill, ".watchdog", f"!(self.watchdog in {listed(_NONE)})",
         "{value} is no watchdog, and without one a site whose sbd hangs runs on while the other one takes over",
         _no_watchdog, {"value": "self.watchdog"}),
)
