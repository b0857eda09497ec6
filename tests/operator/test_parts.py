"""The operator's decisions without an API."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, cast

import pytest

from k8sdeployment.operator.api import Api
from k8sdeployment.operator.images import pulled
from k8sdeployment.operator.look import current
from k8sdeployment.operator.removal import ran
from k8sdeployment.operator.rights import Rights, widened
from k8sdeployment.operator.waits import peer

Object = dict[str, Any]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def scaling(*names: str) -> Object:
    return {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"], "resourceNames": [*names]}


def role(*rules: Object) -> Object:
    return {"rules": [*rules]}


READ = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}


@pytest.mark.parametrize("wanted,there,made", [
    (role(READ, scaling("a")), None, role(READ, scaling("a"))),
    (role(READ, scaling("b")), role(READ, scaling("a")), role(READ, scaling("a", "b"))),
    (role(READ), role(READ, scaling("a")), role(READ, scaling("a"))),
    (role(READ, scaling("a")), role(READ), role(READ, scaling("a"))),
    (role({**READ, "verbs": ["get"]}), role(READ), role({**READ, "verbs": ["get"]}, READ)),
])
def test_a_role_grows_to_what_both_allow(wanted: Object, there: Object, made: Object) -> None:
    assert widened(wanted, there) == made
    assert widened(made, there) == made


def agreed(generation: int, status: str = "True", observed: int = 1) -> Object:
    return {"metadata": {"generation": generation}, "status": {"conditions": [
        {"type": "PeerInSync", "status": status, "observedGeneration": observed}]}}


def test_rights_shrink_only_when_the_newest_text_was_both_sites_for_long() -> None:
    now = [0.0]
    rights = Rights(cast(Api, None), 100, lambda: now[0])
    answers = []
    for seconds, document in ((0, agreed(1)), (99, agreed(1)), (1, agreed(1)), (1, agreed(1, "False")),
                              (99, agreed(1)), (99, agreed(1)), (1, agreed(1)), (1, agreed(2)), (200, agreed(2)),
                              (1, agreed(2, observed=2)), (100, agreed(2, observed=2)),
                              (1, {"metadata": {"generation": 2}})):
        now[0] += seconds
        answers.append(rights.settled(document))
    assert answers == [False, False, True, False, False, False, True, False, False, False, True, False]


STARTED = {"running": {"startedAt": "x"}}


def pod(**status: Any) -> Object:
    return {"metadata": {"name": "peer-0"}, "status": status}


@pytest.mark.parametrize("there,answer", [
    (None, False), (pod(), False),
    (pod(initContainerStatuses=[{"name": "settle", "state": STARTED}]), False),
    (pod(containerStatuses=[{"name": "pacemaker", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]), False),
    (pod(initContainerStatuses=[{"name": "corosync", "state": STARTED}]), True),
    (pod(containerStatuses=[{"name": "pacemaker", "state": STARTED}]), True),
    (pod(containerStatuses=[{"name": "pacemaker", "state": {"terminated": {}}}]), True),
    (pod(containerStatuses=[{"name": "pacemaker", "state": {"waiting": {}}, "lastState": {"terminated": {}}}]), True),
])
def test_a_peer_ran_when_one_of_its_daemons_did(there: Object, answer: bool) -> None:
    assert ran(there) is answer


@pytest.mark.parametrize("state,answer", [({"waiting": {}}, False), ({"terminated": {}}, True), (STARTED, True)])
def test_an_image_is_there_once_its_container_began(state: Object, answer: bool) -> None:
    assert pulled(pod(containerStatuses=[{"name": "image", "state": state}])) is answer
    assert not pulled(pod())


def said(seconds: int = 0, **changed: Any) -> Object:
    """A status that was written so many seconds ago."""
    one = {"name": "web", "ready": True, "checked": (NOW - timedelta(seconds=seconds)).isoformat()}
    return {"observedGeneration": 1, "waitingFor": "", "local": [one], "workloads": ["the conductor's"], **changed}


@pytest.mark.parametrize("there,answer", [
    (said(), True), (said(59), True), (said(60), False), ({}, False), (said(waitingFor="x"), False),
    (said(observedGeneration=0), False), (said(local=[]), False)])
def test_a_status_is_written_when_it_changed_or_grew_old(there: Object, answer: bool) -> None:
    assert current(there, said(), NOW) is answer


@pytest.mark.parametrize("there,words", [
    ([], "the peer's pod peer-0 does not exist yet"),
    ([{"metadata": {"name": "peer-0", "deletionTimestamp": "x"}}], "the peer's pod peer-0 is ending"),
    ([pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "full"}])],
     "the peer is not ready: pod peer-0: Unschedulable (full)"),
    ([pod(containerStatuses=[{"state": {"waiting": {"reason": "ErrImagePull", "message": "no such"}}}])],
     "the peer is not ready: pod peer-0: ErrImagePull (no such)"),
    ([pod()], "the peer is not ready: pod peer-0 is not ready"),
    ([pod(initContainerStatuses=[{"name": "settle", "ready": True}, {"name": "corosync"}],
          containerStatuses=[{"name": "pcsd"}])], "the peer is not ready: waiting for corosync"),
    ([pod(containerStatuses=[{"name": "pacemaker"}, {"name": "pcsd", "ready": True}, {"name": "conductor"}])],
     "the peer is not ready: waiting for pacemaker, conductor"),
])
def test_why_the_peer_is_not_ready(there: list[Object], words: str) -> None:
    assert list(peer(there)) == [words]
    assert not list(peer([pod(conditions=[{"type": "Ready", "status": "True"}])]))
