"""The agent in the hands of pcs: every word of an operator's is understood, or refused with a sentence."""

from __future__ import annotations

import re
import shlex
import xml.etree.ElementTree as ElementTree

import pytest

from k8sdeployment.agent.parameters import PARAMETERS

from .conftest import TYPE, Peer

pytestmark = [pytest.mark.contract, pytest.mark.lab]


def create(peer: Peer, cib: str, name: str, *options: str) -> tuple[int, str]:
    return peer.run("pcs", "-f", cib, "resource", "create", name, TYPE, *options)


def primitive(cib: str, name: str = "app") -> ElementTree.Element:
    found = ElementTree.parse(cib).find(f".//primitive[@id='{name}']")
    assert found is not None
    return found


def canonical(element: ElementTree.Element) -> str:
    return ElementTree.canonicalize(ElementTree.tostring(element, encoding="unicode"), strip_text=True)


def parameters(cib: str) -> dict[str | None, str | None]:
    pairs = primitive(cib).findall("instance_attributes/nvpair")
    return {pair.get("name"): pair.get("value") for pair in pairs}


def test_pcs_describes_it_without_a_complaint(peer: Peer) -> None:
    code, said = peer.run("pcs", "resource", "describe", TYPE, "--full")
    assert code == 0 and "Warning" not in said and "Error" not in said
    for parameter in PARAMETERS:
        assert re.search(rf"^  {parameter.name}( \(.*\))*(: |$)", said, re.MULTILINE), parameter.name
        assert parameter.long in said


def test_pcs_makes_two_monitors_of_it(peer: Peer, cib: str) -> None:
    assert create(peer, cib, "app", "deployment=app") == (0, "")
    found = {(op.get("name"), op.get("interval"), op.get("timeout"),
              *(pair.get("value") for pair in op.findall("instance_attributes/nvpair[@name='OCF_CHECK_LEVEL']")))
             for op in primitive(cib).findall("operations/op")}
    assert found == {("start", "0s", "180s"), ("stop", "0s", "360s"), ("monitor", "10s", "20s"),
                     ("monitor", "60s", "30s", "10")}
    assert peer.run("crm_verify", "--xml-file", cib, "--verbose") == (0, "")


REFUSED = [
    (["deployment=x", "replicas=3"], "invalid resource option 'replicas'"),
    ([], "required resource option 'deployment' is missing"),
    (["deployment=db BAD_", "--agent-validation"], "deployment='db BAD_' must be the name of a Deployment"),
    (["deployment=x", "replica_min=2", "--agent-validation"], "replica_min=2 must be less than replica_max=1"),
]


@pytest.mark.parametrize("options,words", REFUSED)
def test_pcs_refuses_what_is_wrong(peer: Peer, cib: str, options: list[str], words: str) -> None:
    code, said = create(peer, cib, "app", *options)
    assert code == 1 and words in said


def test_pcs_updates_it_and_refuses_a_wrong_update(peer: Peer, cib: str) -> None:
    def update(*options: str) -> tuple[int, str]:
        return peer.run("pcs", "-f", cib, "resource", "update", "app", *options)

    assert create(peer, cib, "app", "deployment=app")[0] == 0
    assert update("replica_max=3", "guard=required", "--agent-validation") == (0, "")
    assert parameters(cib) == {"deployment": "app", "replica_max": "3", "guard": "required"}
    code, said = update("replica_min=3", "--agent-validation")
    assert code == 1 and "replica_min=3 must be less than replica_max=3" in said
    assert "replica_min" not in parameters(cib)


def test_pcs_takes_several_workloads_and_gives_them_back(peer: Peer, cib: str) -> None:
    """The command that pcs prints of a resource makes the same resource."""
    assert create(peer, cib, "app", "deployment=db web", "--agent-validation") == (0, "")
    assert parameters(cib) == {"deployment": "db web"}
    before = primitive(cib)
    code, said = peer.run("pcs", "-f", cib, "resource", "config", "app", "--output-format=cmd")
    assert code == 0 and "'deployment=db web'" in said
    assert peer.run("pcs", "-f", cib, "resource", "delete", "app")[0] == 0
    assert peer.run("pcs", "-f", cib, *shlex.split(said.replace("\\\n", ""))[1:])[0] == 0
    assert canonical(primitive(cib)) == canonical(before)


def test_pcs_refuses_a_second_resource_for_the_same_workload(peer: Peer, cib: str) -> None:
    made = [create(peer, cib, name, "deployment=app", *more)[0]
            for name, more in (("one", ()), ("two", ()), ("three", ("namespace=other",)))]
    assert made == [0, 1, 0]
