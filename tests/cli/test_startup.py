"""`snopair status` answers at once, on a slow core too: what it may load, and what it may ask."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.tools import Tools, world
from tests.cli.test_view import status

CALL = """
import sys
from pathlib import Path
from k8sdeployment.cli.app import main
from k8sdeployment.cli.world import World
files = {"crm_mon": Path(sys.argv[1]), "cibadmin": Path(sys.argv[2])}
told = World(run=lambda argv, seconds, text: files[argv[0]].read_text(), here=lambda: True, snapshot=Path(sys.argv[3]))
sys.exit(main(sys.argv[4:], obj=told))
"""
SEEN = Path(__file__).parent / "seen"
# Each takes longer to load than crm_mon takes to answer.
SLOW = {"pydantic", "pydantic_core", "yaml", "kopf", "kubernetes", "prometheus_client", "http", "ssl", "asyncio",
        "tarfile"}


def loaded(tmp_path: Path, *words: str) -> tuple[int, set[str]]:
    """Exit code and the top-level names of what a call imported."""
    file = tmp_path / "status.json"
    file.write_text(json.dumps(status()))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", CALL, str(SEEN / "running.mon.xml"), str(SEEN / "running.cib.xml"),
         str(file), *words], capture_output=True, text=True, timeout=60, check=False)
    names = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE)) - {"package"}
    assert "k8sdeployment.cli.app" in names, done.stderr
    return done.returncode, {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("words, beside", [(("status", "-o", "json"), {"rich"}), (("history", "-o", "json"), {"rich"}),
                                           (("status",), set()), (("--help",), {"rich"})])
def test_what_a_quick_answer_loads(tmp_path: Path, words: tuple[str, ...], beside: set[str]) -> None:
    code, names = loaded(tmp_path, *words)
    assert code in (0, 1)
    assert not names & (SLOW | beside), names & (SLOW | beside)


def test_the_measure_sees_what_a_slow_verb_loads(tmp_path: Path) -> None:
    """This test can fail: `init` loads the model."""
    assert "pydantic" in loaded(tmp_path, "init", "--from", "/dev/null", "--into", str(tmp_path / "b"))[1]


def test_status_asks_twice_and_never_the_api(tmp_path: Path) -> None:
    asked = []
    tools = Tools("running")

    def run(argv: tuple[str, ...], seconds: float, text: str | None = None) -> str:
        asked.append((argv[0], seconds))
        return tools(argv, seconds, text)
    from k8sdeployment.cli.status import look
    look(world(run, tmp_path / "none"))
    assert [name for name, _ in asked] == ["crm_mon", "cibadmin"]
    assert all(seconds <= 5 for _, seconds in asked)
