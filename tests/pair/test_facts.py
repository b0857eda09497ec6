"""What sites tell each other: read back as it was written, and nothing else is believed."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sdeployment.pair.facts import Facts, Proof, Told, canonical, decode, differing, encode
from tests.pair.sample import pair

WORDS = st.text(max_size=30)
FACTS = st.builds(
    Facts, version=WORDS, image=WORDS, generation=st.integers(0, 10**6),
    spec=st.dictionaries(WORDS, st.one_of(WORDS, st.integers(), st.lists(WORDS, max_size=3)), max_size=4),
    workloads=st.dictionaries(WORDS, st.builds(Told, st.booleans(), WORDS, WORDS), max_size=4),
    proofs=st.dictionaries(WORDS, st.builds(Proof, st.booleans(), st.integers(0, 2**40), WORDS), max_size=4))


@given(FACTS)
def test_read_as_written(facts: Facts) -> None:
    assert decode(encode(facts)) == facts


@given(st.one_of(st.text(), st.binary(max_size=200).map(lambda data: base64.b64encode(data).decode())))
def test_anything_else_is_none(text: str) -> None:
    assert decode(text) is None


@pytest.mark.parametrize("found", [[], {}, {"version": "1", "spec": 3}, {"version": "1", "workloads": {"a": 1}},
                                   {"version": "1", "proofs": {"a": {"good": True, "when": "x"}}}])
def test_the_wrong_json_is_none(found: object) -> None:
    assert decode(base64.b64encode(zlib.compress(json.dumps(found).encode())).decode()) is None


def test_a_bomb_is_none() -> None:
    assert decode(base64.b64encode(zlib.compress(b'{"version": "' + b"0" * 64_000_000 + b'"}')).decode()) is None


def test_a_newer_version_may_tell_more() -> None:
    text = json.dumps({"version": "9", "mood": "fine", "workloads": {"web": {"ready": True, "colour": "red"}}})
    found = decode(base64.b64encode(zlib.compress(text.encode())).decode())
    assert found is not None and found.workloads["web"].ready


def test_a_real_pair_with_32_workloads_fits_well_into_an_attribute() -> None:
    many = pair(workloads=[{"name": f"work-{number}"} for number in range(32)])
    facts = Facts("0.1.0", spec=canonical(many.spec), workloads={
        f"work-{number}": Told(False, "ConfigMap shop/settings is missing", "x" * 500) for number in range(32)})
    assert len(encode(facts)) < 8_000


def test_the_same_spec_is_the_same_whatever_was_left_out() -> None:
    assert canonical(pair().spec) == canonical(pair(corosync={"token": "3s"}, quorum={}).spec)


def test_every_difference_names_its_field_and_both_values() -> None:
    mine = canonical(pair(workloads=[{"name": "web", "replicas": {"max": 2}}, {"name": "db"}]).spec)
    theirs = canonical(pair(workloads=[{"name": "web", "replicas": {"max": 3}}], corosync={"token": "5s"}).spec)
    assert list(differing(mine, theirs)) == [
        ("spec.corosync.token", '"3s"', '"5s"'), ("spec.workloads[db]", "there", "not there"),
        ("spec.workloads[web].replicas.max", "2", "3")]


def test_an_order_that_differs_is_named() -> None:
    one, two = ({"workloads": [{"name": first}, {"name": second}]} for first, second in (("a", "b"), ("b", "a")))
    assert list(differing(one, two)) == [("the order of spec.workloads", "a, b", "b, a")]
