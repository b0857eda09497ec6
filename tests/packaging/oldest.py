"""A plugin of pytest: makes the agent's tests run the agent by the Python that runs them, which is to be a 3.9."""

from __future__ import annotations

import sys

from tests.agent import kernel

assert sys.version_info[:2] == (3, 9), sys.version
kernel.interpreters = lambda: [sys.executable]  # type: ignore[assignment]
