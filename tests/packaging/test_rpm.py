"""The RPM: what it holds, what it asks for, and the agent as rpm puts it into an empty root."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import k8sdeployment
from k8sdeployment.agent.metadata import xml
from tests.agent.kernel import CHECKOUT, interpreters, needs_root

from .conftest import EPOCH, NAME, build, copied, pythons, run

AGENT = "/usr/lib/ocf/resource.d/aos/k8sdeployment"
LIBRARY = "/usr/lib/ocf/lib/aos/k8sdeployment"
CHECK = CHECKOUT / "rpm/check.py"
# Where another package's name may stand: these would have to be on the host, or in its extension.
OF_RPM_ITSELF = re.compile(r"rpmlib\(\w+\) <= .+")


def query(package: Path, form: str) -> list[str]:
    return run("rpm", "-qp", "--qf", form, package).splitlines()


# -- the package ---------------------------------------------------------------------------------------------------

def test_rpmlint_finds_nothing(rpms: list[Path], tmp_path: Path) -> None:
    """The packages, and the spec inside the source package."""
    assert "0 errors, 0 warnings" in run("rpmlint", "--config", CHECKOUT / "rpm/rpmlint.toml", *rpms)
    run("sh", "-c", 'rpm2cpio "$0" | cpio --quiet -D "$1" -i', rpms[1], tmp_path)
    spec = tmp_path / f"{NAME}.spec"
    assert "0 errors, 0 warnings" in run("rpmlint", "--config", CHECKOUT / "rpm/rpmlint.toml", spec)
    assert "@" not in re.sub(r"\S+@\S+\.\S+", "", spec.read_text()), "a mark was left unfilled"


def test_a_fault_is_found_by_rpmlint(rpms: list[Path], tmp_path: Path) -> None:
    """The filters leave it its eyes."""
    run("sh", "-c", 'rpm2cpio "$0" | cpio --quiet -D "$1" -i', rpms[1], tmp_path)
    spec = tmp_path / f"{NAME}.spec"
    spec.write_text(spec.read_text().replace("%setup -q", "%setup -q\nrm -rf $RPM_BUILD_ROOT"))
    done = subprocess.run(["rpmlint", "--config", str(CHECKOUT / "rpm/rpmlint.toml"), str(spec)], text=True,
                          capture_output=True, env={**os.environ, "PYTHONPATH": ""})
    assert "0 errors, 0 warnings" not in done.stdout


def test_it_requires_python_and_nothing_else(rpms: list[Path]) -> None:
    """Whatever else stood here would have to be part of RHEL CoreOS or of its extension."""
    asked = run("rpm", "-qp", "--requires", rpms[0]).splitlines()
    assert sorted(line for line in asked if not OF_RPM_ITSELF.fullmatch(line)) == ["/usr/bin/python3", "python3 >= 3.9"]
    assert run("rpm", "-qp", "--recommends", "--supplements", "--scripts", "--triggers", rpms[0]) == ""


def test_what_it_is(rpms: list[Path]) -> None:
    name, version, release, arch, licence = query(rpms[0], r"%{name}\n%{version}\n%{release}\n%{arch}\n%{license}\n")
    assert (name, version, arch, licence) == (NAME, k8sdeployment.__version__, "noarch", "Apache-2.0")
    unreleased = f"## [{version}] - unreleased" in (CHECKOUT / "CHANGELOG.md").read_text()
    assert re.fullmatch(r"0\.\d{8}" if unreleased else "1", release), "before it is out it must be older than it"


def test_the_newest_entry_of_the_changelog_is_this_version(rpms: list[Path]) -> None:
    lines = run("rpm", "-qp", "--changelog", rpms[0]).splitlines()
    assert lines[0].endswith(f"- {k8sdeployment.__version__}-{query(rpms[0], '%{release}')[0]}")
    assert lines[1].startswith("- ") and "*" not in lines[1]


def test_every_file_is_root_s_and_for_everybody(rpms: list[Path]) -> None:
    files = dict(line.split(" ", 1) for line in query(rpms[0], r"[%{filenames} %{filemodes:perms} %{fileusername} "
                                                               r"%{filegroupname}\n]"))
    allowed = {"drwxr-xr-x root root", "-rw-r--r-- root root"}
    assert {path: told for path, told in files.items() if told not in allowed} == {AGENT: "-rwxr-xr-x root root"}
    others = {path for path in files if not path.startswith(LIBRARY) and files[path][0] == "-"}
    assert {path.split(".7")[0] for path in others} == {
        AGENT, "/usr/lib/tmpfiles.d/aos.conf", "/usr/share/man/man7/ocf_aos_k8sdeployment",
        *(path for path in others if path.startswith("/usr/share/licenses/"))}


def test_it_holds_the_agent_and_nothing_beside_it(checkout: Path, rpms: list[Path]) -> None:
    """Not the pair, not the conductor; all that the agent imports."""
    files = run("rpm", "-qpl", rpms[0]).splitlines()
    modules = {path.removeprefix(LIBRARY + "/") for path in files if path.startswith(LIBRARY) and path.endswith(".py")}
    package = checkout / "k8sdeployment"
    assert modules == {"__init__.py", *(str(path.relative_to(package)) for path in package.glob("agent/*.py"))}


def test_the_same_tree_gives_the_same_bytes(checkout: Path, rpms: list[Path], tmp_path: Path) -> None:
    """Wherever it lies."""
    again = build(copied(checkout, tmp_path / "elsewhere"), "rpm", tmp_path, *pythons())
    digests = [[hashlib.sha256(path.read_bytes()).hexdigest() for path in paths] for paths in (rpms, again)]
    assert digests[0] == digests[1]


def test_the_builder_leaves_no_trace(checkout: Path, rpms: list[Path]) -> None:
    """No path of the build root, in compiled files least of all; no host."""
    assert query(rpms[0], "%{buildhost}") == ["localhost"]
    unpacked = subprocess.run(["rpm2cpio", str(rpms[0])], capture_output=True, check=True).stdout
    assert b"BUILDROOT" not in unpacked and str(checkout).encode() not in unpacked


def test_the_agents_tests_run_in_check_when_asked_for(checkout: Path, tmp_path: Path) -> None:
    """By a stand-in for pytest's Python, which tells what it was asked for and fails: so must the build."""
    teller = tmp_path / "python"
    teller.write_text("#!/bin/sh\necho asked: \"$@\"\nexit 1\n")
    teller.chmod(0o755)
    command = [sys.executable, str(checkout / "rpm/build.py"), "rpm", "--out", str(tmp_path / "out"),
               "--tests", str(teller)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH})
    assert done.returncode == 1 and not (tmp_path / "out").exists()
    assert "asked: -m pytest -q -p no:cacheprovider -m not lab tests/agent" in done.stderr


