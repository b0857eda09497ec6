"""What is remembered within one boot: losing or breaking it costs comfort, never safety."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from k8sdeployment.agent.memory import Memory, boottime


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a" / "memory"


def test_the_next_process_remembers(path: Path) -> None:
    memory = Memory(str(path))
    memory.keep(grace=45, pods="a b c")
    memory.mark("confirmed")
    again = Memory(str(path))
    assert again.number("grace", 30) == 45 and again.names("pods") == ["a", "b", "c"]
    age = again.age("confirmed")
    assert age is not None and 0 <= age < 5


def test_nothing_remembered(path: Path) -> None:
    memory = Memory(str(path))
    assert (memory.number("grace", 30), memory.names("pods"), memory.age("confirmed")) == (30, [], None)
    assert not path.exists()


def test_forgetting(path: Path) -> None:
    memory = Memory(str(path))
    memory.keep(grace=45, pods="a")
    memory.keep(grace=None, unknown=None)
    assert path.read_text() == "pods=a\n"


def test_a_moment_just_marked_has_an_age(path: Path) -> None:
    """A rounding that puts it into the future would make it unknown."""
    memory = Memory(str(path))
    for _ in range(200):
        memory.mark("confirmed")
        assert memory.age("confirmed") is not None


def test_since_the_first_time(path: Path) -> None:
    memory = Memory(str(path))
    memory.keep(unheld=boottime() - 50)
    memory.mark("unheld", since_first=True)
    assert (memory.age("unheld") or 0) > 40
    memory.mark("unheld")
    assert (memory.age("unheld") or 0) < 40


@pytest.mark.parametrize("text", ["", "nonsense", "=", "grace\n", "grace=\nconfirmed=\n", "grace=x\nconfirmed=x\n",
                                  "grace=-5\nconfirmed=nan\n", "grace=1e9\nconfirmed=inf\n",
                                  "grace=99999999999\nconfirmed=1e99\n", "\x00\x01"])
def test_rubbish_is_nothing(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    memory = Memory(str(path))
    assert memory.number("grace", 30) == 30 and memory.age("confirmed") is None


def test_bytes_that_are_no_text(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe=\xff")
    assert Memory(str(path)).number("grace", 30) == 30


def test_a_moment_of_an_earlier_boot_that_lies_ahead_is_ignored(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(f"confirmed={boottime() + 3600}\n")
    assert Memory(str(path)).age("confirmed") is None


def test_it_works_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    memory = Memory(str(tmp_path / "file" / "memory"))
    memory.mark("confirmed")
    assert memory.age("confirmed") is not None
    assert Memory(str(tmp_path / "file" / "memory")).age("confirmed") is None


def test_unchanged_values_are_not_written_again(path: Path) -> None:
    memory = Memory(str(path))
    memory.keep(grace=5)
    path.unlink()
    memory.keep(grace=5)
    assert not path.exists()


def test_the_wall_clock_has_no_effect(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory(str(path))
    memory.mark("confirmed")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    age = memory.age("confirmed")
    assert age is not None and age < 5
