"""No file of the project knows the machine it was written on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.tables import ROOT
from tests.docs.reading import tracked

# Directories of somebody's machine. Built from parts: this file is searched, too.
MACHINE = re.compile(r"(?<![\w}])/(?:" + "|".join(("work", "root")) + r")/[\w.]")
HOST = re.compile(r"\bhttps?://(?:[^\s/@\"'`]*@)?(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)")
PRIVATE = re.compile(r"127\.0\.0\.1|10\.[\d.]+|\[fd[0-9a-f:]+\]|[\w.-]+\.(?:example|invalid|test|svc)|HOST|[a-z]+")
PUBLIC = {"www.apache.org", "www.w3.org", "keepachangelog.com", "semver.org", "kubernetes.io", "github.com"}
# Who says where packages come from writes an index or a proxy into the project.
SOURCES = re.compile(r"\b(?:index-url|trusted-host|GOPROXY|GONOSUMDB|npm_config_registry)\b", re.IGNORECASE)


def text_of(path: str) -> str:
    """The file's text; what is not UTF-8 has none."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def offences(text: str) -> list[str]:
    """What must not stand in a tracked file."""
    strangers = [host for host in HOST.findall(text) if host not in PUBLIC and not PRIVATE.fullmatch(host)]
    return [*MACHINE.findall(text), *strangers, *SOURCES.findall(text)]


@pytest.mark.parametrize("path", sorted({Path(path).parts[0] for path in tracked()}))
def test_no_file_names_this_machine(path: str) -> None:
    """Neither its directories nor the mirrors it happens to use; new public hosts are added to PUBLIC by hand."""
    found = {file: bad for file in tracked() if Path(file).parts[0] == path and file != "tests/docs/test_hygiene.py"
             if (bad := offences(text_of(file)))}
    assert not found


@pytest.mark.parametrize("text", [
    "see /" + "work/main/lab", 'open("/' + 'root/.cache/x")', "http://mirror.corp.net/debian", "pip --index-" + "url=x",
    "https://user:word@packages.somewhere.org/simple", "GO" + "PROXY=off",
])
def test_offences_are_found(text: str) -> None:
    assert offences(text)


@pytest.mark.parametrize("text", [
    "/proc/1/root/run/x", 'HOME": "/root"', "http://10.91.9.11:8080/", "https://127.0.0.1:6443",
    "http://mirror.example/", "lab/work/x", "https://www.apache.org/licenses/LICENSE-2.0",
])
def test_the_ordinary_is_no_offence(text: str) -> None:
    assert not offences(text)