# -- installed -----------------------------------------------------------------------------------------------------

@needs_root
def test_without_python_it_is_refused(rpms: list[Path], tmp_path: Path) -> None:
    done = subprocess.run(["rpm", "--root", str(tmp_path), "-i", str(rpms[0])], capture_output=True, text=True)
    assert done.returncode != 0 and "python3 >= 3.9 is needed" in done.stderr


def test_rpm_finds_every_file_as_it_was_packed(root: Path) -> None:
    assert run("rpm", "--root", root, "-V", NAME) == ""


def test_removing_it_leaves_nothing(rpms: list[Path], python_rpm: Path, tmp_path: Path) -> None:
    run("rpm", "--root", tmp_path, "-i", python_rpm, rpms[0])
    run("rpm", "--root", tmp_path, "-e", NAME)
    assert not list(tmp_path.glob("usr/**/*aos*")) and not (tmp_path / "usr/lib/ocf").exists()


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).name)
def test_the_installed_agent_answers(root: Path, python: str) -> None:
    run(python, "-I", CHECK, root / "usr")
    assert run(python, "-IS", f"{root}{AGENT}", "meta-data") == xml()


@needs_root
def test_it_runs_in_a_root_whose_usr_nobody_can_write(root: Path, tmp_path: Path) -> None:
    """As on CoreOS, by the agent's own first line: this machine's /usr below the package's, read-only."""
    for name in ("bin", "lib", "lib64"):
        (tmp_path / name).symlink_to(f"usr/{name}")
    (tmp_path / "usr").mkdir()
    script = ('mount -t overlay overlay -o ro,lowerdir="$0"/usr:/usr "$1"/usr && ! touch "$1"/usr/x 2>/dev/null && '
              'exec chroot "$@"')
    inside = ("unshare", "-m", "--propagation", "private", "sh", "-c", script, root, tmp_path, "/usr/bin/env", "-i")
    assert run(*inside, AGENT, "meta-data") == xml()
    assert run(*inside, "OCF_RESKEY_deployment=app", AGENT, "validate-all") == ""
    assert run(*inside, "sh", "-c", f"{AGENT} promote; echo $?") == "3\n"


# -- check.py finds what it looks for ------------------------------------------------------------------------------

@pytest.mark.parametrize("damage,told", [
    ("rm -r lib/ocf/lib/aos/k8sdeployment/agent/__pycache__", "is missing: the agent would be compiled anew"),
    ("chmod -x lib/ocf/resource.d/aos/k8sdeployment", "is not executable"),
    ("sed -i '1s/-IS/-s/' lib/ocf/resource.d/aos/k8sdeployment", "begins with '#!/usr/bin/python3 -s'"),
    ("echo 'import sys; sys.exit(0)' >lib/ocf/resource.d/aos/k8sdeployment", "'stop' with"),
    ("rm lib/ocf/lib/aos/k8sdeployment/agent/stop.py", "'stop' with"),
    ("python3 -m compileall -q -f lib/ocf/lib/aos", "is not an unchecked, hash-based file"),
])
def test_a_damaged_installation_is_found(root: Path, tmp_path: Path, damage: str, told: str) -> None:
    shutil.copytree(root / "usr", tmp_path / "usr")
    subprocess.run(["sh", "-c", damage], cwd=tmp_path / "usr", check=True)
    done = subprocess.run([interpreters()[0], "-I", str(CHECK), str(tmp_path / "usr")], capture_output=True, text=True)
    assert done.returncode == 1 and told in done.stderr
