"""The agent in the hands of Pacemaker's, pcs's and the resource agents' own tools."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import pytest

from k8sdeployment.agent.metadata import xml
from k8sdeployment.agent.parameters import PARAMETERS

from ..agent.cluster import Cluster, kubeconfig, ready_pod
from ..agent.tls import Authority, serving
from .conftest import Peer

# "lab", because the image has to be built for them: minutes on a fresh machine.
pytestmark = [pytest.mark.contract, pytest.mark.lab]

TYPE = "ocf:aos:k8sdeployment"
EXECUTABLE = "/usr/lib/ocf/resource.d/aos/k8sdeployment"


def test_pacemaker_lists_it_and_takes_its_metadata(peer: Peer) -> None:
    assert peer.run("crm_resource", "--list-agents", "ocf:aos") == (0, "k8sdeployment\n")
    assert peer.run("crm_resource", "--show-metadata", TYPE) == (0, xml())


def test_it_validates_against_pcs_schema_and_ocf_testers_dtd(peer: Peer) -> None:
    """Where ocf-tester does it: the DTD lies beside."""
    path = peer.write("/tmp/metadata.xml", xml())
    code, said = peer.run("xmllint", "--noout", "--nonet", "--relaxng", "/usr/share/pcs/data/ocf-1.1.rng", path)
    assert code == 0, said
    directory = "/usr/share/resource-agents"
    assert peer.run("sh", "-c", f"cd {directory} && xmllint --noout --valid -", stdin=xml()) == (0, "")


def test_pcs_describes_it_without_a_complaint(peer: Peer) -> None:
    code, said = peer.run("pcs", "resource", "describe", TYPE, "--full")
    assert code == 0 and "Warning" not in said and "Error" not in said
    for parameter in PARAMETERS:
        assert re.search(rf"^  {parameter.name}( \(.*\))*: ", said, re.MULTILINE), parameter.name


def test_pcs_makes_two_monitors_of_it(peer: Peer, cib: str) -> None:
    assert peer.run("pcs", "-f", cib, "resource", "create", "app", TYPE, "deployment=app") == (0, "")
    operations = ElementTree.fromstring(peer.run("cat", cib)[1]).findall(".//primitive[@id='app']/operations/op")
    found = {(op.get("name"), op.get("interval"), op.get("timeout"),
              *(pair.get("value") for pair in op.findall("instance_attributes/nvpair[@name='OCF_CHECK_LEVEL']")))
             for op in operations}
    assert found == {("start", "0s", "180s"), ("stop", "0s", "360s"), ("monitor", "10s", "20s"),
                     ("monitor", "60s", "30s", "10")}
    assert peer.run("crm_verify", "--xml-file", cib, "--verbose") == (0, "")


@pytest.mark.parametrize("options,words", [
    (["deployment=x", "replicas=3"], "invalid resource option 'replicas'"),
    ([], "required resource option 'deployment' is missing"),
    (["deployment=BAD_", "--agent-validation"], "deployment='BAD_' must be the name of one Deployment"),
    (["deployment=x", "replica_min=2", "--agent-validation"], "replica_min=2 must be less than replica_max=1")])
def test_pcs_refuses_what_is_wrong(peer: Peer, cib: str, options: list[str], words: str) -> None:
    code, said = peer.run("pcs", "-f", cib, "resource", "create", "app", TYPE, *options)
    assert code == 1 and words in said


def test_pcs_refuses_a_second_resource_for_the_same_workload(peer: Peer, cib: str) -> None:
    def create(name: str, *options: str) -> int:
        return peer.run("pcs", "-f", cib, "resource", "create", name, TYPE, "deployment=app", *options)[0]
    assert [create("one"), create("two"), create("three", "namespace=other")] == [0, 1, 0]


def test_pacemaker_validates_with_it(peer: Peer) -> None:
    def validate(value: str) -> tuple[int, str]:
        return peer.run("crm_resource", "--validate", "--class", "ocf", "--provider", "aos", "--agent",
                        "k8sdeployment", "--option", f"deployment={value}")
    assert validate("app")[0] == 0
    code, said = validate("BAD")
    assert code == 6 and "must be the name of one Deployment" in said


@pytest.fixture
def served(peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A kubeconfig of an API, served by the test, with a workload that has no gate."""
    authority = Authority(tmp_path_factory.mktemp("pki"))
    cluster = Cluster({"containers": [{"name": "app"}]})

    def scaled(replicas: int) -> None:
        pods = {name: ready_pod(name, cluster.spec) for name in ["app-x"][:replicas]}
        cluster.change(available=replicas, pods=pods)

    cluster.on_scale = scaled
    ca = peer.write("/tmp/ca.crt", authority.ca.read_text())
    with serving(authority, cluster.serve) as server:
        yield peer.write("/tmp/kubeconfig", kubeconfig(ca, server.port))
        cluster.change(closing=True)


def test_crm_resource_starts_checks_and_stops_it(peer: Peer, cib: str, served: str) -> None:
    """By hand, as an operator would, with the environment that Pacemaker makes."""
    assert peer.run("pcs", "-f", cib, "resource", "create", "app", TYPE, "deployment=app", "guard=off",
                    f"kubeconfig={served}")[0] == 0

    def force(action: str) -> int:
        return peer.run("crm_resource", "--resource", "app", f"--force-{action}", CIB_file=cib)[0]
    assert [force(action) for action in ("check", "start", "check", "stop", "check")] == [7, 0, 0, 0, 7]


def test_ocf_tester_finds_no_fault(peer: Peer, served: str) -> None:
    code, said = peer.run("ocf-tester", "-v", "-n", "app", "-o", "deployment=app", "-o", "guard=off", "-o",
                          f"kubeconfig={served}", EXECUTABLE)
    assert code == 0 and "passed all tests" in said, said
