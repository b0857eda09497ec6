"""What the tests of the command line share."""

from pathlib import Path

import pytest

from lab.build import kube


@pytest.fixture(scope="session")
def kubectl() -> Path:
    """The real kubectl; a fresh machine builds it for minutes."""
    return kube.binaries(print) / "kubectl"
