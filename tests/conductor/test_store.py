"""What is kept on disk is whole or not there, and a damaged file is as good as none."""

from __future__ import annotations

import json
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from k8sdeployment.conductor.store import Store
from k8sdeployment.pair.recovery import MOST
from k8sdeployment.pair.report import Recovery, Status
from tests.pair.sample import document

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, tmp_path / "status.json")


def recovery(minute: int) -> Recovery:
    return Recovery(workload="web", origin="site-a", target="site-b", detected=NOW + timedelta(minutes=minute),
                    fenced_by="fence-site-a-1", available_seconds=4.5)


def test_nothing_at_first(store: Store) -> None:
    assert store.pair() is None and store.recoveries() == ()


def test_the_cr_is_kept_without_status_and_managed_fields(store: Store, tmp_path: Path) -> None:
    whole = document()
    whole["metadata"] |= {"uid": "u", "generation": 3, "managedFields": [{}], "resourceVersion": "7"}
    store.keep_pair({**whole, "status": {"site": "site-a"}})
    assert store.pair() == {**document(), "metadata": {**document()["metadata"], "uid": "u", "generation": 3}}
    assert stat.S_IMODE((tmp_path / "pair.json").stat().st_mode) == 0o600


def test_what_did_not_change_is_not_written_again(store: Store, tmp_path: Path) -> None:
    store.keep_pair(document())
    before = (tmp_path / "pair.json").stat().st_ino
    store.keep_pair({**document(), "status": {"site": "site-b"}})
    assert (tmp_path / "pair.json").stat().st_ino == before


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "\udcff"])
def test_damaged_files_are_none(store: Store, tmp_path: Path, text: str) -> None:
    for name in ("pair.json", "recoveries.json"):
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert store.pair() is None and store.recoveries() == ()


def test_a_device_once_known_is_not_forgotten(store: Store) -> None:
    known = recovery(0).model_copy(update={"fenced_by": "fence-site-a-1"})
    store.keep_recoveries([known])
    assert store.keep_recoveries([recovery(0).model_copy(update={"fenced_by": ""})]) == (known,)


def test_recoveries_outlive_the_alerts_they_came_from(store: Store) -> None:
    assert store.keep_recoveries([recovery(0)]) == (recovery(0),)
    assert store.keep_recoveries([recovery(1)]) == (recovery(1), recovery(0))
    assert store.keep_recoveries([]) == (recovery(1), recovery(0))
    assert len(store.keep_recoveries(recovery(minute) for minute in range(2, 60))) == MOST


def test_a_recovery_that_is_told_better_replaces_the_first_telling(store: Store) -> None:
    store.keep_recoveries([recovery(0).model_copy(update={"fenced_by": ""})])
    assert store.keep_recoveries([recovery(0)]) == (recovery(0),)


def test_the_view_can_be_read_by_everybody_on_the_site(store: Store, tmp_path: Path) -> None:
    store.show(Status(site="site-a", written=NOW, protection="on"))
    file = tmp_path / "status.json"
    assert json.loads(file.read_text())["protection"] == "on" and stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_full_disk_loses_the_news_and_not_what_was_there(tmp_path: Path) -> None:
    store = Store(tmp_path, Path("/dev/full/status.json"))
    with pytest.raises(OSError):
        store.show(Status())
