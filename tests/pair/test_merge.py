"""The merge of the wanted CIB into the running one. golden/wanted.xml is what pcs made of the sample pair."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from k8sdeployment.pair.cib import APPLIED, Element, overcome, property_value, record
from k8sdeployment.pair.foreign import foreign
from k8sdeployment.pair.merge import bare, merge

GOLDEN = Path(__file__).with_name("golden") / "wanted.xml"
DIGEST = "0123456789abcdef"
LEVEL = "configuration/fencing-topology/fencing-level[@target='site-a']"


def wanted() -> Element:
    return ElementTree.parse(GOLDEN).getroot()


def fresh() -> Element:
    """A running cluster of two sites that nobody configured; Corosync's stack wrote its own properties."""
    empty = bare(wanted())
    config = empty.find("configuration/crm_config")
    assert config is not None
    own = ElementTree.SubElement(config, "cluster_property_set", {"id": "cib-bootstrap-options"})
    ElementTree.SubElement(own, "nvpair", {"id": "o-dc", "name": "dc-version", "value": "2.1.5"})
    return empty


def configured() -> Element:
    return merge(fresh(), wanted(), DIGEST).cib


def following() -> Element:
    """What pcs would make of the pair with fencing.activeDelay."""
    more = wanted()
    for path, name, value in (("configuration/crm_config/cluster_property_set", "priority-fencing-delay", "20s"),
                              ("configuration/resources/primitive[@id='web']/meta_attributes", "priority", "1")):
        ElementTree.SubElement(at(more, path), "nvpair", {"id": f"of-{name}", "name": name, "value": value})
    return more


def at(cib: Element, path: str) -> Element:
    found = cib.find(path)
    assert found is not None, path
    return found


def test_everything_is_made_at_first_and_nothing_the_second_time() -> None:
    first = merge(fresh(), wanted(), DIGEST)
    assert {"web was made", "fence-site-a-1 was made", "property stonith-enabled is true"} <= set(first.changes)
    assert property_value(first.cib, "dc-version") == "2.1.5", "what is not ours stays"
    again = merge(first.cib, wanted(), DIGEST)
    assert again.changes == () and record(again.cib) == record(first.cib)
    assert foreign(first.cib, wanted()) == []


def test_the_links_word_is_the_pair_s_and_comes_back_when_somebody_takes_it_out() -> None:
    """A level without it would believe a device alone."""
    changed = configured()
    resources, level = at(changed, "configuration/resources"), at(changed, LEVEL)
    resources.remove(at(resources, "primitive[@id='gone-site-a-1']"))
    level.set("devices", "fence-site-a-1")
    found = merge(changed, wanted(), DIGEST)
    assert set(found.changes) == {"gone-site-a-1 was made", f"level {level.get('id')} was set again"}
    assert at(found.cib, LEVEL).get("devices") == "fence-site-a-1,gone-site-a-1"


def test_the_running_cib_is_not_touched() -> None:
    running = fresh()
    before = ElementTree.tostring(running)
    merge(running, wanted(), DIGEST)
    assert ElementTree.tostring(running) == before


@pytest.mark.parametrize("path, name, value, said", [
    ("resources/primitive[@id='web']/instance_attributes/nvpair[@name='guard']", "value", "off",
     "parameters of web: guard is required, it was off"),
    ("resources/primitive[@id='web']/operations/op[@interval='10s']", "interval", "5s",
     "operations of web: monitor 10s is set, it was not set, monitor 5s is not set, it was set"),
    ("resources/primitive[@id='web']/operations/op[@name='stop']", "timeout", "20s",
     "operations of web: stop 0s timeout is 360s, it was 20s"),
    ("resources/primitive[@id='web']/meta_attributes/nvpair", "value", "7",
     "web: resource-stickiness is 1000, it was 7"),
    ("crm_config/cluster_property_set/nvpair[@name='stonith-enabled']", "value", "false",
     "property stonith-enabled is true, it was false"),
    ("rsc_defaults/meta_attributes/nvpair[@name='migration-threshold']", "value", "1",
     "default migration-threshold is 3, it was 1"),
    ("constraints/rsc_location[@id='location-web-site-a-100']", "node", "site-b",
     "constraint location-web-site-a-100 was set again"),
    ("resources/primitive[@id='web']", "type", "Dummy", "web is aos:k8sdeployment now"),
])
def test_what_is_the_pair_s_is_set_back(path: str, name: str, value: str, said: str) -> None:
    changed = configured()
    at(changed, f"configuration/{path}").set(name, value)
    found = merge(changed, wanted(), DIGEST)
    assert len(found.changes) == 1 and found.changes[0].startswith(said), found.changes
    assert merge(found.cib, wanted(), DIGEST).changes == ()


def test_what_somebody_set_beside_it_stays_and_is_told() -> None:
    changed = configured()
    meta = at(changed, "configuration/resources/primitive[@id='web']/meta_attributes")
    ElementTree.SubElement(meta, "nvpair", {"id": "m", "name": "target-role", "value": "Stopped"})
    ElementTree.SubElement(at(changed, "configuration/constraints"), "rsc_location",
                           {"id": "cli-ban-web-on-site-a", "rsc": "web", "node": "site-a", "score": "-INFINITY"})
    ElementTree.SubElement(at(changed, "configuration/resources"), "primitive",
                           {"id": "ip", "class": "ocf", "provider": "heartbeat", "type": "IPaddr2"})
    ElementTree.SubElement(at(changed, "configuration/crm_config/cluster_property_set"), "nvpair",
                           {"id": "p", "name": "cluster-delay", "value": "60s"})
    found = merge(changed, wanted(), DIGEST)
    assert found.changes == ()
    assert foreign(found.cib, wanted()) == [
        "property cluster-delay=60s is set beside this pair's",
        "web has target-role=Stopped beside this pair's settings",
        "resource ip is not of this pair",
        "constraint cli-ban-web-on-site-a (rsc=web node=site-a score=-INFINITY) is not of this pair"]


