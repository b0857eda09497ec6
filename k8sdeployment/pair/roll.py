"""Renewing the peer of a site without moving or restarting a workload, and letting go of it: what to do next.

Invariant: **a peer goes on purpose only under maintenance mode, and maintenance ends only after the executor of the
site that went has told of every resource again, or after its site was given up to Pacemaker, which then fences it.**

A site whose peer goes under maintenance leaves uncleanly (see libexec/pacemaker), so that whoever ends maintenance too
early gets a fence and never a second copy. The lock is a property of the cluster: one site at a time, known to both,
and still there when a conductor is killed at any step. Pure: what is seen goes in, the next step comes out.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Optional

# Seconds that a site may take to bring its peer back before the other one gives it up: the settling of a slow boot is
# two minutes by itself.
PATIENCE = 240.0


class Step(Enum):
    """What the conductor does next."""

    NOTHING = "nothing"
    TAKE = "take the lock"
    MAINTAIN = "set maintenance mode"
    DELETE = "delete the own pod"
    END = "end maintenance and free the lock"


@dataclass(frozen=True)
class Lock:
    """Who goes on purpose. `pod`: the UID that shall go. `kept`: maintenance was on before, and stays on after."""

    release: bool
    site: str
    pod: str
    kept: bool

    def __str__(self) -> str:
        return "/".join(("release" if self.release else "roll", self.site, self.pod, "kept" if self.kept else "own"))


def read(text: Optional[str]) -> Optional[Lock]:
    """The lock that a property's value tells; None without one."""
    words = (text or "").split("/")
    if len(words) != 4 or words[0] not in ("release", "roll"):
        return None
    return Lock(words[0] == "release", words[1], words[2], words[3] == "kept")


@dataclass(frozen=True)
class Seen:
    """What one site's conductor sees.

    `old`: the StatefulSet has a newer pod template. `leaving`: the CR is being deleted. `whole`: both sites are clean
    members of a quorate cluster, and the arbitrator answers where there is one. `settled`: this site is a clean member
    of a quorate cluster and its executor has told of every resource. `away`: seconds since the other site was a clean
    member, 0 while it is one. `deaf`: it is not known to be off, and is fenced by a poison pill, which nobody reads
    there while its peer is away.
    """

    site: str
    pod: str
    old: bool
    leaving: bool
    maintenance: bool
    whole: bool
    settled: bool
    quorate: bool
    away: float
    deaf: bool
    lock: Optional[Lock]


@dataclass(frozen=True)
class Next:
    """The step, the lock to take with TAKE, whether the peer may go for good, and why the cluster waits."""

    step: Step
    why: str = ""
    lock: Optional[Lock] = None
    released: bool = False


def decide(seen: Seen) -> Next:
    """The next step of this site's conductor."""
    if seen.lock is None:
        return _without(seen)
    if seen.lock.site == seen.site:
        return _own(seen, seen.lock)
    return _others(seen, seen.lock)


def _without(seen: Seen) -> Next:
    if seen.leaving:
        return Next(Step.TAKE, lock=Lock(True, seen.site, seen.pod, seen.maintenance))
    if not seen.old:
        return Next(Step.NOTHING)
    if not seen.whole:
        return Next(Step.NOTHING, "this site's peer is to be renewed; it waits until both sites are online, and "
                    "the arbitrator, if there is one")
    return Next(Step.TAKE, lock=Lock(False, seen.site, seen.pod, seen.maintenance))


def _own(seen: Seen, lock: Lock) -> Next:
    if lock.release and seen.leaving:
        why = f"the SNOPair of {seen.site} is being deleted; its workloads are left as they are"
        return Next(Step.NOTHING, why, released=True) if seen.maintenance else Next(Step.MAINTAIN, why)
    if not lock.release and lock.pod == seen.pod and seen.old:
        why = f"{seen.site} renews its peer"
        return Next(Step.DELETE if seen.maintenance else Step.MAINTAIN, why)
    if seen.settled:
        return Next(Step.END)
    return Next(Step.NOTHING, f"the peer of {seen.site} is back; waiting until it has told of every workload")


def _others(seen: Seen, lock: Lock) -> Next:
    if lock.release:
        why = f"the SNOPair of {lock.site} was deleted; delete it here too, or apply it there again"
        return Next(Step.NOTHING, why, released=seen.leaving and seen.maintenance)
    if seen.away > PATIENCE and not seen.quorate:
        # Maintenance mode is what keeps the workloads of a site without quorum running.
        return Next(Step.NOTHING, f"{lock.site} went to renew its peer and did not come back; {seen.site} has no "
                    "quorum and leaves everything as it is")
    if seen.away > PATIENCE and seen.deaf:
        # Its peer took the watchdog's guard along in order, and its workloads may run on.
        return Next(Step.NOTHING, f"{lock.site} went to renew its peer and did not come back, and may not hear that it "
                    f"shall end itself: make sure that it is off, then `snopair confirm {lock.site}`")
    if seen.away > PATIENCE:
        return Next(Step.END, f"{lock.site} went to renew its peer and did not come back for {seen.away:.0f} s")
    return Next(Step.NOTHING, f"{lock.site} renews its peer")
