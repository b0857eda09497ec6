"""What the fencer knows beside the configuration is taken from it; seen live in tests/lab/test_confirm.py."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import pytest

from k8sdeployment.conductor.cluster import Cluster, ClusterError

# As stonith_admin of Pacemaker 2.1.5 prints it.
LISTED = """<pacemaker-result api-version="2.25" request="stonith_admin --list-registered --output-as=xml">
  <list name="registered fence devices" count="{count}">
{items}
  </list>
  <status code="0" message="OK"/>
</pacemaker-result>
"""


def cib(*devices: str) -> str:
    found = "".join(f'<primitive id="{name}" class="stonith" type="fence_ipmilan"/>' for name in devices)
    return f"<cib><configuration><resources>{found}</resources></configuration><status/></cib>"


class Fencer:
    def __init__(self, registered: Sequence[str], configured: Sequence[str]) -> None:
        self.calls: list[tuple[str, ...]] = []
        self._registered, self._configured = registered, configured

    def __call__(self, argv: Sequence[str], seconds: float, text: Optional[str] = None) -> str:
        if argv[0] == "cibadmin":
            return cib(*self._configured)
        if "--list-registered" in argv:
            items = "".join(f'<item name="device">{name}</item>' for name in self._registered)
            return LISTED.format(count=len(self._registered), items=items)
        self.calls.append(tuple(argv))
        return ""


@pytest.mark.parametrize("registered, before, now, gone", [
    (["fence-b-1"], ["fence-b-1"], ["fence-b-1"], []),
    (["fence-b-1", "confirm-b"], ["confirm-b"], ["confirm-b"], ["fence-b-1"]),
    (["fence-b-1", "fence-b-2"], ["fence-b-1"], ["fence-b-1", "fence-b-2"], []),
    (["fence-b-1", "gone-b-1", "confirm-b"], ["confirm-b"], ["confirm-b"], ["fence-b-1", "gone-b-1"]),
    (["fence-b-1", "gone-b-1"], ["fence-b-1", "gone-b-1"], ["fence-b-1", "gone-b-1"], []),
    (["watchdog"], [], [], []),
    ([], ["fence-b-1"], ["fence-b-1"], [])])
def test_devices_that_left_the_configuration_are_forgotten(
        tmp_path: Path, registered: list[str], before: list[str], now: list[str], gone: list[str]) -> None:
    fencer = Fencer(registered, now)
    assert Cluster(tmp_path, fencer).disarm(ElementTree.fromstring(cib(*before))) == gone
    assert fencer.calls == [("stonith_admin", "--deregister", name) for name in gone]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="stonith_admin wrote no XML"):
        Cluster(tmp_path, lambda *call: "no").disarm(ElementTree.fromstring(cib()))
