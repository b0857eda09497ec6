"""Addresses and names of a lab follow from its name and index alone."""

import pytest

from lab import hostnet
from lab.errors import LabError
from lab.names import ARBITRATOR, LabPlan, checked_name, first_free_index


def test_addresses_follow_from_the_index() -> None:
    site = LabPlan("demo", 3).site("site-b")
    assert site.links == ("10.94.1.12", "10.94.2.12")
    assert (site.management, site.bmc) == ("10.94.9.12", "10.94.9.22")
    assert site.peer.name == "site-a" and site.lab.arbitrator == "10.94.9.31"


def test_nothing_of_two_labs_collides() -> None:
    def everything(plan: LabPlan) -> set[str]:
        names = {network.name for network in plan.networks} | {network.subnet for network in plan.networks}
        for site in plan.sites:
            names |= {site.container, site.bmc_container, site.volume, *site.links, site.management, site.bmc}
            names |= {site.mac(part, host) for part in (1, 2, 9) for host in (10 + site.ordinal, 20 + site.ordinal)}
        return names | {plan.arbitrator_container, plan.arbitrator, plan.mac(9, ARBITRATOR)}

    assert not everything(LabPlan("one", 0)) & everything(LabPlan("two", 1))


def test_every_interface_of_a_lab_has_its_own_address_of_hardware() -> None:
    plan = LabPlan("one", 7)
    macs = [site.mac(part) for site in plan.sites for part in (1, 2, 9)]
    macs += [plan.mac(9, ARBITRATOR)]
    macs += [site.mac(9, 20 + site.ordinal) for site in plan.sites]
    assert len(set(macs)) == len(macs)
    assert all(int(mac[:2], 16) & 3 == 2 for mac in macs), "locally administered, not multicast"


@pytest.mark.parametrize("bad", ["Aos", "1lab", "a b", "a" * 21, "../x", "a\n"])
def test_a_name_that_cannot_be_a_container_name_is_refused(bad: str) -> None:
    with pytest.raises(LabError, match="cannot name a lab"):
        checked_name(bad)


def test_the_name_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AOS_LAB", "other")
    assert checked_name("mine") == "mine"
    assert checked_name(None) == "other"


def test_an_index_is_free_when_neither_lab_nor_host_has_its_networks() -> None:
    assert first_free_index(set(), set()) == 0
    assert first_free_index({0, 1}, set()) == 2
    assert first_free_index({0}, {"10.92.9.0/24"}) == 2


def test_no_free_index_says_so() -> None:
    with pytest.raises(LabError, match="take a lab down first"):
        first_free_index(set(range(100)), set())


def test_an_unknown_site_is_named() -> None:
    with pytest.raises(LabError, match="'site-c'.*site-a and site-b"):
        LabPlan("one", 0).site("site-c")


def test_routes_of_the_host_are_read() -> None:
    table = ("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
             "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
             "podman1\t00015B0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n")
    assert hostnet.parse(table) == {"10.91.1.0/24"}
