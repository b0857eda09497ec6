"""The report stands alone, says what the verdict says, and takes any text as text."""
from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lab.report import Measure, headline, page, write_report
from lab.report_timeline import marks, spans, ticks
from lab.verdict import judge
from tests.oracle.history import History, Ran, did

STORY = History(
    ran=[Ran("site-a", 1, 6, "one"), Ran("site-b", 9, 20, "two")], off=[("site-a", 6, 8.05)], length=20,
    served=[("site-a", 1, 6), ("site-b", 9.05, 20.5)],
    events=[did(6, "power-off", "site-a"), did(6.4, "power-off-done", "site-a"), did(8, "bmc", "site-a", "on asked"),
            did(8.1, "bmc", "site-a", "on: the site runs"), did(12, "note", detail="<script>alert('&')</script>")],
)


class Page(HTMLParser):
    """Collects what a page would load, and checks that its tags close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "line"):
            self.open.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "data", "action", "srcset")]
        assert tag not in ("script", "link", "iframe", "img"), f"the report must not hold <{tag}>"

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "br", "line"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_stands_alone_and_closes_its_tags() -> None:
    text = page(STORY.record(), judge(STORY.record(), bound=9))
    found = Page(text)
    assert found.loads == [] and found.open == []
    assert "url(" not in text and "@import" not in text
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}


def test_text_from_outside_stays_text() -> None:
    text = page(STORY.record(), judge(STORY.record()))
    assert "<script>" not in text and "alert('&')" in Page(text).words


def test_every_invariant_stands_there_with_its_outcome_and_evidence() -> None:
    verdict = judge(STORY.record(), bound=9)
    words = Page(page(STORY.record(), verdict)).words
    for finding in verdict.findings:
        assert f"{finding.invariant} {finding.title}" in words and finding.evidence in words
        assert finding.outcome.value in words


def test_the_headline_never_says_more_than_the_verdict() -> None:
    both = History(ran=[Ran("site-a", 2, 9, "one"), Ran("site-b", 6, 12, "two")])
    assert headline(judge(both.record())) == "Broken: I1 (at most one)"
    assert headline(judge(History().record())).startswith("No verdict")
    assert headline(judge(STORY.record())) == "4 invariants held, 4 not judged"


def test_measures_show_and_a_missed_one_says_so() -> None:
    measures = [Measure("takeover", 9.04, 8.0), Measure("move", 1.26, 2.5), Measure("boot", 30.0)]
    words = Page(page(STORY.record(), judge(STORY.record()), measures)).words
    assert "9.0 s" in words and "at most 8 s: missed" in words
    assert "1.3 s" in words and "at most 2.5 s: missed" not in words


def test_events_in_words_the_fence_marked() -> None:
    found = marks(STORY.record().events)
    assert [mark.text for mark in found][:2] == [
        "power of site-a cut", "fence: the BMC of site-a is told to switch it on, having found it off"]
    assert [mark.fence for mark in found] == [False, True, False]


@pytest.mark.parametrize("seconds", [0.5, 7, 79, 600, 7200])
def test_the_axis_has_room_for_its_numbers(seconds: float) -> None:
    found = ticks(seconds)
    assert found[0] == 0 and found[-1] <= seconds and len(found) <= 15


def test_spans_join_what_belongs_together() -> None:
    found = spans(STORY.record().service["site-a"], lambda answer: answer.up)
    assert [(round(a - 100, 1), round(b - 100, 1)) for a, b in found] == [(1.0, 5.9)]


def test_an_empty_watch_makes_a_page_too(tmp_path: Path) -> None:
    record = History(length=0.2, looks=[0.0]).record()
    write_report(tmp_path / "report.html", record, judge(record))
    assert "No verdict" in (tmp_path / "report.html").read_text(encoding="utf-8")
