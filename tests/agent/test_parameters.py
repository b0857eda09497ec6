"""Parameters: every value that is right is understood, every fault is named, and none is replaced by a guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sdeployment.agent.codes import Misconfigured
from k8sdeployment.agent.parameters import (PARAMETERS, PREFIX, Settings, is_label, is_subdomain, load, parse,
                                            target_known)


def env(**values: str) -> dict[str, str]:
    return {PREFIX + name: value for name, value in values.items()}


def faults(**values: str) -> list[str]:
    return parse(env(**{"deployment": "app", **values}))[1]


def test_the_defaults_alone_with_a_name() -> None:
    known = load(env(deployment="app"))
    assert {parameter.name: getattr(known, parameter.name) for parameter in PARAMETERS} == {
        "deployment": "app", "namespace": "default", "kind": "Deployment", "replica_min": 0, "replica_max": 1,
        "kubeconfig": "", "context": "", "api_grace": 300, "unavailable_grace": 60, "guard": "auto",
        "permit_dir": "/run/aos", "drift": "degraded", "local_stop": True}
    assert known.workload == "Deployment default/app"
    assert known.permit_path == "/run/aos/permits/default/deployment/app"


def test_every_setting_is_declared_once() -> None:
    assert [parameter.name for parameter in PARAMETERS] == list(Settings.__annotations__)


@pytest.mark.parametrize("name,text,value", [
    ("deployment", "a.b-c9", "a.b-c9"), ("deployment", "stopped", "stopped"),
    ("namespace", "kube-system", "kube-system"),
    ("kind", "StatefulSet", "StatefulSet"), ("replica_max", "007", 7), ("replica_max", "999999", 999999),
    ("kubeconfig", "/etc/kube/", "/etc/kube"), ("api_grace", "180", 180), ("api_grace", "5m", 300),
    ("api_grace", "1h", 3600), ("api_grace", "200sec", 200), ("api_grace", "4min", 240), ("unavailable_grace", "0", 0),
    ("guard", "required", "required"), ("guard", "off", "off"), ("permit_dir", "/run/other/", "/run/other"),
    ("drift", "fail", "fail"), ("local_stop", "0", False), ("local_stop", "No", False), ("local_stop", "TRUE", True)])
def test_what_is_right(name: str, text: str, value: object) -> None:
    assert getattr(load(env(**{"deployment": "app", name: text})), name) == value


@pytest.mark.parametrize("name", [parameter.name for parameter in PARAMETERS if parameter.default is not None])
def test_an_empty_value_is_the_default(name: str) -> None:
    """pcs passes parameters that were set to nothing as empty variables."""
    assert getattr(load(env(**{"deployment": "app", name: ""})), name) == getattr(load(env(deployment="app")), name)


WRONG = [
    ("deployment", "App"), ("deployment", "-app"), ("deployment", "app-"), ("deployment", "a/b"), ("deployment", ".."),
    ("deployment", "a..b"), ("deployment", "../x"), ("deployment", "a B"), ("deployment", " "),
    ("deployment", "a" * 254),
    ("deployment", "\u00e4pp"), ("deployment", "app\n"), ("namespace", "a.b"), ("namespace", "x" * 64),
    ("namespace", "Default"), ("kind", "deployment"), ("kind", "DaemonSet"), ("replica_min", "-1"),
    ("replica_max", "one"), ("replica_max", "1.5"), ("replica_max", "1000000"), ("replica_max", "\u0661"),
    ("replica_max", " 1"), ("kubeconfig", "relative"), ("kubeconfig", "/a/../b"), ("kubeconfig", "/a\nb"),
    ("api_grace", "179"), ("api_grace", "2m"), ("api_grace", "-300"), ("api_grace", "5 m"), ("api_grace", "5d"),
    ("api_grace", "s"), ("api_grace", "300ss"), ("unavailable_grace", "9999999"), ("guard", "Required"),
    ("guard", "on"), ("permit_dir", "run/aos"), ("permit_dir", "/"), ("permit_dir", "/run/.."), ("drift", "ignore"),
    ("local_stop", "maybe")]


@pytest.mark.parametrize("name,text", WRONG)
def test_what_is_wrong_is_named_with_its_value(name: str, text: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(env(**{"deployment": "app", name: text}))
    assert f"{name}={text!r} must be" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values,words", [
    ({"replica_min": "1"}, "replica_min=1 must be less than replica_max=1"),
    ({"replica_min": "5", "replica_max": "3"}, "replica_min=5 must be less than replica_max=3"),
    ({"replica_max": "0"}, "replica_min=0 must be less than replica_max=0"),
    ({"replica_min": "1", "replica_max": "2", "guard": "required"}, "must be 0 with guard=required"),
    ({"context": "x"}, "needs kubeconfig")])
def test_what_does_not_fit_together(values: dict[str, str], words: str) -> None:
    assert any(words in fault for fault in faults(**values))


def test_every_fault_is_named_at_once() -> None:
    found = parse(env(namespace="X", replica_min="a", replica_max="b", guard="x", drift="y", local_stop="z"))[1]
    for name in ("deployment", "namespace", "replica_min", "replica_max", "guard", "drift", "local_stop"):
        assert sum(fault.startswith(name) for fault in found) == 1, name


@pytest.mark.parametrize("name", ["deployment", "namespace", "kind", "permit_dir"])
def test_what_names_the_target_is_never_replaced_by_a_default(name: str) -> None:
    """A stop of a guessed workload would be proof about the wrong one."""
    known, found = parse(env(**{"deployment": "app", name: "/.."}))
    assert found and not hasattr(known, name) and not target_known(known)


def test_another_fault_leaves_the_target_known() -> None:
    """A stop is done all the same."""
    known, found = parse(env(deployment="app", replica_max="many"))
    assert found and target_known(known) and known.replica_max == 1


@given(st.dictionaries(st.sampled_from([parameter.name for parameter in PARAMETERS]), st.text(max_size=30)))
def test_no_text_breaks_the_parser_or_escapes_the_directory(values: dict[str, str]) -> None:
    known, found = parse(env(**values))
    if target_known(known):
        assert known.permit_path.startswith(known.permit_dir + "/permits/")
        assert "/../" not in known.permit_path + "/" and "\n" not in known.permit_path
    assert bool(found) or target_known(known)


@given(st.text(alphabet="ab.-9A/_ ", max_size=12))
def test_labels_are_subdomains(text: str) -> None:
    assert is_subdomain(text) or not is_label(text)
    assert is_label(text) == (is_subdomain(text) and "." not in text)
