"""What the readers of OCF metadata make of the agent's."""

from __future__ import annotations

import pytest

from k8sdeployment.agent.metadata import xml

from .conftest import TYPE, Peer

# "lab", because the image has to be built for them: a minute on a fresh machine.
pytestmark = [pytest.mark.contract, pytest.mark.lab]

SCHEMAS = ("/usr/share/pcs/data/ocf-1.1.rng", "/usr/share/pacemaker/api/ocf-ra-1.1.rng")


def test_pacemaker_lists_it_and_takes_its_metadata(peer: Peer) -> None:
    assert peer.run("crm_resource", "--list-agents", "ocf:aos") == (0, "k8sdeployment\n")
    assert peer.run("crm_resource", "--show-metadata", TYPE) == (0, xml())


@pytest.mark.parametrize("schema", SCHEMAS)
def test_it_is_valid_by_the_schemas_of_pcs_and_pacemaker(peer: Peer, schema: str) -> None:
    if peer.run("test", "-e", schema)[0]:
        assert (peer.release, schema) == ("bookworm", SCHEMAS[1])  # Pacemaker 2.1.5 has none yet
        return
    code, said = peer.run("xmllint", "--noout", "--nonet", "--relaxng", schema, peer.write("metadata.xml", xml()))
    assert code == 0, said


def test_it_is_valid_by_ocf_testers_dtd(peer: Peer) -> None:
    """Where ocf-tester does it: the DTD lies beside."""
    directory = "/usr/share/resource-agents"
    assert peer.run("sh", "-c", f"cd {directory} && xmllint --noout --valid -", stdin=xml()) == (0, "")
