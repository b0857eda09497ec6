"""The agent run by Pacemaker itself, in a cluster of one node: what pcs and crm_mon show of it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator

import pytest

from lab import waiting
from lab.engine import Engine
from lab.plane import Plane

from ..situations import faults, proxy
from ..situations.shop import Shop, template
from .conftest import EMPTY_CIB, TYPE, Peer, container, opened, options

pytestmark = [pytest.mark.contract, pytest.mark.lab]

COROSYNC = """\
totem {
    version: 2
    cluster_name: contract
    transport: knet
}
nodelist {
    node {
        name: site-a
        nodeid: 1
        ring0_addr: 127.0.0.1
    }
}
quorum {
    provider: corosync_votequorum
}
"""
SHORT_ELECTION = '<nvpair id="dc-deadtime" name="dc-deadtime" value="1s"/></cluster_property_set>'
UNGATED = {**template(""), "volumes": []}
OPERATIONS = "op monitor interval=1s timeout=5s monitor interval=2s timeout=5s role=Stopped stop timeout=5s".split()
SECONDS = 30.0
HISTORY = "node_history/node/resource_history[@id='app']/operation_history"
# Role alone says so while a start is still under way. pcs' own --wait looks every two seconds.
RUNNING = f"{HISTORY}[@interval='1000ms'][@rc='0']"


class Cluster(Peer):
    """A node on which Corosync and Pacemaker run."""

    def pcs(self, *words: str) -> str:
        code, said = self.run("pcs", *words)
        assert code == 0, said
        return said

    def state(self) -> ElementTree.Element:
        """What crm_mon shows now."""
        code, said = self.run("crm_mon", "--one-shot", "--inactive", "--output-as=xml")
        return ElementTree.fromstring(said) if code == 0 else ElementTree.Element("down")

    def until(self, path: str) -> ElementTree.Element:
        """Await that crm_mon shows such an element."""
        def found() -> ElementTree.Element | None:
            return next(iter(self.state().findall(path)), None)
        return _await(found, f"{path} in crm_mon", lambda: self.run("crm_mon", "-1rf")[1])


def _await(found: Callable[[], ElementTree.Element | None], what: str,
           why_not: Callable[[], str]) -> ElementTree.Element:
    box = waiting.until(lambda: [one] if (one := found()) is not None else None, what, SECONDS, why_not)
    return box[0]


@pytest.fixture(scope="session")
def cluster(peer: Peer, engine: Engine) -> Iterator[Cluster]:
    """With processes of its own: Pacemaker would take others on this machine for its own. It is coming up."""
    shared = peer.shared
    conf = peer.write("corosync.conf", COROSYNC)
    cib = peer.write("first.xml", EMPTY_CIB.replace("</cluster_property_set>", SHORT_ELECTION))
    begin = (f"cp {conf} /etc/corosync/ && cp {cib} /var/lib/pacemaker/cib/cib.xml && "
             "(corosync -f &) && exec timeout 900 /usr/libexec/aos/pacemaker")
    with container(engine, peer.release, shared, begin) as made:
        yield Cluster(made.container, made.release, shared)


@pytest.fixture(scope="session")
def resource(cluster: Cluster, peer: Peer, plane: Plane) -> Iterator[Shop]:
    """Two workloads as one resource `app`; it goes with the cluster. The first plane came up beside the cluster."""
    cluster.until("nodes/node[@online='true']")
    with opened(peer, plane) as shop:
        for name in ("db", "web"):
            shop.add(name, pod=UNGATED)
        cluster.pcs("resource", "create", "app", TYPE, *options(shop, "db web", guard="off"), *OPERATIONS)
        yield shop


@pytest.fixture
def app(cluster: Cluster, resource: Shop) -> Iterator[Shop]:
    """Started by Pacemaker, and nothing failed."""
    cluster.pcs("resource", "enable", "app")
    cluster.until(RUNNING)
    yield resource
    resource.proxy.fault = proxy.none
    cluster.pcs("resource", "cleanup", "app")


def pods(shop: Shop) -> list[str]:
    return sorted(pod["metadata"]["uid"] for name in ("db", "web") for pod in shop.pods(name))


def test_pacemaker_runs_it_and_does_not_mind_an_absent_api(cluster: Cluster, app: Shop) -> None:
    began = pods(app)
    assert len(began) == 2
    app.proxy.fault = faults.status("503 Service Unavailable")
    failure = cluster.until("failures/failure[@exitcode='190']")
    assert "the API has been away for" in (failure.get("exitreason") or "")
    app.proxy.fault = proxy.none
    cluster.pcs("resource", "refresh", "app")  # forgets everything and asks anew: it is adopted as it is
    cluster.until(RUNNING)
    assert not cluster.state().findall("failures/failure") and pods(app) == began


def test_pcs_debugs_it_while_the_cluster_keeps_its_hands_off(cluster: Cluster, app: Shop) -> None:
    def debug(action: str) -> str:
        said = cluster.run("pcs", "resource", f"debug-{action}", "app")[1]
        return said.partition(f" for app ({TYPE}) returned ")[2].split()[0]
    cluster.pcs("resource", "unmanage", "app")
    assert [debug("monitor"), debug("stop"), pods(app), debug("monitor")] == ["0", "0", [], "7"]
    assert [debug("start"), len(pods(app)), debug("monitor")] == ["0", 2, "0"]
    cluster.until(RUNNING)
    cluster.pcs("resource", "manage", "app")


def test_what_is_scaled_up_behind_its_back_is_stopped(cluster: Cluster, app: Shop) -> None:
    cluster.pcs("resource", "disable", "app")
    cluster.until(f"{HISTORY}[@interval='2000ms'][@rc='7']")
    assert pods(app) == []
    app.scale(1, "db")
    app.until(lambda: app.get("db")["spec"]["replicas"] == 0 and not pods(app), "Pacemaker's stop")


def test_a_stop_that_cannot_be_proven_is_blocked_with_its_reason(cluster: Cluster, app: Shop) -> None:
    """Fencing is off here."""
    app.proxy.fault = faults.status("503 Service Unavailable")
    cluster.pcs("resource", "disable", "app")
    failure = cluster.until("failures/failure[@task='stop']")
    assert failure.get("exitcode") == "1" and "is not proven stopped after" in (failure.get("exitreason") or "")
    assert cluster.until("resources/resource[@id='app']").get("blocked") == "true"
    app.proxy.fault = proxy.none
    cluster.pcs("resource", "cleanup", "app")  # it is stopped anew
    app.until(lambda: not pods(app), "the stop that can be proven")
