"""The kubeconfig reader: what YAML writes is read the same or refused by name; nothing is ever read wrongly."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from k8sdeployment.agent.kubeconfig import Malformed, read

# As kubectl and kubeadm write it.
PLAIN = """\
apiVersion: v1
kind: Config
preferences: {}
current-context: admin@here   # the one to use
clusters:
- cluster:
    certificate-authority-data: TFMwdExTMUNSVWRKVGc9PQ==
    server: https://10.0.0.1:6443
  name: here
-   cluster:
      insecure: false

      server: 'https://[fd00::1]:6443/a#b'
      note: "quoted: \\"yes\\" # no comment"
    name: "there"
contexts:
  - context:
      cluster: here
      user: admin
    name: admin@here
  - name: other
    context: {cluster: there}
users: []
"""
REPAIRED = PLAIN.replace("context: {cluster: there}", "context:\n      cluster: there\n      user: 'it''s me'").replace(
    "users: []", "users:\n- name: admin\n  user:\n    token: abc:def==\n    empty:\n- name: it's me\n  user: {}")


def test_as_kubectl_writes_it() -> None:
    cluster, user = read(REPAIRED)
    assert cluster == {"certificate-authority-data": "TFMwdExTMUNSVWRKVGc9PQ==", "server": "https://10.0.0.1:6443"}
    assert user == {"token": "abc:def==", "empty": None}


def test_another_context() -> None:
    cluster, user = read(REPAIRED, "other")
    assert cluster == {"insecure": False, "server": "https://[fd00::1]:6443/a#b",
                       "note": 'quoted: "yes" # no comment'}
    assert user == {}


def test_json_is_taken_as_well() -> None:
    assert read(json.dumps(yaml.safe_load(REPAIRED)), "other") == read(REPAIRED, "other")


def config(cluster: object = None, user: object = None) -> dict[str, Any]:
    return {"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": "https://a"} if cluster is None else cluster}],
            "users": [{"name": "u", "user": {"token": "t"} if user is None else user}]}


def block(data: object, **more: Any) -> str:
    return str(yaml.safe_dump(data, default_flow_style=False, **more))


KEYS = st.from_regex(r"[a-z][a-zA-Z.\-]{0,20}", fullmatch=True)
WORDS = st.one_of(st.from_regex(r"[A-Za-z0-9+/]{0,60}={0,2}", fullmatch=True),
                  st.from_regex(r"https://[a-z0-9.\-]{1,20}(:[0-9]{1,5})?(/[a-z0-9.\-]{0,8}){0,2}", fullmatch=True),
                  st.from_regex(r"/[a-zA-Z0-9/._ \-]{0,20}[a-z]", fullmatch=True),
                  st.from_regex(r"[a-zA-Z0-9._:@/\-]{1,30}", fullmatch=True),
                  st.sampled_from(["", "true", "null", "~", "no", "1", "1.5", "2020-01-01", "0x1", "- a", "a: b",
                                   "a #b", "#a", "'", '"', "it's", 'say "x"', "[a]", "{a}", "&a", "*a", "!a", "|", ">",
                                   "%a", "@a", "`a", "a:", ":", "-", "?", "? a", "a'b", "a\"b", " ", " a ", "---",
                                   "...", "=", "a b: c", "a, b", "<<", "- - a"]))
LEAVES = st.one_of(WORDS, st.booleans(), st.none())
TREES = st.recursive(LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3),
                                                     st.dictionaries(KEYS, inner, max_size=3)), max_leaves=6)
ODD = st.one_of(st.text(max_size=20), st.booleans(), st.none(),
                st.text(" a\n'\"\\:#-\u00a0\u3000\u2028\t", max_size=12))
ODD_TREES = st.recursive(ODD, lambda inner: st.one_of(
    st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)), max_leaves=6)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(KEYS, TREES, max_size=5), st.dictionaries(KEYS, TREES, max_size=5), st.booleans(),
       st.integers(2, 6))
def test_kubeconfig_like_data_written_as_yaml_is_read_the_same(cluster: dict[str, Any], user: dict[str, Any],
                                                               ordered: bool, indent: int) -> None:
    text = block(config(cluster, user), sort_keys=ordered, indent=indent)
    assert read(text) == (cluster, user)


@settings(deadline=None, max_examples=100)
@given(ODD_TREES, st.booleans(), st.sampled_from([20, 80, 10 ** 6]))
def test_anything_else_is_read_the_same_or_refused(tree: Any, unicode: bool, width: int) -> None:
    text = block(config({"x": tree}), allow_unicode=unicode, width=width)
    try:
        cluster, _ = read(text)
    except Malformed:
        return
    assert cluster == {"x": tree}


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60), st.integers(0, len(REPAIRED)), st.integers(0, 10))
def test_damage_is_refused_or_harmless_but_never_breaks_the_reader(damage: str, place: int, removed: int) -> None:
    text = REPAIRED[:place] + damage + REPAIRED[place + removed:]
    try:
        cluster, user = read(text)
    except Malformed as fault:
        assert "\n" not in str(fault)
        return
    assert isinstance(cluster, dict) and isinstance(user, dict)


REFUSED = {
    "anchor": "user: &a\n    token: t", "alias": "user: *a", "tag": "user: !!map\n    token: t",
    "local tag": "user:\n    token: !secret t",
    "literal block": "user:\n    token: |\n      abc", "folded block": "user:\n    token: >-\n      abc",
    "flow mapping": "user: {token: t}", "flow sequence": "user:\n    args: [a, b]",
    "directive": "user: t\n%YAML 1.1", "explicit key": "user:\n    ? token\n    : t",
    "merge key": "user:\n    <<: *base", "two documents": "user:\n    token: t\n---\na: b",
    "plain over two lines": "user:\n    token: abc\n      def",
    "quoted over two lines": "user:\n    token: 'abc\n      def'",
    "two quotes": "user:\n    token: 'abc' 'def'", "a mapping in a value": "user:\n    token: abc: def",
    "tab": "user:\n\ttoken: t", "half a quote": "user:\n    token: 'abc",
    "rest after a quote": "user:\n    token: 'a' b",
    "rest after a double quote": 'user:\n    token: "a" b', "unknown escape": 'user:\n    token: "\\x41"',
    "no colon": "user:\n    token", "dedent in between": "user:\n      a: b\n    token: t",
    "the same key twice": "user:\n    token: a\n    token: b",
}


@pytest.mark.parametrize("form", REFUSED)
def test_other_forms_are_refused_by_name(form: str) -> None:
    text = block({name: value for name, value in config().items() if name != "users"}) \
        + "users:\n- name: u\n  " + REFUSED[form] + "\n"
    with pytest.raises(Malformed) as caught:
        read(text)
    assert str(caught.value) and "\n" not in str(caught.value)
    assert "abc" not in str(caught.value), "a fault must not quote a token"


@pytest.mark.parametrize("text,context,words", [
    ("", "", "not a kubeconfig"), ("- a", "", "not a kubeconfig"), ("null", "", "expected"),
    ("[]", "", "expected"), ("{", "", "neither JSON"), ("{}", "", "no current-context"),
    ("a: b", "", "no current-context"), ("current-context: x", "", "no context 'x'"),
    (block(config()), "y", "no context 'y'"), (block({**config(), "clusters": []}), "", "no cluster 'k'"),
    (block({**config(), "users": None}), "", "no user 'u'"),
    (block({**config(), "users": "x"}), "", "no user 'u'"),
    (block({**config(), "contexts": [None, "c", {"name": "c"}, {"name": "c", "context": 1}]}), "", "no context 'c'"),
    (block({**config(), "contexts": [{"name": "c", "context": {}}]}), "", "no cluster ''")])
def test_what_is_missing_is_named(text: str, context: str, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(text, context)
    assert words in str(caught.value)
