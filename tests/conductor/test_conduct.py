"""What keeps the CR from coming into force, before any program of Pacemaker's is asked."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import cast

import pytest

from k8sdeployment.conductor.cluster import Cluster
from k8sdeployment.conductor.conduct import Conduct
from k8sdeployment.pair.facts import Facts, canonical
from tests.pair.sample import pair, poisoned, quorate
from tests.pair.test_summary import view

EMPTY = ElementTree.fromstring("<cib><configuration><crm_config/></configuration></cib>")


@pytest.mark.parametrize("mine, theirs, heard", [("u-1", "u-1", True), ("u-1", "u-2", False), ("u-1", "", False),
                                                 ("", "u-1", False), ("", "", False)])
def test_a_poison_pill_comes_into_force_once_both_sites_would_hear_it(mine: str, theirs: str, heard: bool) -> None:
    """Before that Pacemaker would believe a message that nobody reads."""
    of = pair(**poisoned())
    told = [Facts("0.1.0", spec=canonical(of.spec), pill=name) for name in (mine, theirs)]
    done = Conduct(cast(Cluster, None)).conduct(of, "site-a", view(dc="site-b"), EMPTY, *told)
    assert ("do not both listen for a poison pill" in done.waits) is not heard
    assert heard == (done.waits == "site-b is about to configure the cluster")


@pytest.mark.parametrize("mine, theirs, guarded", [("watchdog", "watchdog", True), ("watchdog", "", False),
                                                   ("", "watchdog", False), ("u-1", "u-1", False)])
def test_nobody_is_waited_for_before_both_sites_are_guarded(mine: str, theirs: str, guarded: bool) -> None:
    of = pair(**quorate())
    told = [Facts("0.1.0", spec=canonical(of.spec), pill=name) for name in (mine, theirs)]
    done = Conduct(cast(Cluster, None)).conduct(of, "site-a", view(dc="site-b"), EMPTY, *told)
    assert ("do not both say that a watchdog guards them" in done.waits) is not guarded


def test_a_watchdog_is_no_disk() -> None:
    """A pair that goes from the one to the other is not there before both peers are renewed."""
    of = pair(**poisoned())
    told = [Facts("0.1.0", spec=canonical(of.spec), pill="watchdog") for _ in range(2)]
    done = Conduct(cast(Cluster, None)).conduct(of, "site-a", view(dc="site-b"), EMPTY, *told)
    assert "do not both listen for a poison pill" in done.waits
