"""What is written is read back; what was cut short or damaged is never taken for whole."""
from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lab.oracle_lane import Stretches
from lab.record import (
    Answer, Container, Event, Header, Power, RecordError, Runtime, Stretch, Writer, parse, parse_event, read,
)
from tests.oracle.history import SITES, History, Ran, did

names = some.text(some.characters(codec="utf-8"), max_size=8)
containers = some.builds(Container, names, names, names, names, names)
runtimes = some.builds(
    Runtime, some.sampled_from(Power), some.none() | names, some.frozensets(containers, max_size=3))
answers = some.builds(Answer, some.booleans(), names)
events = some.builds(Event, some.floats(0, 1e6), names, some.none() | names, names)


@given(some.lists(runtimes, max_size=5), some.lists(answers, max_size=5), some.lists(events, max_size=5))
def test_everything_written_is_read_back(
    runtime: list[Runtime], service: list[Answer], done: list[Event]
) -> None:
    stream = io.StringIO()
    writer = Writer(stream, Header("lab", SITES, ("default/app",), 0.1, 5.0, 6.0))
    for number, state in enumerate(runtime):
        writer.saw("runtime", "site-a", Stretch(number, number + 0.5, 3, 0.25, state))
    for number, answer in enumerate(service):
        writer.saw("service", "site-b", Stretch(number, number, 1, 0.0, answer))
    for event in done:
        writer.event(event)
    writer.end(99.0)
    found = parse(io.StringIO(stream.getvalue()))
    assert [stretch.state for stretch in found.runtime["site-a"]] == runtime
    assert [stretch.state for stretch in found.service["site-b"]] == service
    assert found.events == sorted(done, key=lambda event: event.mono)
    assert (found.end, found.header.mono, found.runtime["site-b"]) == (99.0, 5.0, [])


@given(some.data())
def test_a_record_cut_anywhere_is_never_taken_for_whole(data: some.DataObject) -> None:
    text = History(ran=[Ran("site-a", 1, 9)], events=[did(2, "note", detail="x")], length=10).text()
    length = data.draw(some.integers(0, len(text) - 1))
    try:
        found = parse(io.StringIO(text[:length]))
    except RecordError:
        return
    assert found.end is None


@pytest.mark.parametrize("text, complaint", [
    ("", "empty"),
    ("\n\n", "empty"),
    ("{}\n", "not a record"),
    ("not json\n", "not a record"),
    ('{"kind":"begin","format":2,"lab":"x","sites":[],"workloads":[],"period":1,"mono":1,"wall":1}\n', "not a record"),
])
def test_what_is_no_record_is_refused_with_a_sentence(text: str, complaint: str) -> None:
    with pytest.raises(RecordError, match=complaint):
        parse(io.StringIO(text))


@pytest.mark.parametrize("bad", ['{"kind":"seen"}', "garbage", '{"kind":"event","mono":"x","what":"y"}', "[]"])
def test_a_damaged_line_is_an_error_that_names_it(bad: str) -> None:
    lines = History(length=1).text().splitlines(keepends=True)
    lines.insert(2, bad + "\n")
    with pytest.raises(RecordError, match="line 3 of the record is damaged"):
        parse(lines)


def test_nothing_may_follow_the_end() -> None:
    text = History(length=1).text()
    with pytest.raises(RecordError, match="after its end"):
        parse(io.StringIO(text + text.splitlines(keepends=True)[1]))


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        read(tmp_path / "none.jsonl")


def test_the_lab_s_events_are_understood() -> None:
    line = '{"mono": 1.5, "wall": 2.0, "what": "cut", "site": null, "detail": "link 1"}'
    assert parse_event(line) == Event(1.5, "cut", None, "link 1")
    with pytest.raises(ValueError, match="not an event"):
        parse_event('{"what": "cut"}')


@given(some.lists(some.tuples(some.floats(0.01, 3), some.booleans()), min_size=1, max_size=60))
def test_stretches_keep_every_look_and_every_pause(steps: list[tuple[float, bool]]) -> None:
    found: list[Stretch[Answer]] = []
    row: Stretches[Answer] = Stretches(found.append)
    now, looks = 0.0, []
    for step, up in steps:
        now += step
        looks.append((now, up))
        row.saw(now, Answer(up))
    row.close()
    assert sum(stretch.samples for stretch in found) == len(looks)
    for stretch in found:
        inside = [(t, up) for t, up in looks if stretch.first <= t <= stretch.last]
        assert {up for _, up in inside} == {stretch.state.up}
        pauses = [b[0] - a[0] for a, b in zip(inside, inside[1:])]
        assert stretch.gap == max(pauses, default=0.0)
        assert len(inside) == stretch.samples


def test_a_change_is_written_at_once() -> None:
    found: list[Stretch[Answer]] = []
    row: Stretches[Answer] = Stretches(found.append)
    assert row.saw(1.0, Answer(True)) and row.saw(1.1, Answer(False)) and not row.saw(1.2, Answer(False))
    assert [(stretch.first, stretch.state.up) for stretch in found] == [(1.0, True), (1.1, False)]
