"""The agent in the hands of crmsh."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from k8sdeployment.agent.parameters import PARAMETERS

from .conftest import TYPE, Peer

pytestmark = [pytest.mark.contract, pytest.mark.lab]

# crmsh takes no operations from the metadata: they have to be named.
OPERATIONS = ("op monitor interval=10s timeout=20s op monitor interval=60s timeout=30s OCF_CHECK_LEVEL=10 "
              "op start interval=0s timeout=180s op stop interval=0s timeout=360s").split()


def configure(peer: Peer, cib: str, *words: str) -> tuple[int, str]:
    return peer.run("crm", "configure", *words, CIB_file=cib)


def test_crmsh_shows_all_of_it(peer: Peer) -> None:
    code, said = peer.run("crm", "ra", "info", TYPE)
    assert code == 0 and "ERROR" not in said
    for parameter in PARAMETERS:
        required = "*" if parameter.default is None else ""
        default = f", [{parameter.default}]" if parameter.default else ""
        assert f"\n{parameter.name}{required} ({parameter.content}{default}): {parameter.short}\n" in said
        assert parameter.long in said
    assert [line.split()[0] for line in said.splitlines() if " timeout=" in line] == ["start", "stop"] + ["monitor"] * 2


def test_crmsh_validates_with_it(peer: Peer) -> None:
    assert peer.run("crm", "ra", "validate", TYPE, "deployment=db web") == (0, "")
    code, said = peer.run("crm", "ra", "validate", TYPE, "deployment=BAD_")
    assert code == 1 and "deployment='BAD_' must be the name of a Deployment" in said


@pytest.mark.parametrize("workload", ["app", "db web"])
def test_crmsh_makes_a_resource_of_it(peer: Peer, cib: str, workload: str) -> None:
    code, said = configure(peer, cib, "primitive", "app", TYPE, "params", f"deployment={workload}", "guard=required",
                           *OPERATIONS)
    assert code == 0 and "ERROR" not in said
    made = ElementTree.parse(cib)
    assert [pair.get("value") for pair in made.findall(".//primitive/instance_attributes/nvpair")] == \
        [workload, "required"]
    levels = made.findall(".//op[@interval='60s']/instance_attributes/nvpair[@name='OCF_CHECK_LEVEL']")
    assert [level.get("value") for level in levels] == ["10"]
    assert peer.run("crm_verify", "--xml-file", cib, "--verbose") == (0, "")
    assert configure(peer, cib, "verify")[0] == 0


@pytest.mark.parametrize("options,words", [
    (["deployment=app", "replicas=3"], 'parameter "replicas" is not known'),
    (["namespace=x"], 'required parameter "deployment" not defined')])
def test_crmsh_refuses_what_is_wrong(peer: Peer, cib: str, options: list[str], words: str) -> None:
    code, said = configure(peer, cib, "primitive", "app", TYPE, "params", *options)
    assert code == 1 and words in said
