"""What people are shown: live before remembered, the age of what is remembered, and no calm word over a fault."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8sdeployment.cli import attention, codes, live, screen, snapshot
from k8sdeployment.cli.document import KEYS, document
from k8sdeployment.cli.view import View, join
from k8sdeployment.pair.report import Status
from tests.cli.tools import NOW, Tools, world

AT = datetime.fromtimestamp(NOW, timezone.utc)


def status(age: float = 3, **changed: Any) -> dict[str, Any]:
    """What a conductor writes of a pair in which all is well; by its own model, so that both speak of one form."""
    conditions = [{"type": name, "status": "False" if name == "Degraded" else "True", "reason": "Word",
                   "lastTransitionTime": AT} for name in
                  ("Available", "PeerOnline", "FencingProven", "TakeoverReady", "PeerInSync", "Degraded")]
    works = [{"name": name, "site": site, "since": AT, "reason": "its preferred site", "takeover": {"ready": True}}
             for name, site in (("web", "site-a"), ("db", "site-b"), ("7seg", "site-a"))]
    whole = {"site": "site-a", "version": "0.1.0", "written": AT - timedelta(seconds=age), "protection": "on",
             "sites": [{"name": name, "state": "online", "version": "0.1.0"} for name in ("site-a", "site-b")],
             "conditions": conditions, "workloads": works, **changed}
    found: dict[str, Any] = Status.model_validate(whole).model_dump(mode="json", by_alias=True)
    return found


def condition(name: str, message: str, value: str = "False") -> list[dict[str, Any]]:
    return [{"type": name, "status": value, "reason": "Word", "message": message, "lastTransitionTime": AT}]


def seen(situation: str, said: dict[str, Any] | None = None) -> View:
    found = live.ask(world(Tools(situation), Path("none")))
    return join(found, snapshot.Snapshot(status() if said is None else said), NOW)


def shown(view: View) -> str:
    console = screen.console()
    with console.capture() as captured:
        console.print(screen.status(view))
    return captured.get()


def test_all_is_well() -> None:
    view = seen("running")
    assert attention.attention(view) == [] and attention.verdict(view) == codes.OK
    text = shown(view)
    assert "Look at this" not in text
    for line in ("default/web   site-a   0 s ago  its preferred site  site-b ready",
                 "shop/db       site-b   0 s ago  its preferred site  site-a ready"):
        assert line in text


@pytest.mark.parametrize("situation, sentences", [
    ("standby", ["site-b is in standby: it takes nothing until `snopair return`",
                 "site-b could not take web now: site-b is in standby",
                 "site-b could not take db now: site-b is in standby",
                 "site-b could not take 7seg now: site-b is in standby"]),
    ("maintenance", ["nobody would take over now: somebody set maintenance mode; `snopair maintenance off` ends it",
                     "site-b could not take web now: the cluster is in maintenance mode",
                     "site-a could not take db now: the cluster is in maintenance mode",
                     "site-b could not take 7seg now: the cluster is in maintenance mode"]),
    ("unclean", ["site-b was lost and is not fenced yet",
                 "db runs nowhere: the cluster waits until site-b, which was lost, is fenced, or `snopair confirm "
                 "site-b`",
                 "site-b could not take web now: site-b is away", "site-b could not take 7seg now: site-b is away"]),
    ("offline", ["site-b is away", "site-b could not take web now: site-b is away",
                 "site-b could not take db now: site-b is away", "site-b could not take 7seg now: site-b is away"]),
])
def test_a_fresh_calm_word_of_the_conductor_does_not_cover_what_pacemaker_says(
        situation: str, sentences: list[str]) -> None:
    view = seen(situation)
    assert attention.attention(view) == sentences
    assert attention.verdict(view) == codes.LOOK
    assert all(sentence in shown(view) for sentence in sentences)


def test_a_site_that_starts_alone_has_lost_nobody() -> None:
    tools = Tools("unclean")
    alone = world(lambda *call: tools(*call).replace('with_quorum="true"', 'with_quorum="false"'), Path("none"))
    found = attention.attention(join(live.ask(alone), snapshot.Snapshot(status()), NOW))
    assert found[0] == "site-b has not been seen since this site started"
    assert "db runs nowhere: this site has no quorum, and starts nothing before it has seen the other one or " \
        "`snopair confirm`" in found


def test_a_workload_that_moved_since_has_no_reason_of_its_old_place() -> None:
    view = seen("offline")
    moved = next(work for work in view.works if work.name == "db")
    assert (moved.site, moved.reason, moved.takeover) == ("site-a", "", False)


def test_an_old_view_is_told_with_its_age_and_the_live_one_is_shown() -> None:
    view = seen("running", status(age=42))
    assert attention.attention(view) == ["the conductor does not answer: its view is 42 s old"]
    assert "does not answer, last 42 s ago" in shown(view)
    assert document(view)["conductor"] == {"answers": False, "age": 42.0}


def test_without_pacemaker_the_conductors_view_is_shown_from_memory() -> None:
    view = seen("dead", status(age=95))
    text = shown(view)
    assert "from memory" in text and "does not answer, last 95 s ago" in text and "default/web" not in text
    assert attention.attention(view)[0].startswith("Pacemaker does not answer on this site (Connection to cluster fail")
    assert [work.site for work in view.works] == ["site-a", "site-b", "site-a"]
    assert document(view)["asked"]["live"] is False


def test_without_either_nothing_is_known() -> None:
    assert attention.verdict(seen("dead", {})) == codes.UNKNOWN


@pytest.mark.parametrize("name, message, sentence", [
    ("FencingProven", "fence-site-b-1 (fence_ipmilan): no answer", "fencing is not proven: fence-site-b-1"),
    ("PeerInSync", "spec.corosync.token is 1000ms on site-a and 3000ms on site-b", "the sites differ: spec.corosync"),
])
def test_what_only_the_conductor_knows_is_told(name: str, message: str, sentence: str) -> None:
    view = seen("running", status(conditions=condition(name, message)))
    assert any(one.startswith(sentence) for one in attention.attention(view))
    assert message in shown(view)


def test_a_link_that_is_down_is_told_once() -> None:
    both = "link 1 to site-b is down; site-b is in standby"
    view = seen("standby", status(conditions=condition("Degraded", both, "True")))
    found = attention.attention(view)
    assert "link 1 to site-b is down" in found and sum("is in standby" in one for one in found) == 4


def test_a_takeover_that_is_not_ready_says_why() -> None:
    works = [{"name": "web", "site": "site-a", "takeover": {"ready": False, "reason": "site-b: no image app:2"}}]
    view = seen("running", status(workloads=works))
    assert "site-b could not take web now: site-b: no image app:2" in attention.attention(view)
    assert "site-b not ready: site-b: no image app:2" in shown(view)


def paths(value: Any, at: str = "") -> set[str]:
    """The keys in JSON, as the documents write them."""
    if isinstance(value, dict) and at not in ("lastRecovery", "fencing.devices"):
        return {path for key, one in value.items() for path in paths(one, f"{at}.{key}" if at else key)}
    if isinstance(value, list):
        return {path for one in value for path in paths(one, f"{at}[]")} or {f"{at}[]"}
    return {f"{at}.*" if at == "fencing.devices" else at}


def test_the_documented_keys_are_those_that_are_written() -> None:
    assert paths(document(seen("running"))) == set(KEYS)
    assert paths(document(seen("dead"))) == set(KEYS), "whatever is unknown is null, not missing"


def test_foreign_settings_are_shown_and_are_no_fault() -> None:
    view = seen("running", status(foreign=["resource extra is not of this pair"]))
    assert attention.verdict(view) == codes.OK and "resource extra is not of this pair" in shown(view)


def test_the_last_recovery_in_one_line() -> None:
    found = {"workload": "web", "origin": "site-b", "target": "site-a", "detected": AT - timedelta(hours=2),
             "fencedBy": "fence-site-b-1", "fencedSeconds": 2.0, "availableSeconds": 5.7}
    line = "web from site-b to site-a 2 h ago, fenced by fence-site-b-1, back after 5.7 s"
    assert line in shown(seen("running", status(recoveries=[found])))


@settings(deadline=None)
@given(st.integers(0, 10**8))
def test_a_span_is_short_and_never_longer_than_the_time(seconds: int) -> None:
    words = screen.span(seconds).split()
    sizes = {"d": 86400, "h": 3600, "min": 60, "s": 1}
    told = sum(int(number) * sizes[unit] for number, unit in zip(words[::2], words[1::2]))
    assert len(words) in (2, 4) and told <= seconds
    assert seconds - told < sizes[words[-1]] or len(words) == 2 and seconds - told < sizes[words[1]]


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(sorted(status()) + ["name", "site", "takeover", "type", "since"]), inner,
                        max_size=4), max_leaves=12)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(status())), JSON))
def test_whatever_another_version_wrote_is_shown(said: dict[str, Any]) -> None:
    for situation in ("running", "dead"):
        view = seen(situation, said)
        shown(view)
        json.dumps(document(view))


def test_a_file_that_was_cut_short_is_told(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    assert "no view since this host was started" in snapshot.read(file).trouble
    file.write_text('{"site": "si')
    assert "cannot be read" in snapshot.read(file).trouble
    file.write_text("[]")
    assert "is not a status" in snapshot.read(file).trouble
