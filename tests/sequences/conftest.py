"""`pytest tests/sequences --sequences 1000 --seed N [--only I]`: how many random histories, and which."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .driver import Driver

MakeDriver = Callable[..., Driver]
SEQUENCES = 300  # what continuous integration has time for


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sequences", type=int, help=f"how many random histories (default {SEQUENCES})")
    parser.addoption("--seed", type=int, help="of the histories; a new one each time unless given")
    parser.addoption("--only", type=int, help="this one history alone, with all that happened in it")


def option(config: pytest.Config, name: str, default: Any) -> Any:
    """An option's value; a run that began elsewhere (all tests) does not know these options."""
    value = config.getoption("--" + name, None)
    return default if value is None else value


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    found = option(request.config, "seed", random.randrange(1 << 30))
    assert isinstance(found, int)
    return found


@pytest.fixture
def driver() -> Iterator[MakeDriver]:
    """Makes sites, each in a directory of its own on a tmpfs."""
    made: list[str] = []

    def make(**values: Any) -> Driver:
        made.append(tempfile.mkdtemp(prefix="aos-sequence-", dir="/dev/shm"))
        return Driver(made[-1], **values)

    yield make
    for directory in made:
        shutil.rmtree(directory)
