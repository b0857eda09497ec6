"""The man page is whole, well formed, and tells what the metadata tell."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs import manpage
from k8sdeployment.agent import codes
from k8sdeployment.agent.metadata import xml

SECONDS = 86400.0 * 365


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page as a reader has it, on one line."""
    path = tmp_path_factory.mktemp("man") / f"{manpage.PAGE}.7"
    path.write_text(manpage.page(SECONDS), encoding="utf-8")
    shown = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=1000", str(path)], capture_output=True, text=True,
                           check=True).stdout
    return " ".join(re.sub(".\b", "", shown).split())  # bold is printed twice, with a backspace between


def lint(page: str, path: Path) -> str:
    """What mandoc objects to; long lines are a matter of style only."""
    path.write_text(page, encoding="utf-8")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(path)], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_mandoc_finds_nothing(tmp_path: Path) -> None:
    assert lint(manpage.page(SECONDS), tmp_path / "page.7") == ""


def test_a_broken_page_is_found(tmp_path: Path) -> None:
    assert lint(manpage.page(SECONDS).replace(".SH ACTIONS", ".SX ACTIONS"), tmp_path / "page.7")


def test_every_parameter_is_there_with_its_words_and_default(printed: str) -> None:
    parameters = ElementTree.fromstring(xml().encode()).findall("parameters/parameter")
    assert len(parameters) > 10
    for parameter in parameters:
        words = " ".join((parameter.findtext("longdesc") or "").split())
        content = parameter.find("content")
        assert content is not None
        told = f"default {content.get('default')}" if content.get("default") else ""
        assert f"{parameter.get('name')} {words} ({content.get('type')}, " in printed
        assert told in printed


def test_every_action_and_code_is_there(printed: str) -> None:
    for action, allowed in codes.ALLOWED.items():
        title = manpage.TITLES.get(action, action)
        section = printed.split(f" {title} {allowed[0]} (OCF_", 1)[1]
        for code in allowed[1:]:
            assert f" {code} (OCF_" in section


def test_nothing_of_markdown_is_left(printed: str) -> None:
    assert not [mark for mark in ("`", "**", "&lt;", "\\f") if mark in printed]


def test_the_date_is_the_given_one(printed: str) -> None:
    assert "1971-01-01" in printed


@pytest.mark.parametrize("text,line", [
    (".so /etc/passwd", "\\&.so /etc/passwd"), ("'quoted", "\\&'quoted"), ("back\\slash", "back\\eslash"),
    ("two\nlines", "two lines"), ("`code` and **strong**", "\\fBcode\\fR and \\fBstrong\\fR"), ("a-b", "a\\-b"),
])
def test_text_cannot_become_a_request(text: str, line: str) -> None:
    assert manpage.roff(text) == line
