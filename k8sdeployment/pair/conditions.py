"""The conditions of a pair, each from what one site's conductor sees, with the sentence that an operator needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from k8sdeployment.pair import fencing, pacemaker, parity, places
from k8sdeployment.pair.facts import Facts, Proof, differing, guarded, on_one_disk
from k8sdeployment.pair.model import Spec
from k8sdeployment.pair.report import CONDITIONS

if TYPE_CHECKING:
    from k8sdeployment.pair.summary import Seen

Truth = Literal["True", "False", "Unknown"]
Protection = Literal["", "on", "off"]
State = Literal["online", "standby", "maintenance", "joining", "offline", "unclean"]
# Seconds after which a proof is too old to be believed: two rounds missed.
STALE = 900
# Reason of a condition that waits for a person.
CONFIRM, NO_QUORUM = "Confirm", "NoQuorum"
_WELL = {"Degraded": "nothing is broken"}


@dataclass(frozen=True)
class Found:
    """A condition before it is dated."""

    type: str
    status: Truth
    reason: str
    message: str = ""


def conditions(seen: Seen) -> list[Found]:
    """All conditions, in the order in which people read them. One that is well says what it means."""
    found = [_available(seen), _peer_online(seen), _fencing(seen), _takeover(seen), _in_sync(seen), _degraded(seen)]
    return [one if one.message else replace(one, message=_WELL.get(one.type, CONDITIONS[one.type])) for one in found]


def _available(seen: Seen) -> Found:
    if seen.view is None:
        return Found("Available", "Unknown", "NoCluster", seen.trouble)
    missing = [f"{one.name}: {one.reason}" for one in places.workloads(seen) if not one.site]
    if missing:
        return Found("Available", "False", "NotRunning", "; ".join(missing))
    return Found("Available", "True", "Running")


def _peer_online(seen: Seen) -> Found:
    if seen.view is None:
        return Found("PeerOnline", "Unknown", "NoCluster", seen.trouble)
    if seen.view.all_online():
        return Found("PeerOnline", "True", "Online")
    if not seen.view.quorate:
        return Found("PeerOnline", "False", NO_QUORUM, f"{seen.site} has no quorum: {_voteless(seen)}, {_ask(seen)}")
    node = seen.view.nodes.get(seen.other)
    if seen.maintenance:
        return Found("PeerOnline", "False", "Renewing", seen.maintenance)
    if node is not None and not node.clean:
        if seen.pair.spec.failover.mode == "Confirm":
            return Found("PeerOnline", "False", CONFIRM, f"{seen.other} is gone, and a person decides: {_ask(seen)}")
        return Found("PeerOnline", "False", "Unclean",
                     f"{seen.other} was lost and is not fenced yet. If no device can do it: {_ask(seen)}")
    return Found("PeerOnline", "False", "Away", f"{seen.other} is not a member of the cluster")


def _voteless(seen: Seen) -> str:
    arbitrator = seen.pair.spec.quorum.arbitrator
    if arbitrator is None:
        return f"it has not seen {seen.other} since it started, and starts nothing until it does; if it never will"
    return (f"it is without {seen.other}, and the arbitrator {arbitrator.host} gives it no vote; it starts nothing "
            "until one of them does; if neither ever will")


def _unheard(seen: Seen) -> Iterator[str]:
    arbitrator = seen.pair.spec.quorum.arbitrator
    if arbitrator is not None and not seen.heard:
        yield (f"the arbitrator {arbitrator.host} does not answer {seen.site}, which without {seen.other} would stop "
               "what it runs and take nothing over")


def _ask(seen: Seen) -> str:
    """What a person can do about a site that nobody can tell to be off."""
    return (f"make sure that {seen.other} is off, then `snopair confirm {seen.other}`; until then nothing is started "
            "anew here")


def _fencing(seen: Seen) -> Found:
    if seen.pair.spec.fencing.mode == "Disabled":
        return Found("FencingProven", "False", "Disabled",
                     "fencing is disabled: after a split a workload may run twice")
    bad = unproven(seen.pair.spec, seen.mine, seen.theirs, seen.site, int(seen.now.timestamp()))
    if bad:
        return Found("FencingProven", "False", "NotProven", "; ".join(bad.values()))
    if seen.pair.spec.failover.mode == "Confirm":
        return Found("FencingProven", "True", CONFIRM, f"nothing fences {seen.other} by itself: a takeover waits until "
                     f"a person says that it is off, with `snopair confirm {seen.other}`")
    return Found("FencingProven", "True", "Proven", f"{seen.site} can fence {seen.other}")


def unproven(spec: Spec, told: Facts, others: Facts | None, by: str, now: int) -> dict[int, str]:
    """What is wrong with the devices by which `by` would fence the other site, by its own last proofs and the device's
    place in the list; empty when every one answered. `others`: what that site tells, None where it is away."""
    target, found = spec.other(by), {}
    for rank, device in enumerate(target.fencing.devices, start=1):
        name = fencing.device_id(target, rank)
        proof = told.proofs.get(name, Proof(False, 0, "has not been asked yet"))
        if not proof.good:
            found[rank] = f"{name} ({device.agent}): {proof.why}"
        elif now - proof.when > STALE:
            found[rank] = f"{name} ({device.agent}) was last proven {now - proof.when} s ago"
        elif device.agent == fencing.PILL and others is not None and not on_one_disk(told, others):
            # Its place on the disk tells that it once listened, and on which disk this one is.
            found[rank] = f"{name} ({device.agent}): {target.name} does not listen on the same disk"
        elif device.agent == fencing.QUORUM and others is not None and not guarded(others):
            found[rank] = f"{name} ({device.agent}): {target.name} does not say that its watchdog guards it"
    return found


def powerless(spec: Spec, told: Facts, others: Facts | None, by: str, now: int) -> list[str]:
    """Why `by` could not fence the other site: no level of which every device is proven. Empty when there is one."""
    bad = unproven(spec, told, others, by, now)
    lame = [bad.keys() & set(ranks) for ranks in fencing.levels(spec.other(by)).values()]
    return list(bad.values()) if all(lame) else []


def _takeover(seen: Seen) -> Found:
    found = [one for one in places.workloads(seen) if one.takeover is not None]
    lacking = [f"{one.name}: {one.takeover.reason}" for one in found if one.takeover and not one.takeover.ready]
    if seen.view is None:
        return Found("TakeoverReady", "Unknown", "NoCluster", seen.trouble)
    lacking += _unheard(seen)
    if lacking:
        return Found("TakeoverReady", "False", "NotReady", "; ".join(lacking))
    if seen.pair.spec.workloads and not found:
        return Found("TakeoverReady", "Unknown", "NotRunning", "no workload runs that could be taken over")
    return Found("TakeoverReady", "True", "Ready")


def _in_sync(seen: Seen) -> Found:
    if seen.theirs is None:
        return Found("PeerInSync", "Unknown", "Away", f"{seen.other} does not tell what it holds")
    differing = list(differences(seen))
    if differing:
        return Found("PeerInSync", "False", "Differs", "; ".join(differing[:8]))
    return Found("PeerInSync", "True", "Same")


def differences(seen: Seen) -> Iterator[str]:
    """What the two sites hold differently: the CR first, then the pod templates of the workloads."""
    if seen.theirs is None:
        return
    yield from (f"{path} is {mine} on {seen.site} and {theirs} on {seen.other}"
                for path, mine, theirs in differing(seen.mine.spec, seen.theirs.spec))
    for work in seen.pair.spec.workloads:
        mine, theirs = seen.mine.workloads.get(work.name), seen.theirs.workloads.get(work.name)
        if mine and theirs and mine.template and theirs.template:
            yield from (f"the pod template of {work.name} differs in {field}"
                        for field in parity.differences(mine.template, theirs.template))


def _degraded(seen: Seen) -> Found:
    bad = list(_troubles(seen))
    if bad:
        return Found("Degraded", "True", "Trouble", "; ".join(bad))
    return Found("Degraded", "False", "Well")


def _troubles(seen: Seen) -> Iterator[str]:
    if seen.view is None:
        yield seen.trouble
        return
    if seen.waits:
        yield seen.waits
    yield from (f"link {number} to {seen.other} is down" for number, up in sorted(seen.links.items()) if not up)
    yield from _unheard(seen)
    yield from (f"{name}: {proof.note}" for name, proof in seen.mine.proofs.items() if proof.note)
    yield from seen.view.failures
    blocked = {pacemaker.resource_id(work): work.name for work in seen.pair.spec.workloads}
    yield from (f"{name} is blocked: its stop failed and {seen.other} could not be fenced"
                for resource, name in blocked.items()
                if (one := seen.view.resources.get(resource)) is not None and one.blocked)
    if not seen.view.all_online():
        yield f"{seen.other} is away"
