"""Under CI a skip is a failure, unless its reason is one that this machine itself proves true. One plane for all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.agent.kernel import interpreters

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

    from lab.plane import Plane

# An example's time is the machine's business: two processes of tests run at once.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
HERE = Path(__file__).parent
# reason's beginning -> whether this machine really lacks what the test needs
EXCUSES: dict[str, Callable[[], bool]] = {
    "no hardware watchdog": lambda: not Path("/dev/watchdog").exists(),
    "no Python 3.9": lambda: len(interpreters()) == 1,
}


@pytest.fixture(scope="session")
def plane() -> Iterator[Plane]:
    """A real control plane on loopback. Mark its tests `lab`: a fresh machine compiles Kubernetes first."""
    from lab.plane import Plane  # here: the agent's own tests run without the lab
    with Plane() as running:
        yield running


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Where pytest-xdist runs several at once, a folder's tests stay together: they share a control plane or a cluster,
    and folders share nothing."""
    from xdist.scheduler import LoadScopeScheduling  # here: the agent's own tests run without it

    class Folders(LoadScopeScheduling):  # type: ignore[misc]
        """By the folder below tests/."""

        def _split_scope(self, nodeid: str) -> str:
            return nodeid.split("/")[1]

    return Folders(config, log)


def excused(reason: str) -> bool:
    """Whether a skip's reason is known and true here."""
    return any(reason.startswith(known) and true() for known, true in EXCUSES.items())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    unexcused = _unexcused(terminalreporter)
    if os.environ.get("CI") and unexcused:
        terminalreporter.section("skipped although this machine can do it", red=True)
        for reason in sorted(unexcused):
            terminalreporter.line(reason)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and _unexcused(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unexcused(reporter: pytest.TerminalReporter) -> set[str]:
    reasons = set()
    for report in reporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = text.removeprefix("Skipped: ")
        if not excused(reason):
            reasons.add(f"{report.nodeid}: {reason}")
    return reasons
