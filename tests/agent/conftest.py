"""What the agent's tests share: the agent as it is installed, and a permit directory on a tmpfs of the host."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import kernel
from .cluster import Cluster, Site, api_of, gated_spec, permit_at
from .stage import Stage
from .tls import Authority


@pytest.fixture(scope="session")
def installed() -> Iterator[Path]:
    """The executable in a tree laid out like /usr/lib/ocf, readable by every user."""
    root = Path(tempfile.mkdtemp(prefix="aos-ocf-"))
    root.chmod(0o755)
    library = root / "lib/aos/k8sdeployment"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(kernel.CHECKOUT / "k8sdeployment/agent", library / "agent", ignore=ignored)
    shutil.copy(kernel.CHECKOUT / "k8sdeployment/__init__.py", library)
    executable = root / "resource.d/aos/k8sdeployment"
    executable.parent.mkdir(parents=True)
    shutil.copy(kernel.CHECKOUT / "ocf/k8sdeployment", executable)
    yield executable
    shutil.rmtree(root)


@pytest.fixture
def permit_dir(tmp_path: Path) -> Iterator[Path]:
    """A directory that proves something: a tmpfs that process 1 sees as well. Use with `needs_host`."""
    tmp_path.chmod(0o755)
    with kernel.tmpfs(tmp_path / "aos") as directory:
        yield directory


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def stage(permit_dir: Path, tmp_path: Path, authority: Authority, installed: Path) -> Iterator[Stage]:
    """A site with a gated workload that nobody has started yet. Use with `needs_host`."""
    permit = permit_at(permit_dir)
    cluster = Cluster(gated_spec(permit.path))
    site = Site(tmp_path, cluster, permit)
    with api_of(cluster, authority, tmp_path) as kubeconfig, site.stack:
        yield Stage(site, installed, kubeconfig, permit_dir)


@pytest.fixture
def started(stage: Stage) -> Stage:
    """As after a start: granted, one pod that runs."""
    stage.site.grant()
    stage.site.run("app-a")
    return stage
