"""The wheel: what pip puts where, into an empty environment, and the agent as it runs there."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import k8sdeployment
from k8sdeployment.agent.metadata import xml
from tests.agent.kernel import CHECKOUT, interpreters

from .conftest import build, copied, run

AGENT = "lib/ocf/resource.d/aos/k8sdeployment"


@pytest.fixture(scope="module")
def prefix(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment into which pip has installed the wheel, and nothing else."""
    top = tmp_path_factory.mktemp("venv")
    run(interpreters()[0], "-m", "venv", "--without-pip", top)
    run(sys.executable, "-m", "pip", "--python", top / "bin/python", "install", "--quiet", "--no-index", "--no-deps",
        "--disable-pip-version-check", wheel)
    return top


def test_it_lands_where_pacemaker_looks_below_the_prefix(checkout: Path, prefix: Path) -> None:
    assert (prefix / AGENT).stat().st_mode & 0o111
    library = prefix / "lib/ocf/lib/aos/k8sdeployment"
    packed = {path.name for path in library.glob("agent/*.py")}
    assert packed == {path.name for path in (checkout / "k8sdeployment/agent").glob("*.py")}
    assert "d /run/aos 0755 root root" in (prefix / "lib/tmpfiles.d/aos.conf").read_text()
    assert (prefix / "share/man/man7/ocf_aos_k8sdeployment.7").read_text().startswith(".TH OCF_AOS_K8SDEPLOYMENT 7")


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).name)
def test_the_installed_agent_answers(prefix: Path, python: str) -> None:
    run(python, "-I", CHECKOUT / "rpm/check.py", prefix, "--not-compiled")


def test_it_runs_by_itself_and_off_its_own_copy(prefix: Path) -> None:
    """Not off the environment's packages: the agent is isolated from those."""
    assert run(prefix / AGENT, "meta-data") == xml()
    (prefix / "lib/ocf/lib/aos").rename(prefix / "lib/ocf/lib/aos.away")
    try:
        done = subprocess.run([prefix / AGENT, "meta-data"], capture_output=True, text=True)
        assert done.returncode != 0 and done.stdout == ""
    finally:
        (prefix / "lib/ocf/lib/aos.away").rename(prefix / "lib/ocf/lib/aos")


def test_programs_find_the_pair_in_the_environment(prefix: Path) -> None:
    told = run(prefix / "bin/python", "-I", "-c", "from k8sdeployment.conductor import settle; import k8sdeployment; "
                                                  "print(k8sdeployment.__version__, k8sdeployment.__file__)")
    version, file = told.split()
    assert version == k8sdeployment.__version__ and Path(file).is_relative_to(prefix)


def test_snopair_is_a_program(prefix: Path) -> None:
    assert (prefix / "bin/snopair").stat().st_mode & 0o111
    assert "from k8sdeployment.cli.app import main" in (prefix / "bin/snopair").read_text()


def test_it_holds_the_product_alone(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    form = f"aos_sno_pair-{k8sdeployment.__version__}"
    assert tops == {"k8sdeployment", f"{form}.data", f"{form}.dist-info"}


def test_the_same_tree_gives_the_same_bytes(checkout: Path, wheel: Path, tmp_path: Path) -> None:
    again = build(copied(checkout, tmp_path / "elsewhere"), "wheel", tmp_path)[0]
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(wheel.read_bytes()).digest()
