"""Renewing a peer: every interleaving of two conductors, their kills, and a site that does not come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from k8sdeployment.pair.roll import PATIENCE, Lock, Next, Seen, Step, decide, read

SITES = ("site-a", "site-b")


@dataclass(frozen=True)
class Peer:
    """One site's peer. `place`: member, joined (its executor has not told yet), away (on purpose), or dead."""

    place: str = "member"
    old: bool = True
    leaving: bool = False
    gone: bool = False


@dataclass(frozen=True)
class World:
    """The whole cluster. `fenced`: sites that Pacemaker fenced, for maintenance ended while they were away."""

    peers: tuple[Peer, Peer] = (Peer(), Peer())
    lock: Lock | None = None
    maintenance: bool = False
    fenced: frozenset[str] = frozenset()

    def change(self, site: int, **fields: Any) -> World:
        peers = list(self.peers)
        peers[site] = replace(peers[site], **fields)
        return replace(self, peers=(peers[0], peers[1]))


def look(world: World, site: int, patient: bool = True) -> Seen:
    here, there = world.peers[site], world.peers[1 - site]
    other = there.place in ("member", "joined")
    return Seen(site=SITES[site], pod="old" if here.old else "new", old=here.old, leaving=here.leaving,
                maintenance=world.maintenance, whole=here.place == there.place == "member",
                settled=here.place == "member", quorate=here.place == "member",
                away=0.0 if other else (1.0 if patient else PATIENCE + 1), deaf=False,
                lock=world.lock)


def done(world: World, site: int, following: Next) -> World:
    """The world after a conductor's step."""
    if following.step is Step.TAKE:
        return replace(world, lock=following.lock) if world.lock is None else world
    if following.step is Step.MAINTAIN:
        return replace(world, maintenance=True)
    if following.step is Step.DELETE:
        assert world.maintenance and world.lock and world.lock.site == SITES[site], "only under maintenance, locked"
        assert world.peers[1 - site].place != "away", "never both at once"
        return world.change(site, place="away", old=False)
    if following.step is Step.END:
        return ended(world)
    return world


def ended(world: World) -> World:
    """Maintenance is over: Pacemaker fences whoever is away, and only then starts anything elsewhere."""
    assert world.lock is not None
    holder = world.peers[SITES.index(world.lock.site)]
    assert holder.place == "member" or holder.place in ("away", "dead"), "its executor has not told yet"
    away = {name for name, peer in zip(SITES, world.peers) if peer.place in ("away", "dead")}
    return replace(world, maintenance=world.lock.kept, lock=None, fenced=world.fenced | away)


def following(world: World) -> Iterator[World]:
    """What may happen next: a conductor's step, or a peer coming back in two steps."""
    for site, peer in enumerate(world.peers):
        if peer.place in ("member", "joined"):
            yield done(world, site, decide(look(world, site)))
        if peer.place == "away":
            yield world.change(site, place="joined")
        if peer.place == "joined":
            yield world.change(site, place="member")


def explored(begin: World) -> set[World]:
    """Every world that can be reached; a conductor that is killed simply looks again, so kills are among them."""
    seen, edge = {begin}, [begin]
    while edge:
        for world in following(edge.pop()):
            if world not in seen:
                seen.add(world)
                edge.append(world)
    return seen


@pytest.mark.parametrize("kept", [False, True])
def test_both_peers_are_renewed_whatever_comes_between(kept: bool) -> None:
    """From every world that can be reached, the end is reached: new pods, no lock, maintenance as it was, no fence."""
    worlds = explored(World(maintenance=kept))
    ends = {world for world in worlds if not any(peer.old for peer in world.peers) and world.lock is None}
    assert ends and all(world.maintenance == kept and not world.fenced for world in ends)
    assert not any(world.fenced for world in worlds)
    for world in worlds:
        assert explored(world) & ends, world


def test_one_site_at_a_time() -> None:
    for world in explored(World()):
        assert sum(peer.place == "away" for peer in world.peers) <= 1


def test_a_site_that_does_not_come_back_is_given_up_and_fenced_first() -> None:
    world = World(peers=(Peer("dead"), Peer(old=False)), lock=Lock(False, "site-a", "old", False), maintenance=True)
    assert decide(look(world, 1)).step is Step.NOTHING
    given_up = decide(look(world, 1, patient=False))
    assert given_up.step is Step.END and "did not come back" in given_up.why
    assert done(world, 1, given_up).fenced == {"site-a"}


def test_a_site_without_quorum_does_not_end_the_maintenance_that_keeps_its_workloads() -> None:
    world = World(peers=(Peer("dead"), Peer(old=False)), lock=Lock(False, "site-a", "old", False), maintenance=True)
    found = decide(replace(look(world, 1, patient=False), quorate=False, settled=False))
    assert found.step is Step.NOTHING and "has no quorum" in found.why


def test_a_site_that_cannot_hear_its_poison_pill_is_not_given_up_before_a_person_knows_it_off() -> None:
    """sbd ended with the peer, in order and so without the watchdog: its message would count as heard all the same."""
    world = World(peers=(Peer("dead"), Peer(old=False)), lock=Lock(False, "site-a", "old", False), maintenance=True)
    lost = look(world, 1, patient=False)
    found = decide(replace(lost, deaf=True))
    assert found.step is Step.NOTHING and "then `snopair confirm site-a`" in found.why
    assert decide(lost).step is Step.END, "confirmed, it is no longer deaf"


def test_a_peer_is_not_renewed_while_the_other_site_is_away() -> None:
    world = World(peers=(Peer(), Peer("dead")))
    found = decide(look(world, 0))
    assert found.step is Step.NOTHING and "waits until both sites are online" in found.why


def test_a_site_whose_resource_is_deleted_is_released_under_maintenance_alone() -> None:
    world = World(peers=(Peer(old=False, leaving=True), Peer(old=False)))
    taken = done(world, 0, decide(look(world, 0)))
    assert taken.lock == Lock(True, "site-a", "new", False) and not decide(look(taken, 0)).released
    held = done(taken, 0, decide(look(taken, 0)))
    assert held.maintenance and decide(look(held, 0)).released


def test_nobody_is_given_up_for_having_been_released() -> None:
    world = World(peers=(Peer("dead"), Peer(old=False)), lock=Lock(True, "site-a", "old", False), maintenance=True)
    found = decide(look(world, 1, patient=False))
    assert found.step is Step.NOTHING and "delete it here too" in found.why and not found.released
    assert decide(look(world.change(1, leaving=True), 1, patient=False)).released


def test_a_released_site_that_comes_back_ends_maintenance_once_it_has_told() -> None:
    lock = Lock(True, "site-a", "before", False)
    back = World(peers=(Peer("joined", old=False), Peer(old=False)), lock=lock, maintenance=True)
    assert decide(look(back, 0)).step is Step.NOTHING
    assert decide(look(back.change(0, place="member"), 0)).step is Step.END


def test_an_upgrade_that_is_taken_back_frees_the_lock() -> None:
    world = World(peers=(Peer(old=False), Peer(old=False)), lock=Lock(False, "site-a", "new", False), maintenance=True)
    assert decide(look(world, 0)).step is Step.END


@pytest.mark.parametrize("text", [None, "", "roll", "steal/a/b/own", "a/b/c/d/e"])
def test_what_is_no_lock_is_none(text: str | None) -> None:
    assert read(text) is None


def test_a_lock_is_read_as_it_is_written() -> None:
    for lock in (Lock(True, "site-a", "u-1", True), Lock(False, "site-b", "u-2", False)):
        assert read(str(lock)) == lock
