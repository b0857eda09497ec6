"""Every name and address of a lab, derived from its name and its index; pure values.

Lab n uses 10.(91+n).1.0/24 and 10.(91+n).2.0/24 as the two links and 10.(91+n).9.0/24 as management network. On each of
them site-a ends in .11 and site-b in .12; on the management network .21 and .22 are their BMCs, .31 is the arbitrator,
.32 the board of a lab that has one. MAC addresses are fixed so that no neighbour keeps a stale one across a
power cycle.
"""

import os
import re
from dataclasses import dataclass
from typing import Optional

from lab.errors import LabError

LABEL = "aos-lab"
SITES = ("site-a", "site-b")
LINKS = (1, 2)
MANAGEMENT = 9
FIRST_OCTET = 91
MOST_LABS = 100
SERVICE_PORT = 8080
API_PORT = 6443
BMC_PORT = 623
ARBITRATOR = 31
BOARD_HOST = 32


@dataclass(frozen=True)
class Network:
    """One of the lab's three networks; `part` is 1 or 2 for the links, 9 for management."""

    name: str
    part: int
    prefix: str

    @property
    def subnet(self) -> str:
        return f"{self.prefix}.0/24"

    @property
    def gateway(self) -> str:
        return f"{self.prefix}.1"

    def address(self, host: int) -> str:
        return f"{self.prefix}.{host}"


@dataclass(frozen=True)
class SitePlan:
    """Where one site stands on the lab's networks; `ordinal` is 1 for site-a and 2 for site-b."""

    name: str
    ordinal: int
    lab: "LabPlan"

    @property
    def container(self) -> str:
        return f"{self.lab.name}-{self.name}"

    @property
    def bmc_container(self) -> str:
        return f"{self.lab.name}-bmc-{self.name[-1]}"

    @property
    def volume(self) -> str:
        return f"{self.lab.name}-{self.name}-disk"

    @property
    def links(self) -> tuple[str, ...]:
        return tuple(self.lab.network(link).address(10 + self.ordinal) for link in LINKS)

    @property
    def management(self) -> str:
        return self.lab.network(MANAGEMENT).address(10 + self.ordinal)

    @property
    def bmc(self) -> str:
        return self.lab.network(MANAGEMENT).address(20 + self.ordinal)

    @property
    def peer(self) -> "SitePlan":
        return next(site for site in self.lab.sites if site.name != self.name)

    def mac(self, part: int, host: Optional[int] = None) -> str:
        """The site's own address on a network, or that of another host there that belongs to it."""
        return self.lab.mac(part, host or 10 + self.ordinal)


@dataclass(frozen=True)
class LabPlan:
    """A lab's name and index, from which everything else follows."""

    name: str
    index: int

    @property
    def board_container(self) -> str:
        return f"{self.name}-board"

    @property
    def board(self) -> str:
        return self.network(MANAGEMENT).address(BOARD_HOST)

    @property
    def networks(self) -> tuple[Network, ...]:
        return tuple(self.network(part) for part in (*LINKS, MANAGEMENT))

    @property
    def sites(self) -> tuple[SitePlan, ...]:
        return tuple(SitePlan(name, number, self) for number, name in enumerate(SITES, start=1))

    @property
    def arbitrator_container(self) -> str:
        return f"{self.name}-arbitrator"

    @property
    def arbitrator(self) -> str:
        return self.network(MANAGEMENT).address(ARBITRATOR)

    def mac(self, part: int, host: int) -> str:
        """A locally administered address, unique per lab, network and host."""
        return f"02:a0:05:{self.index:02x}:{part:02x}:{host:02x}"

    def network(self, part: int) -> Network:
        title = "management" if part == MANAGEMENT else f"link{part}"
        return Network(f"{self.name}-{title}", part, f"10.{FIRST_OCTET + self.index}.{part}")

    def site(self, name: str) -> SitePlan:
        for site in self.sites:
            if name == site.name:
                return site
        raise LabError(f"there is no site {name!r}; the sites are {' and '.join(SITES)}")


def checked_name(name: Optional[str]) -> str:
    """The lab's name: the one given, else AOS_LAB, else "aos"; it becomes part of container names."""
    chosen = name or os.environ.get("AOS_LAB") or "aos"
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", chosen):
        raise LabError(f"{chosen!r} cannot name a lab; use at most 20 lower-case letters, digits and dashes, "
                       "beginning with a letter")
    return chosen


def first_free_index(taken_indexes: set[int], taken_subnets: set[str]) -> int:
    """The lowest index no other lab has and whose three networks no route of the host touches."""
    for index in range(MOST_LABS):
        subnets = {network.subnet for network in LabPlan("probe", index).networks}
        if index not in taken_indexes and not subnets & taken_subnets:
            return index
    raise LabError(f"all {MOST_LABS} network ranges from 10.{FIRST_OCTET}.0.0 on are in use; take a lab down first")
