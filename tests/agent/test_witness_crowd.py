"""The witness on a full host says the same as on an empty one. What it costs there: bench/witness.py."""

from __future__ import annotations

from bench.witness import FREE, HELD, host
from k8sdeployment.agent.ground import stand
from k8sdeployment.agent.witness import Sight

from .kernel import needs_host


@needs_host
def test_a_few_holders_among_hundreds_of_processes_are_all_found() -> None:
    with host(processes=300, namespaces=30, mounts=5, holders=3) as (directory, holders):
        assert len(holders) == 30
        said = Sight(stand(str(directory)), {HELD: (), FREE: ()}).holders()
    assert (set(said[HELD]), said[FREE]) == (holders, [])
