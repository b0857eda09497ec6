"""Alerts are read as they come, cut lines are passed over, and no file grows for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k8sdeployment.conductor import alerts as module
from k8sdeployment.conductor.alerts import Alerts


def line(when: float, kind: str = "node", node: str = "site-a", **more: str) -> str:
    return json.dumps({"kind": kind, "time": f"{when:.6f}", "node": node, **more}) + "\n"


@pytest.fixture
def alerts(tmp_path: Path) -> Alerts:
    return Alerts(tmp_path / "alerts.jsonl", tmp_path / "pacemaker.log")


def test_nothing_yet(alerts: Alerts) -> None:
    assert not alerts.changed() and alerts.read() == []


def test_each_alert_is_noticed_once(alerts: Alerts, tmp_path: Path) -> None:
    file = tmp_path / "alerts.jsonl"
    file.write_text(line(1.0))
    assert alerts.changed() and [one.when for one in alerts.read()] == [1.0]
    assert not alerts.changed()
    with file.open("a") as out:
        out.write(line(2.0) + '{"kind": "no')
    assert alerts.changed() and [one.when for one in alerts.read()] == [1.0, 2.0]


def test_a_separator_of_unicode_ends_no_line(alerts: Alerts, tmp_path: Path) -> None:
    said = json.dumps({"kind": "node", "time": "1.0", "desc": "a\u2028b"}, ensure_ascii=False)
    (tmp_path / "alerts.jsonl").write_text(said + "\n", encoding="utf-8")
    assert [one.desc for one in alerts.read()] == ["a\u2028b"]


def test_a_long_file_is_put_aside_and_still_read(
        alerts: Alerts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 100)
    file = tmp_path / "alerts.jsonl"
    file.write_text(line(1.0) * 3)
    assert len(alerts.read()) == 3 and not file.exists()
    file.write_text(line(2.0))
    assert [one.when for one in alerts.read()] == [1.0, 1.0, 1.0, 2.0]


def test_the_device_that_fenced_is_told_by_the_log_at_that_time(alerts: Alerts, tmp_path: Path) -> None:
    file, log = tmp_path / "alerts.jsonl", tmp_path / "pacemaker.log"
    log.write_text("Nov 27 pacemaker-fenced [7] (log_async_result) notice: Operation 'reboot' [9] targeting site-a "
                   "using fence-site-a-1 returned 1\nNov 27 pacemaker-fenced [7] (log_async_result) notice: Operation "
                   "'reboot' [10] targeting site-a using fence-site-a-2 returned 0\nNov 27 pacemaker-fenced [7] "
                   "(log_async_result) notice: Operation 'off' [11] targeting site-a using gone-site-a-2 returned 0\n")
    file.write_text(line(3.0, "fencing", rc="0", task="reboot"))
    alerts.read()
    assert alerts.devices() == {3.0: "fence-site-a-2"}
    log.write_text("targeting site-a using fence-site-a-1 returned 0\n")
    assert alerts.devices() == {3.0: "fence-site-a-2"}, "what was true then stays"


def test_without_a_log_the_device_is_unknown(alerts: Alerts, tmp_path: Path) -> None:
    (tmp_path / "alerts.jsonl").write_text(line(3.0, "fencing", rc="0", task="off"))
    alerts.read()
    assert alerts.devices() == {3.0: ""}
