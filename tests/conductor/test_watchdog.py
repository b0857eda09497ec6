"""A site that must end is fed no more, though its peer is told to end meanwhile. sbd is any process here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from k8sdeployment.conductor import pill
from k8sdeployment.conductor.feeder import Feeder
from k8sdeployment.conductor.syslog import Words


class Lost:
    """A guard that sees no quorum."""

    def __init__(self, *_: object) -> None:
        pass

    def look(self) -> str:
        return "no quorum"


class Fed:
    """Which looks were allowed to feed; at the last one sbd ends."""

    armed, disarmed = True, False

    def __init__(self, sbd: subprocess.Popen[bytes]) -> None:
        self._sbd = sbd
        self.looks: list[bool] = []

    def look(self, good: bool) -> None:
        self.looks.append(good)
        if len(self.looks) == 4:
            self._sbd.kill()


class Asked(pill.Ending):
    """Told to end at the second question."""

    def __init__(self) -> None:
        self.pipe, self._write = os.pipe()
        self.was_asked, self._questions = False, 0

    def asked(self) -> bool:
        self._questions += 1
        self.was_asked = self._questions >= 2
        return self._questions == 2


def test_a_site_that_must_end_is_not_fed_while_its_peer_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[bool] = []
    with subprocess.Popen(["sleep", "60"]) as sbd:
        (tmp_path / "pid").write_text(f"{sbd.pid}\n")
        fed = Fed(sbd)
        monkeypatch.setattr(pill, "SBD_PID", str(tmp_path / "pid"))
        monkeypatch.setattr(pill, "Guard", Lost)
        monkeypatch.setattr(pill, "in_order", lambda: True)
        monkeypatch.setattr(pill, "_end", lambda daemon, words, orderly: ended.append(orderly))
        words: Any = Words(str(tmp_path / "log"), os.open(os.devnull, os.O_WRONLY))
        pill._watch(words, Asked(), tmp_path / "mark", cast(Feeder, fed))
    assert fed.looks == [True, False, False, False], "the first one takes what sbd armed it with"
    assert ended == [False], "nor is it let go of"
