"""Where each workload is, since when and why, and whether the other site could take it now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Optional

from k8sdeployment.pair import conditions, fencing, pacemaker, recovery
from k8sdeployment.pair.cib import operations, section
from k8sdeployment.pair.model import Workload
from k8sdeployment.pair.report import Takeover, WorkloadSeen
from k8sdeployment.pair.status import Resource

if TYPE_CHECKING:
    from k8sdeployment.pair.summary import Seen


def workloads(seen: Seen) -> Iterator[WorkloadSeen]:
    """Every workload of the CR, in its order."""
    for work in seen.pair.spec.workloads:
        resource = seen.view.resources.get(pacemaker.resource_id(work)) if seen.view else None
        place = (seen.view.where(pacemaker.resource_id(work)) or "") if seen.view else ""
        yield WorkloadSeen(
            name=work.name, site=place, since=_since(seen, work, place) if place else None,
            reason=_why_here(seen, work, place) if place else _why_nowhere(seen, work, resource),
            takeover=takeover(seen, work, place) if place else None,
        )


def _since(seen: Seen, work: Workload, place: str) -> Optional[datetime]:
    """When it was started there, or first found running."""
    if seen.cib is None:
        return None
    times = [one.when for one in operations(seen.cib) if one.resource == pacemaker.resource_id(work)
             and one.node == place and one.code == "0" and not one.failure
             and (one.task == "start" or (one.task == "monitor" and one.interval == 0))]
    return recovery.moment(max(times)) if any(times) else None


def _why_here(seen: Seen, work: Workload, place: str) -> str:
    last = next((one for one in seen.recoveries if one.workload == work.name), None)
    taken = last is not None and last.target == place
    if work.preferred_site == place:
        return "its preferred site"
    if work.preferred_site is None:
        return f"taken over when {last.origin} was lost" if last and taken else "it prefers no site"
    banned = _bans(seen, work)
    if banned:
        return f"{banned} keeps it away from {work.preferred_site}"
    wanted = seen.view.nodes.get(work.preferred_site) if seen.view else None
    if wanted is None or not wanted.online:
        return f"{work.preferred_site}, which it prefers, is away"
    if wanted.standby:
        return f"{work.preferred_site}, which it prefers, is in standby"
    began = f"taken over when {last.origin} was lost; " if last and taken else ""
    return f"{began}failback is {work.failback}: `snopair move {work.name} {work.preferred_site}` brings it back"


def _bans(seen: Seen, work: Workload) -> str:
    """The constraint of a person that keeps a workload away from its preferred site; "" for none."""
    if seen.cib is not None:
        for found in section(seen.cib, "constraints"):
            if (found.get("rsc") == pacemaker.resource_id(work) and found.get("node") == work.preferred_site
                    and found.get("score") == "-INFINITY"):
                return f"constraint {found.get('id')}"
    return ""


def _why_nowhere(seen: Seen, work: Workload, resource: Optional[Resource]) -> str:
    if seen.view is None:
        return seen.trouble
    if resource is None:
        return seen.waits or "it is not in the cluster's configuration yet"
    if resource.role not in ("Stopped", "Started"):
        return f"it is {resource.role.lower()}"
    if not seen.view.quorate:
        return f"{seen.site} has no quorum"
    if len(resource.nodes) > 1:
        return "the cluster found it on both sites and is stopping it"
    failed = [failure for failure in seen.view.failures if failure.startswith(f"{resource.name}_")]
    if failed:
        return failed[0]
    if any(not node.clean for node in seen.view.nodes.values()):
        return _until_fenced(seen)
    after = [name for name in work.after if seen.view.where(name) is None]
    if after:
        return f"it waits for {after[0]}"
    if _stopped(seen, resource.name):
        return f"somebody stopped it: `pcs resource enable {resource.name}` lets it start again"
    return "the cluster is about to start it, or finds no site that may run it: `pcs constraint` shows what was banned"


def _until_fenced(seen: Seen) -> str:
    if seen.pair.spec.failover.mode == "Confirm":
        return f"{seen.other} is gone: make sure that it is off, then `snopair confirm {seen.other}` starts it here"
    return f"the cluster waits until {seen.other}, which was lost, is fenced"


def _stopped(seen: Seen, resource: str) -> bool:
    """Whether its target-role keeps it down, as `pcs resource disable` sets it."""
    path = f"configuration/resources/primitive[@id='{resource}']/meta_attributes/nvpair[@name='target-role']"
    return seen.cib is not None and any(one.get("value") == "Stopped" for one in seen.cib.iterfind(path))


def takeover(seen: Seen, work: Workload, place: str) -> Takeover:
    """Whether the site that does not run it could take it now."""
    lacking = next(_lacking(seen, work, place), "")
    return Takeover(ready=not lacking, reason=lacking)


def _lacking(seen: Seen, work: Workload, place: str) -> Iterator[str]:
    other = seen.pair.spec.other(place).name
    told = seen.mine if other == seen.site else seen.theirs
    node = seen.view.nodes.get(other) if seen.view else None
    if node is None or not node.online or not node.clean or told is None:
        yield f"{other} is away"
        return
    if seen.view is not None and seen.view.maintenance:
        yield "the cluster is in maintenance mode"
    if node.standby:
        yield f"{other} is in standby"
    if fencing.shoots(seen.pair.spec):
        yield from (f"{other} could not fence {place}: {why}" for why in conditions.powerless(
            seen.pair.spec, told, seen.theirs if other == seen.site else seen.mine, other, int(seen.now.timestamp())))
    half = told.workloads.get(work.name)
    if half is None:
        yield f"the operator of {other} has not looked at it yet"
    elif not half.ready:
        yield f"{other}: {half.reason}"
