"""Builds the packages of this checkout, as it is: the RPM of the agent (with its source RPM), or the wheel.

    lab/python rpm/build.py rpm [--tests [PATH]] [--python /usr/bin/python3.9 ...]
    lab/python rpm/build.py wheel

The same tree gives the same bytes: what would be the hour of the build is that of the last commit (SOURCE_DATE_EPOCH
where it is set), the order of files is fixed, and no path or name of the building machine is kept.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "resource-agents-aos-k8sdeployment"
SYSTEM_PYTHON = "/usr/bin/python3"


def version() -> str:
    """The version, as the package itself declares it."""
    found = re.search(r'^__version__ = "(.+)"$', (ROOT / "k8sdeployment/__init__.py").read_text(), re.MULTILINE)
    assert found, "k8sdeployment/__init__.py has no __version__"
    return found[1]


def epoch() -> int:
    """The hour that stands in everything built, in seconds since 1970."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return int(given or subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def sources() -> list[Path]:
    """The files of the checkout as they lie there, new ones too, what git ignores left out; relative to its root."""
    listing = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             capture_output=True, text=True, check=True).stdout
    return sorted(Path(name) for name in set(listing.split("\0")) if name and (ROOT / name).is_file())


def tarball(path: Path, more: dict[str, bytes] | None = None) -> None:
    """Writes the sources, and `more` files by name, as a .tar.gz whose only folder is its own name."""
    top = path.name.removesuffix(".tar.gz")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sources():
            executable = os.access(ROOT / name, os.X_OK)
            _add(tar, f"{top}/{name}", (ROOT / name).read_bytes(), 0o755 if executable else 0o644)
        for extra, content in (more or {}).items():
            _add(tar, f"{top}/{extra}", content, 0o644)
    path.write_bytes(gzip.compress(raw.getvalue(), mtime=epoch()))


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), mode, epoch()
    entry.uname = entry.gname = "root"
    tar.addfile(entry, io.BytesIO(content))


# -- the spec ------------------------------------------------------------------------------------------------------