def test_a_workload_that_left_the_cr_is_taken_out_and_a_person_s_resource_is_not() -> None:
    running = configured()
    ElementTree.SubElement(at(running, "configuration/resources"), "primitive", {"id": "mine", "class": "ocf"})
    less = wanted()
    for section, name in (("resources", "web"), ("constraints", "location-web-site-a-100")):
        parent = at(less, f"configuration/{section}")
        parent.remove(next(one for one in parent if one.get("id") == name))
    found = merge(running, less, "another")
    assert found.changes == ("location-web-site-a-100 was taken away", "web was taken away")
    assert found.cib.find("configuration/resources/primitive[@id='mine']") is not None
    assert record(found.cib).digest == "another"


def test_a_property_and_a_meta_attribute_that_the_cr_asks_for_no_more_are_taken_away() -> None:
    asked = merge(configured(), following(), "another")
    assert asked.changes == ("property priority-fencing-delay is 20s", "web: priority is 1")
    assert merge(asked.cib, following(), "another").changes == () and foreign(asked.cib, following()) == []
    no_more = merge(asked.cib, wanted(), DIGEST)
    assert no_more.changes == ("property priority-fencing-delay was taken away", "web: priority was taken away")
    assert ElementTree.tostring(no_more.cib) == ElementTree.tostring(configured())


def test_the_same_ones_stay_where_a_person_set_them() -> None:
    """Until the CR asks for them: from then on they are the pair's."""
    by_hand = configured()
    for ours, theirs in (("crm_config/cluster_property_set", ("priority-fencing-delay", "8s")),
                         ("resources/primitive[@id='web']/meta_attributes", ("priority", "5"))):
        ElementTree.SubElement(at(by_hand, f"configuration/{ours}"), "nvpair", dict(zip(("name", "value"), theirs)))
    assert merge(by_hand, wanted(), "another").changes == ()
    assert len(foreign(by_hand, wanted())) == 2
    assert merge(by_hand, following(), "another").changes == (
        "property priority-fencing-delay is 20s, it was 8s", "web: priority is 1, it was 5")


def test_a_pair_that_was_made_by_hand_is_taken_over() -> None:
    by_hand = configured()
    properties = at(by_hand, "configuration/crm_config/cluster_property_set")
    properties.remove(at(properties, f"nvpair[@name='{APPLIED}']"))
    found = merge(by_hand, wanted(), DIGEST)
    assert found.changes == () and record(found.cib).digest == DIGEST


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"ids": 3}', '{"values": 3}'])
def test_a_damaged_record_is_none(text: str) -> None:
    cib = configured()
    at(cib, f"configuration/crm_config/cluster_property_set/nvpair[@name='{APPLIED}']").set("value", text)
    assert record(cib).ids == ()


HISTORY = """
<cib><status><node_state uname="site-a"><lrm><lrm_resources><lrm_resource id="web">
  <lrm_rsc_op id="web_last_failure_0" operation="monitor" interval="10000" rc-code="190" last-rc-change="100"/>
  <lrm_rsc_op id="web_monitor_10000" operation="monitor" interval="10000" rc-code="{}" last-rc-change="{}"/>
</lrm_resource></lrm_resources></lrm></node_state></status></cib>"""


@pytest.mark.parametrize("code, when, forgotten", [("0", 120, True), ("190", 120, False), ("0", 90, False)])
def test_a_degraded_result_is_overcome_when_the_same_operation_went_well_since(
        code: str, when: int, forgotten: bool) -> None:
    assert bool(overcome(ElementTree.fromstring(HISTORY.format(code, when)), {})) is forgotten


FAILED = """
<cib><status><node_state uname="site-a"><lrm><lrm_resources><lrm_resource id="fence-site-b-1">
  <lrm_rsc_op id="fence-site-b-1_last_failure_0" operation="start" interval="0" rc-code="1" last-rc-change="100"/>
</lrm_resource></lrm_resources></lrm></node_state></status></cib>"""


@pytest.mark.parametrize("proven, forgotten", [
    ({"fence-site-b-1": 101}, True), ({"fence-site-b-1": 100}, False), ({"fence-site-b-2": 101}, False), ({}, False)])
def test_a_failure_of_a_device_is_overcome_when_it_answered_since(proven: dict[str, int], forgotten: bool) -> None:
    assert bool(overcome(ElementTree.fromstring(FAILED), proven)) is forgotten


@pytest.mark.parametrize("kind, configured, forgotten", [
    ("stonith", "fence-site-b-1", False), ("stonith", "fence-site-b-2", True), ("ocf", "fence-site-b-2", False)])
def test_a_failure_of_a_device_is_overcome_when_the_device_was_taken_out(
        kind: str, configured: str, forgotten: bool) -> None:
    """A workload's failure tells something still."""
    cib = ElementTree.fromstring(FAILED.replace('lrm_resource id', f'lrm_resource class="{kind}" id').replace(
        "<cib>", f'<cib><configuration><resources><primitive id="{configured}"/></resources></configuration>'))
    assert bool(overcome(cib, {})) is forgotten
