"""What is refused about fence devices that share a level."""

from typing import Optional

from k8sdeployment.pair.cel import listed
from k8sdeployment.pair.fencing import SELF_ENDED
from k8sdeployment.pair.model import SiteFencing
from k8sdeployment.pair.rule import Holes, Rule


def _mixed(fencing: SiteFencing) -> Optional[Holes]:
    return {} if len({device.level is None for device in fencing.devices}) == 2 else None


def _descending(fencing: SiteFencing) -> Optional[Holes]:
    numbers = [device.level for device in fencing.devices]
    for before, level in zip(numbers, numbers[1:]):
        if before is not None and level is not None and level < before:
            return {"level": level, "before": before}
    return None


def _beside_a_pill(fencing: SiteFencing) -> Optional[Holes]:
    numbers = [device.level for device in fencing.devices]
    for device in fencing.devices:
        if device.agent in SELF_ENDED and device.level is not None and numbers.count(device.level) > 1:
            return {"agent": device.agent, "level": device.level}
    return None


_GIVEN = "self.devices.exists(d, has(d.level))"
# By their places in the list, of which CEL knows no neighbours.
_BACK = ("[1, 2, 3].filter(i, i < size(self.devices) && has(self.devices[i].level) && has(self.devices[i - 1].level) "
         "&& self.devices[i].level < self.devices[i - 1].level)")
_CROWDED = (f"self.devices.filter(d, d.agent in {listed(SELF_ENDED)} && has(d.level) && "
            "self.devices.filter(e, has(e.level) && e.level == d.level).size() > 1)")

RULES = (
    Rule(SiteFencing, ".devices", f"!{_GIVEN} || self.devices.all(d, has(d.level))",
         "some have a level and some have none; give one to each, or to none: then each is a level of its own, in the "
         "order of the list", _mixed),
    Rule(SiteFencing, ".devices", f"size({_BACK}) == 0",
         "level {level} stands below level {before}, and would be tried before it; list the devices in the order of "
         "their levels", _descending,
         {"level": f"self.devices[{_BACK}[0]].level", "before": f"self.devices[{_BACK}[0] - 1].level"}),
    Rule(SiteFencing, ".devices", f"size({_CROWDED}) == 0",
         "{agent} shares level {level} with another device; what asks nobody for the power confirms nothing that the "
         "other one does not, so give it a level of its own, best the last one", _beside_a_pill,
         {"agent": f"{_CROWDED}[0].agent", "level": f"{_CROWDED}[0].level"}),
)
