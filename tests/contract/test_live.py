"""By hand and by ocf-tester, on a real API server: the agent in the container, the node's part played by the test."""

from __future__ import annotations

import pytest

from ..situations.shop import Shop
from .conftest import EXECUTABLE, TYPE, Peer, options

pytestmark = [pytest.mark.contract, pytest.mark.lab]


def resource(peer: Peer, cib: str, shop: Shop, deployment: str) -> None:
    made = peer.run("pcs", "-f", cib, "resource", "create", "app", TYPE, *options(shop, deployment))
    assert made == (0, "")


def running(shop: Shop) -> list[str]:
    """The workloads whose pods' processes live."""
    return sorted(name.rsplit("-", 2)[0] for name in shop.node.alive())


def test_crm_resource_starts_checks_and_stops_it(peer: Peer, cib: str, shop: Shop) -> None:
    """With the environment that Pacemaker makes; several workloads as one."""
    names = ["db", "web"]
    for name in names:
        shop.add(name)
    resource(peer, cib, shop, "db web")

    def force(action: str) -> int:
        return peer.run("crm_resource", "--resource", "app", f"--force-{action}", CIB_file=cib)[0]
    assert [force("check"), force("start"), running(shop)] == [7, 0, names]
    assert [force("check"), force("stop"), running(shop)] == [0, 0, []]
    assert force("check") == 7


@pytest.mark.parametrize("value,expected,words", [("db web", 0, "returned 0"),
                                                  ("BAD", 6, "must be the name of a Deployment")])
def test_crm_resource_validates_before_there_is_a_resource(peer: Peer, value: str, expected: int, words: str) -> None:
    code, said = peer.run("crm_resource", "--validate", "--class", "ocf", "--provider", "aos", "--agent",
                          "k8sdeployment", "--option", f"deployment={value}")
    assert code == expected and words in said


def test_crm_resource_validates_on_this_site(peer: Peer, cib: str, shop: Shop) -> None:
    """At level 10 with what stands on this site, by default with the parameters alone."""
    resource(peer, cib, shop, "app")

    def validate(**env: str) -> tuple[int, str]:
        return peer.run("crm_resource", "--resource", "app", "--validate", CIB_file=cib, **env)
    assert validate()[0] == 0
    code, said = validate(OCF_CHECK_LEVEL="10")
    assert code == 5 and "does not exist on this site" in said
    shop.add()
    assert validate(OCF_CHECK_LEVEL="10")[0] == 0


@pytest.mark.parametrize("name,guard", [("app", "required"), ("bare", "off")])
def test_ocf_tester_finds_no_fault(peer: Peer, shop: Shop, name: str, guard: str) -> None:
    shop.add(name)
    given = [word for option in options(shop, name, guard=guard) for word in ("-o", option)]
    code, said = peer.run("ocf-tester", "-v", "-n", name, *given, EXECUTABLE)
    assert code == 0 and "passed all tests" in said, said
