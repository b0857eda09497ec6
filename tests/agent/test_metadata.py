"""The metadata: a golden file shows each change of it in review. What its readers say to it: tests/contract."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from k8sdeployment.agent import codes
from k8sdeployment.agent.metadata import ACTIONS, escape, xml
from k8sdeployment.agent.parameters import API_GRACE_FLOOR, PARAMETERS, seconds

GOLDEN = Path(__file__).parent / "golden" / "metadata.xml"
CONTENT_TYPES = ("string", "integer", "boolean")  # OCF 1.1 has more, OCF 1.0 readers do not


def tree() -> ElementTree.Element:
    return ElementTree.fromstring(xml())


def test_it_is_the_golden_text() -> None:
    """Regenerate with AOS_GOLDEN=write when a change is meant."""
    if os.environ.get("AOS_GOLDEN") == "write":
        GOLDEN.write_text(xml())
    assert xml() == GOLDEN.read_text()


def test_every_parameter_is_there_in_order() -> None:
    found = tree().findall("parameters/parameter")
    assert [parameter.get("name") for parameter in found] == [parameter.name for parameter in PARAMETERS]
    for element, declared in zip(found, PARAMETERS):
        content = element.find("content")
        assert content is not None and content.get("type") in CONTENT_TYPES
        assert (content.get("default") or "") == (declared.default or "")
        assert element.get("required") == ("1" if declared.default is None else "0")
        assert [child.tag for child in element] == ["longdesc", "shortdesc", "content"]


def test_what_names_the_workload_is_unique_together() -> None:
    """pcs warns when two resources scale the same workload."""
    grouped = [element.get("name") for element in tree().findall("parameters/parameter[@unique-group='workload']")]
    assert grouped == ["deployment", "namespace", "kind"]


def test_every_default_passes_its_own_check() -> None:
    for parameter in PARAMETERS:
        if parameter.default is not None:
            parameter.check(parameter.default)


def test_the_actions() -> None:
    names = [(element.get("name"), element.get("depth")) for element in tree().findall("actions/action")]
    assert names == [("start", None), ("stop", None), ("monitor", "0"), ("monitor", "10"), ("validate-all", None),
                     ("meta-data", None)]
    assert {name for name, _ in names} | {codes.PROBE, codes.PASSIVE} == set(codes.ALLOWED)


def test_intervals_of_the_two_monitors_differ() -> None:
    """Pacemaker refuses two operations of one name and interval."""
    intervals = [element.get("interval") for element in tree().findall("actions/action[@name='monitor']")]
    assert None not in intervals and len(set(intervals)) == 2


def test_a_stop_has_more_time_than_the_api_may_be_away_and_a_pod_takes() -> None:
    grace = next(seconds(parameter.default or "") for parameter in PARAMETERS if parameter.name == "api_grace")
    stop = next(seconds(timeout) for name, timeout, _, _ in ACTIONS if name == "stop")
    assert API_GRACE_FLOOR <= grace and stop > grace + 30


def test_versions() -> None:
    root = tree()
    assert root.findtext("version") in ("1.0", "1.1")
    assert re.fullmatch(r"\d+\.\d+\.\d+", root.get("version") or "")


def test_text_is_escaped() -> None:
    assert ElementTree.fromstring(f'<a b="{escape("<&>" + chr(34))}">{escape("<&>")}</a>').attrib == {"b": '<&>"'}