def entries() -> list[tuple[str, str, list[str]]]:
    """CHANGELOG.md's versions, newest first: version, date or "unreleased", the first words of each point."""
    parts = re.split(r"^## \[(\S+)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]
    return [(parts[at], parts[at + 1], [" ".join(bold.replace("`", "").split())
                                        for bold in re.findall(r"^- \*\*(.+?)\*\*", parts[at + 2], re.M | re.S)])
            for at in range(0, len(parts), 3)]


def release(date: str) -> str:
    """The RPM's release: what is built before the version is out must be older than the version."""
    return "1" if date != "unreleased" else time.strftime("0.%Y%m%d", time.gmtime(epoch()))


def changelog() -> str:
    """CHANGELOG.md in the form of a spec."""
    text = []
    for number, date, points in entries():
        day = time.strptime(date, "%Y-%m-%d") if date != "unreleased" else time.gmtime(epoch())
        text.append(f"* {time.strftime('%a %b %d %Y', day)} aos-sno-pair - {number}-{release(date)}\n")
        text.extend(f"- {point.replace('%', '%%')}\n" for point in points or ["See CHANGELOG.md"])
        text.append("\n")
    return "".join(text).rstrip() + "\n"


def spec() -> str:
    """The spec with version, release and changelog filled in."""
    text = (ROOT / f"rpm/{NAME}.spec.in").read_text()
    for mark, value in {"VERSION": version(), "RELEASE": release(entries()[0][1]), "CHANGELOG": changelog()}.items():
        text = text.replace(f"@{mark}@", value)
    return text.rstrip() + "\n"


# -- building ------------------------------------------------------------------------------------------------------

def environment() -> dict[str, str]:
    """What a build sees of this one: the hour, no locale, no path to the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_", "LANG"))}
    return kept | {"SOURCE_DATE_EPOCH": str(epoch()), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _quietly(*command: str, cwd: str | Path = ROOT) -> None:
    """Runs a command whose output is of interest only when it fails: then CalledProcessError."""
    done = subprocess.run(command, cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode:
        print(done.stdout, file=sys.stderr)
    done.check_returncode()


def _is_of_rpm(path: str) -> bool:
    """Whether this system's own packages are RPMs, so that its database can tell what a build requires."""
    return subprocess.run(["rpm", "-q", "--whatprovides", path], capture_output=True).returncode == 0


def build_rpm(out: Path, pythons: list[str], tests: str | None) -> list[Path]:
    """Builds source and binary RPM; returns their paths in `out`. CalledProcessError when rpmbuild fails.

    `tests` is the Python that runs the agent's tests on the way, if they shall be run.
    """
    with tempfile.TemporaryDirectory(prefix="aos-rpm-") as top:
        for folder in ("SOURCES", "tmp"):
            (Path(top) / folder).mkdir()
        tarball(Path(top) / f"SOURCES/{NAME}-{version()}.tar.gz")
        (Path(top) / f"{NAME}.spec").write_text(spec())
        for path in (*Path(top).glob("SOURCES/*"), Path(top) / f"{NAME}.spec"):
            os.utime(path, (epoch(), epoch()))  # rpmbuild levels the times of what it builds, not of its sources
        # rpmbuild keeps the spec with every path in it in the source RPM; this one is the same on every machine.
        _rpmbuild(top, "-bs", {"_topdir": "/proc/self/cwd"})
        _rpmbuild(top, "-bb", {"_topdir": top, "agent_pythons": " ".join(pythons), "test_python": tests or "false"},
                  *(["--with", "tests"] if tests else []))
        return [_keep(path, out) for path in sorted(Path(top).glob("*RPMS/**/*.rpm"))]


def _rpmbuild(top: str, what: str, defined: dict[str, str], *options: str) -> None:
    level = {"_tmppath": f"{top}/tmp", "_buildhost": "localhost", "use_source_date_epoch_as_buildtime": "1",
             "clamp_mtime_to_source_date_epoch": "1"}
    macros = [word for name, value in {**level, **defined}.items() for word in ("-D", f"{name} {value}")]
    # Debian's own packages are in no RPM database that a build's requirements could be looked up in.
    unchecked = [] if _is_of_rpm(SYSTEM_PYTHON) else ["--nodeps"]
    _quietly("rpmbuild", what, *macros, *options, *unchecked, f"{NAME}.spec", cwd=top)


def build_wheel(out: Path) -> list[Path]:
    """Builds the wheel with the man page in it; returns its path in `out`. CalledProcessError when pip fails."""
    with tempfile.TemporaryDirectory(prefix="aos-wheel-") as top:
        page = subprocess.run([sys.executable, "-m", "docs.manpage"], cwd=ROOT, env=environment(), capture_output=True,
                              check=True).stdout
        source = Path(top) / f"aos_sno_pair-{version()}.tar.gz"
        tarball(source, {"man/ocf_aos_k8sdeployment.7": page})
        _quietly(sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-index", "--no-deps",
                 "--no-build-isolation", "--wheel-dir", top, str(source))
        return [_keep(path, out) for path in Path(top).glob("*.whl")]


def _keep(path: Path, out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    (out / path.name).write_bytes(path.read_bytes())
    return out / path.name


def main(arguments: list[str]) -> int:
    """Builds what the arguments name and prints where it is."""
    parser = argparse.ArgumentParser(prog="rpm/build.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("rpm", "wheel"))
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the results (default: dist)")
    parser.add_argument("--tests", nargs="?", const=sys.executable, metavar="PATH",
                        help="run the agent's tests in %%check, by this Python (default: the one that runs this)")
    parser.add_argument("--python", action="append", metavar="PATH",
                        help=f"a Python to compile for and to check with; may be repeated (default: {SYSTEM_PYTHON})")
    given = parser.parse_args(arguments)
    try:
        built = build_wheel(given.out) if given.what == "wheel" else build_rpm(
            given.out, given.python or [SYSTEM_PYTHON], given.tests)
    except subprocess.CalledProcessError as error:
        print(f"rpm/build.py: {error.cmd[0]} failed", file=sys.stderr)
        return 1
    print(*built, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
