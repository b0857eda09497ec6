"""Pre-flight on a host of the pair: its own addresses, the networks of its links, the ports, the other site."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Optional

from k8sdeployment.cli import sockets
from k8sdeployment.cli.findings import Finding
from k8sdeployment.cli.world import ProgramError, World
from k8sdeployment.pair.model import Site, Spec
from k8sdeployment.pair.status import LINKS, links

# Corosync takes one port per link, from this one on (seen on a pair with two links; corosync.conf(5), mcastport).
COROSYNC, PCSD = 5405, 2224
# Seconds for a host to say anything.
PATIENCE = 2.0
_TAKEN = "EADDRINUSE"


@dataclass(frozen=True)
class Net:
    """The questions, for tests to answer."""

    bind: Callable[[str, int, sockets.Kind], str] = sockets.bind
    answers: Callable[[str, int, float], str] = sockets.answers
    refuses: Callable[[str, int, float], bool] = sockets.refuses
    routes: Callable[[], list[sockets.Route]] = field(default=sockets.routes)


def look(spec: Spec, world: World, net: Net) -> Iterator[Finding]:
    """Everything that can be told on this host."""
    site = own_site(spec, net)
    if site is None:
        wanted = "; ".join(f"{one.name} has {', '.join(map(str, one.addresses))}" for one in spec.sites)
        yield Finding("fail", "addresses", f"this host has none of the pair's addresses: {wanted}")
        return
    yield from _addresses(site, net)
    yield from _networks(site, net.routes())
    now = connected(world)
    yield from _ports(spec, site, net, running=now is not None)
    other = spec.other(site.name)
    if now is None:
        yield from _other(other, site, net)
    else:
        yield from _connected(now, site)
        yield from _refused(now, other, site, net)


def own_site(spec: Spec, net: Net) -> Optional[Site]:
    """The site that has most of its addresses on this host; None when neither has any."""
    count = {site.name: sum(not net.bind(str(one), 0, "udp") for one in site.addresses) for site in spec.sites}
    best = max(spec.sites, key=lambda site: count[site.name])
    return best if count[best.name] else None


def _addresses(site: Site, net: Net) -> Iterator[Finding]:
    for link, address in enumerate(site.addresses):
        if net.bind(str(address), 0, "udp"):
            yield Finding("fail", "addresses", f"link {link}: {address} is not an address of this host", site.name)
        else:
            yield Finding("ok", "addresses", f"link {link}: {address} is an address of this host", site.name)


def _networks(site: Site, known: list[sockets.Route]) -> Iterator[Finding]:
    homes = {link: sockets.home(address, known) for link, address in enumerate(site.addresses)}
    seen: dict[str, int] = {}
    for link, found in homes.items():
        if found is None:
            yield Finding("warn", "subnets", f"link {link}: no network of this host holds its address", site.name)
        elif str(found.network) in seen:
            yield Finding("warn", "subnets", f"links {seen[str(found.network)]} and {link} are both in {found.network} "
                          f"({found.interface}): they will fail together", site.name)
        else:
            seen[str(found.network)] = link
            yield Finding("ok", "subnets", f"link {link} is in {found.network} ({found.interface})", site.name)


def _ports(spec: Spec, site: Site, net: Net, running: bool) -> Iterator[Finding]:
    wanted: list[tuple[str, int, sockets.Kind, str]] = [
        *((str(one), COROSYNC + link, "udp", "Corosync") for link, one in enumerate(site.addresses)),
        ("0.0.0.0", PCSD, "tcp", "pcsd")]
    if spec.peer.metrics_port:
        wanted.append(("0.0.0.0", spec.peer.metrics_port, "tcp", "metrics"))
    for address, port, kind, who in wanted:
        why, name = net.bind(address, port, kind), f"{port}/{kind} on {address} ({who})"
        if not why:
            yield Finding("warn" if running else "ok", "ports",
                          f"{name} is {'not used though the peer runs' if running else 'free'}", site.name)
        elif why == _TAKEN:
            yield Finding("ok" if running else "fail", "ports",
                          f"{name} is used by {'the running peer' if running else 'another program'}", site.name)
        elif why != "EADDRNOTAVAIL":
            yield Finding("fail", "ports", f"{name} cannot be had: {why}", site.name)


def connected(world: World) -> Optional[dict[int, bool]]:
    """Whether each link is connected, by Corosync's own word; None while it does not run here."""
    try:
        return links(world.run(LINKS, 10.0, None))
    except ProgramError:
        return None


def _connected(now: dict[int, bool], site: Site) -> Iterator[Finding]:
    for link, up in now.items():
        yield Finding("ok" if up else "fail", "links", f"link {link} is {'connected' if up else 'down'}", site.name)


def _refused(now: dict[int, bool], other: Site, site: Site, net: Net) -> Iterator[Finding]:
    """pcsd runs where Corosync does. A firewall that refuses in its host's place would do so for a dead host, too, and
    fence_gone would take that for a living one."""
    for link, address in enumerate(other.addresses):
        if now.get(link) and net.refuses(str(address), PCSD, PATIENCE):
            yield Finding("warn", "links", f"link {link}: {address} of {other.name} refuses {PCSD}/tcp though its peer "
                          "runs; if a firewall does that, it does so for a dead site, too, and every fence fails: let "
                          "it pass the port, or drop it", site.name)


def _other(other: Site, site: Site, net: Net) -> Iterator[Finding]:
    """Only that the way is open can be told before Corosync runs; that Corosync's datagrams pass cannot."""
    for link, address in enumerate(other.addresses):
        why = net.answers(str(address), PCSD, PATIENCE)
        if why:
            yield Finding("warn", "links", f"link {link}: {address} of {other.name} does not answer ({why}); a "
                          f"firewall may drop {PCSD}/tcp alone, but {COROSYNC + link}/udp must pass", site.name)
        else:
            yield Finding("ok", "links", f"link {link}: {address} of {other.name} answers", site.name)
