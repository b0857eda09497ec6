"""What the API is asked for several workloads, and what its book-keeping says of who wrote last."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from k8sdeployment.agent.codes import NotFound, Unreachable
from k8sdeployment.agent.deadline import Deadline
from k8sdeployment.agent.scene import Scene
from k8sdeployment.agent.survey import Lists, writer

SOON = Deadline(60.0)


class Asked:
    """An API that counts what it is asked; `silent` makes it fail."""

    def __init__(self, *names: str) -> None:
        self.names, self.silent, self.count = names, False, 0

    def _answer(self) -> None:
        self.count += 1
        if self.silent:
            raise Unreachable(f"silent at question {self.count}")

    def workloads(self, deadline: Deadline) -> list[dict[str, Any]]:
        self._answer()
        return [{"metadata": {"name": name}} for name in self.names]

    def workload(self, deadline: Deadline) -> dict[str, Any]:
        self._answer()
        raise NotFound("no such workload")


def scene(api: Asked, name: str) -> Scene:
    return cast(Scene, SimpleNamespace(api=api, settings=SimpleNamespace(deployment=name, kind="Deployment")))


def test_several_workloads_are_asked_for_once() -> None:
    api, lists = Asked("db", "web"), Lists(several=True)
    found = [lists.workload(scene(api, name), SOON) for name in ("db", "web", "gone")]
    assert found == [{"metadata": {"name": "db"}}, {"metadata": {"name": "web"}}, {}] and api.count == 1


def test_a_single_missing_workload_is_none() -> None:
    assert Lists().workload(scene(Asked(), "db"), SOON) == {}


def test_a_silent_api_is_asked_once_for_all_until_somebody_asks_anew() -> None:
    """A hundred workloads must not wait a hundred times for a server that does not answer."""
    api, lists = Asked("db"), Lists(several=True)
    api.silent = True
    for name in ("db", "web"):
        with pytest.raises(Unreachable, match="question 1"):
            lists.workload(scene(api, name), SOON)
    lists.again()
    api.silent = False
    assert lists.workload(scene(api, "db"), SOON) and api.count == 2


def entry(manager: str, time: str, *fields: str) -> dict[str, Any]:
    return {"manager": manager, "time": time, "fieldsV1": {"f:spec": {f"f:{name}": {} for name in fields}}}


@pytest.mark.parametrize("entries,who", [
    ([entry("helm", "2026-01-01T00:00:00Z", "replicas", "template")], "helm"),
    ([entry("ocf-k8sdeployment", "2026-01-01T00:00:00Z", "replicas"),
      entry("kubectl-scale", "2026-01-01T00:00:01Z", "replicas"), entry("argocd", "2026-01-02T00:00:00Z", "paused")],
     "kubectl-scale"),
    ([entry("argocd", "2026-01-01T00:00:00Z", "paused")], ""),
    ([{"manager": "odd"}], ""), ([], "")])
def test_who_wrote_the_replica_count_last(entries: list[dict[str, Any]], who: str) -> None:
    assert writer({"metadata": {"managedFields": entries}}) == who


def test_without_book_keeping_nobody_is_named() -> None:
    assert writer({"metadata": {"name": "app"}}) == "" and writer({}) == ""
