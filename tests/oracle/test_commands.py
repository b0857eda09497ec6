"""The oracle's commands and its loop: what they print, how they exit, what they write."""
from __future__ import annotations

import http.server
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from lab.cli import main
from lab.oracle import EventTail, Sampler, SiteEye
from lab.oracle_cli import describe
from lab.oracle_probe import ask_service
from lab.record import Answer, Container, Event, Header, Power, Runtime, State, Writer, parse
from tests.oracle.history import History, Ran, did

GOOD = History(ran=[Ran("site-a", 1, 20)])
BAD = History(ran=[Ran("site-a", 1, 20, "one"), Ran("site-b", 5, 9, "two")])
CUT = History(ran=[Ran("site-a", 1, 20)], complete=False)


@pytest.mark.parametrize("text, code, words", [
    (GOOD.text(), 0, "I1 at most one              held"),
    (BAD.text(), 1, "ran on both sites"),
    (CUT.text(), 2, "the record was cut short"),
    ("", 2, "no verdict: the record is empty"),
])
def test_verdict_says_it_and_exits_by_it(tmp_path: Path, text: str, code: int, words: str) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text(text)
    result = CliRunner().invoke(main, ["verdict", str(path)])
    assert (result.exit_code, words in result.output) == (code, True), result.output


def test_report_writes_the_page(tmp_path: Path) -> None:
    (tmp_path / "record.jsonl").write_text(GOOD.text())
    result = CliRunner().invoke(main, ["report", str(tmp_path / "record.jsonl"), "-o", str(tmp_path / "r.html")])
    assert result.exit_code == 0, result.output
    assert "<svg" in (tmp_path / "r.html").read_text()


POD = Container("default/app", "app-1", "u", "web", "c1")


@pytest.mark.parametrize("what, state, words", [
    ("runtime", Runtime(Power.ON, "b", frozenset({POD})), "runs app-1/web"),
    ("runtime", Runtime(Power.ON, "b"), "runs none of the watched workloads"),
    ("runtime", Runtime(Power.OFF), "power off"),
    ("runtime", Runtime(Power.UNSURE), "cannot be seen"),
    ("service", Answer(True, "site-a"), "service answers"),
    ("api", Answer(False, "TimeoutError"), "API does not answer (TimeoutError)"),
])
def test_changes_in_words(what: str, state: State, words: str) -> None:
    assert describe(what, state) == words


def test_events_are_read_as_they_come_and_a_torn_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"mono": 1, "what": "before", "site": null, "detail": ""}\n')
    tail = EventTail(path)
    assert tail.new() == []
    line = json.dumps({"mono": 2.0, "wall": 0, "what": "cut", "site": None, "detail": "link 1"})
    with path.open("a") as stream:
        stream.write(line[:20])
        stream.flush()
        assert tail.new() == []
        stream.write(line[20:] + "\n" + line + "\n")
    assert tail.new() == [Event(2.0, "cut", None, "link 1")] * 2
    assert tail.new() == []


def test_events_of_a_lab_that_has_none_yet(tmp_path: Path) -> None:
    assert EventTail(tmp_path / "none").new() == []


class Answering(http.server.BaseHTTPRequestHandler):
    """A service that answers with its name, or 503 at /ill."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/ill" else 200)
        self.end_headers()
        self.wfile.write(b"site-a\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def test_the_service_is_up_only_when_it_answers_200(url: str) -> None:
    assert ask_service(url) == Answer(True, "site-a")
    assert ask_service(url + "ill") == Answer(False, "HTTP 503")
    assert ask_service("http://127.0.0.1:1/") == Answer(False, "ConnectionRefusedError")


class Site:
    """A site as the sampler needs it."""

    def __init__(self, name: str, url: str) -> None:
        self.name, self.service_url, self.management = name, url, "127.0.0.1"

    def pid(self) -> int | None:
        return None


class Eye(SiteEye):
    """An eye that sees what it is told to."""

    def __init__(self, *states: Runtime) -> None:
        self.states = list(states)

    def look(self) -> Runtime:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def test_the_loop_writes_a_whole_record_with_looks_answers_and_events(url: str, tmp_path: Path) -> None:
    sites = {name: Site(name, url) for name in ("site-a", "site-b")}
    running = Runtime(Power.ON, "1:1", frozenset({POD}))
    eyes = {"site-a": Eye(running, running, running, Runtime(Power.OFF)), "site-b": Eye(Runtime(Power.ON, "2:2"))}
    stream, stop, seen = io.StringIO(), threading.Event(), list[tuple[str, str]]()

    def changed(mono: float, what: str, site: str, state: State) -> None:
        seen.append((what, site))
        if what == "runtime" and state == Runtime(Power.OFF):
            with (tmp_path / "events.jsonl").open("a") as events:
                events.write(json.dumps({"mono": mono, "what": "power-off", "site": site, "detail": ""}) + "\n")
            threading.Timer(0.3, stop.set).start()

    header = Header("test", ("site-a", "site-b"), ("default/app",), 0.1, 0.0, 0.0)
    Sampler(sites, eyes, Writer(stream, header), EventTail(tmp_path / "events.jsonl"), changed).run(stop)
    found = parse(io.StringIO(stream.getvalue()))
    assert found.end is not None
    assert [s.state for s in found.runtime["site-a"]][0] == running and sum(
        s.samples for s in found.runtime["site-a"] if s.state == running) == 3
    assert found.runtime["site-a"][-1].state == Runtime(Power.OFF)
    assert found.service["site-b"][0].state == Answer(True, "site-a")
    assert [event.what for event in found.events] == ["power-off"]
    assert ("runtime", "site-b") in seen and ("service", "site-a") in seen


def test_the_expectations_reach_the_verdict_through_the_record(tmp_path: Path) -> None:
    history = History(served=[("site-a", 1, 5), ("site-a", 9, 20.5)], events=[did(3, "expect", detail='{"bound": 2}')])
    (tmp_path / "record.jsonl").write_text(history.text())
    assert CliRunner().invoke(main, ["verdict", str(tmp_path / "record.jsonl")]).exit_code == 1
    assert CliRunner().invoke(main, ["verdict", str(tmp_path / "record.jsonl"), "--bound", "9"]).exit_code == 2
