"""The alert rules speak of metrics that are there, and each has its runbook."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from k8sdeployment.conductor.metrics import METRICS
from k8sdeployment.pair.alerting import ALARMS, RUNBOOK, Alarm, groups
from k8sdeployment.pair.report import CONDITIONS

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAMES = [alarm.name for alarm in ALARMS]


@pytest.mark.parametrize("alarm", ALARMS, ids=NAMES)
def test_it_asks_for_metrics_that_the_conductor_serves(alarm: Alarm) -> None:
    assert set(re.findall(r"snopair_\w+", alarm.expression)) <= set(METRICS)
    assert set(re.findall(r'type="(\w+)"', alarm.expression)) <= set(CONDITIONS)


@pytest.mark.parametrize("alarm", ALARMS, ids=NAMES)
def test_it_has_a_runbook_with_something_to_do(alarm: Alarm) -> None:
    assert f"### {alarm.name}\n" in (DOCS / "monitoring.md").read_text(encoding="utf-8") and alarm.todo


def test_every_condition_that_can_be_bad_wakes_somebody() -> None:
    assert {name for name in CONDITIONS if any(f'"{name}"' in alarm.expression for alarm in ALARMS)} == set(CONDITIONS)


def test_the_rules_lead_to_the_runbooks() -> None:
    for rule in groups()["groups"][0]["rules"]:
        assert rule["annotations"]["runbook_url"] == f"{RUNBOOK}#{rule['alert'].lower()}"
