"""docs/situations.md is true: each row has its test, each test its row, each code is allowed, each reason is said."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from docs.tables import ROOT
from k8sdeployment.agent import codes
from tests.docs.reading import literals, names_of_tests
from tests.situations import rows
from tests.situations.rows import Row, shortcomings

ROWS = rows.load()
ACTIONS = {"passive": codes.PASSIVE}
# What the API server, a pod or somebody's program says, and the agent passes on.
FOREIGN = {"ImagePullBackOff", "no such image", "argocd-controller", "forbidden", "exceeded quota", "too many requests",
           "Deployment", "web"}
# Asks pytest itself, in a process of its own, which situations each test carries.
COLLECT = """
import json, sys, pytest
class Listing:
    def pytest_collection_finish(self, session):
        for item in session.items:
            names = [mark.args[0] for mark in item.iter_markers("situation")]
            print("ROW", json.dumps([item.nodeid.split("[")[0], names]))
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "tests/situations"], plugins=[Listing()]))
"""


@pytest.fixture(scope="module")
def marked() -> dict[str, set[str]]:
    """The tests of tests/situations and the rows they show."""
    done = subprocess.run([sys.executable, "-c", COLLECT], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, set[str]] = {}
    for line in re.findall(r"^ROW (.*)$", done.stdout, re.MULTILINE):
        test, names = json.loads(line)
        found.setdefault(test, set()).update(names)
    return found


def test_every_row_has_a_test_that_exists() -> None:
    assert len(ROWS) > 90
    assert not [row.name for row in ROWS.values() if not row.tests or set(row.tests) - names_of_tests()]


def test_a_test_carries_the_rows_that_name_it(marked: dict[str, set[str]]) -> None:
    """And no others. Tests elsewhere are referred to; those of tests/situations are held to the row when they run."""
    named: dict[str, set[str]] = {test: set() for test in marked}
    for row in ROWS.values():
        for test in row.tests:
            if test.startswith("tests/situations/"):
                named[test].add(row.name)
    assert named == marked
    assert all(named.values()), "a test without a situation"


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_codes_are_allowed(row: Row) -> None:
    assert row.answers
    for action, code in row.answers:
        assert codes.permitted(ACTIONS.get(action, action), code) == code, f"{action} {code}"


def test_reasons_are_the_agents_own() -> None:
    """Piece by piece: what is put in when it is said comes from elsewhere."""
    told = literals("k8sdeployment/agent")
    shown = {piece for row in ROWS.values() for words in row.reasons for piece in pieces(words)}
    assert {piece for piece in shown if piece not in told} <= FOREIGN <= shown


def pieces(words: str) -> set[str]:
    return {piece.strip() for piece in re.split(r"…|\d+|: |[();]", words)} - {""}


def test_a_row_that_is_not_shown_is_found_out() -> None:
    row = Row("x", (("start", 0), ("stop", 1)), ("still runs after …",), ())
    assert shortcomings(row, {("start", 0): [""], ("stop", 1): ["app still runs after 3s: 2 processes"]}) == []
    assert len(shortcomings(row, {("start", 0): [""], ("stop", 0): ["still runs after 3s"]})) == 2
