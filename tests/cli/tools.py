"""What crm_mon and cibadmin print in each situation, and a world that is made of it.

The files below seen/ are the tools' own; `tests/cli/test_contract.py` makes them and holds them to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

from k8sdeployment.cli.world import ProgramError, World

SEEN = Path(__file__).parent / "seen"
NOW = 1_795_766_400.0  # 2026-11-27 08:00:00 UTC, when everything in the files was started
WORKLOADS: list[dict[str, Any]] = [
    {"name": "web", "preferredSite": "site-a"},
    {"name": "db", "namespace": "shop", "kind": "StatefulSet", "preferredSite": "site-b", "failback": "Automatic"},
    {"name": "7seg"},
]
_FILE = ("env", "CIB_file=FILE")
# How each situation is made of two sites that are online with web and 7seg on site-a, db on site-b.
CASES: dict[str, tuple[tuple[str, ...], ...]] = {
    "running": (),
    "standby": ((*_FILE, "crm_attribute", "--node", "site-b", "--name", "standby", "--update", "on"),
                ("crm_simulate", "--xml-file", "FILE", "--simulate", "--quiet", "--save-output", "FILE")),
    "maintenance": ((*_FILE, "crm_attribute", "--type", "crm_config", "--name", "maintenance-mode",
                     "--update", "true"),),
    "unclean": (("crm_simulate", "--xml-file", "FILE", "--quiet", "--node-fail", "site-b", "--save-input", "FILE"),),
    "offline": (("crm_simulate", "--xml-file", "FILE", "--simulate", "--quiet", "--node-fail", "site-b",
                 "--save-output", "FILE"),),
}
Answer = Callable[[Sequence[str]], Optional[str]]


def text(name: str) -> str:
    """A file of the tools' own."""
    return (SEEN / name).read_text(encoding="utf-8")


class Tools:
    """The cluster's programs: each look prints the next situation, the last one for ever; all calls are kept."""

    def __init__(self, *situations: str, answer: Answer = lambda argv: None) -> None:
        self.calls: list[tuple[str, ...]] = []
        self._situations, self._now, self._answer = list(situations), situations[0], answer

    def __call__(self, argv: Sequence[str], seconds: float, given: Optional[str] = None) -> str:
        assert seconds > 0
        if argv[0] == "crm_mon":
            self._now = self._situations.pop(0) if len(self._situations) > 1 else self._situations[0]
            if self._now == "dead":
                raise ProgramError("crm_mon failed (102): </pacemaker-result>", text("dead.mon.xml"), 102)
            return text(f"{self._now}.mon.xml")
        if tuple(argv) == ("cibadmin", "--query"):
            return text(f"{self._now}.cib.xml")
        self.calls.append(tuple(argv))
        return self._answer(argv) or ""


class Time:
    """Passes only while something is waited for."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        """Seconds."""
        return self.passed

    def wait(self, seconds: float) -> None:
        """Let them pass."""
        self.passed += seconds


def world(tools: Callable[..., str], snapshot: Path, here: bool = True, now: float = NOW) -> World:
    """Surroundings of these programs."""
    time = Time()
    return World(run=tools, clock=lambda: now, monotonic=time.now, wait=time.wait, here=lambda: here, snapshot=snapshot)
