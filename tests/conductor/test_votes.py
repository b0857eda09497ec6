"""Whether a site's Corosync counts on an arbitrator that does not answer: its peer is not renewed then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import pytest

from k8sdeployment.conductor.cluster import Cluster, ClusterError

MODEL = "quorum.device.model (str) = net\n"
CONNECTED = "Qdevice information\nModel:                  Net\n\nState:                  Connected\n"
LOST = CONNECTED.replace("Connected", "Connect failed")


@pytest.mark.parametrize("model, state, unheard", [
    (MODEL, CONNECTED, False), (MODEL, LOST, True), (MODEL, None, True),
    # The CR may name an arbitrator already: the peers must be renewed for Corosync to know of it.
    (None, None, False),
])
def test_an_arbitrator_that_corosync_counts_on_must_answer(
        tmp_path: Path, model: Optional[str], state: Optional[str], unheard: bool) -> None:
    def run(argv: Sequence[str], seconds: float, given: Optional[str]) -> str:
        said = {"corosync-cmapctl": model, "corosync-qdevice-tool": state}[argv[0]]
        if said is None:
            raise ClusterError(f"{argv[0]} failed (1)")
        return said
    assert Cluster(tmp_path, run).unheard() is unheard
