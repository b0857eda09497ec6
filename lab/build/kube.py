"""Kubernetes' own binaries and etcd, built once from their Go modules, or taken from the directory AOS_KUBE_BIN names.

k8s.io/kubernetes refers to its staging modules by relative path, which a plain `go install` refuses; a wrapper module
that pins each of them to the matching release builds the same programs.

etcd is of the series that this Kubernetes was made for. Debian's 3.4 lacks the watch progress that the API server's
caches ask for: after a restart of the API server, watches stood still and LISTs waited three seconds each.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import paths, shell
from lab.errors import LabError

VERSION = "1.34.4"
ETCD_VERSION = "3.6.5"
ETCD = "etcd"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl", ETCD)
MODULE = "k8s.io/kubernetes"
ETCD_MODULE = "go.etcd.io/etcd/server/v3"
COMPILE_SECONDS = 3600.0


def binaries(say: Callable[[str], None]) -> Path:
    """The directory that holds all PROGRAMS; builds them when no one has yet."""
    named = os.environ.get("AOS_KUBE_BIN")
    if named:
        return _given(Path(named))
    ready = paths.cache_dir() / "kube" / f"{VERSION}-etcd-{ETCD_VERSION}"
    ready.mkdir(parents=True, exist_ok=True)
    absent = [program for program in PROGRAMS if not (ready / program).is_file()]
    if ETCD in absent:
        _build_etcd(ready, say)
    if set(absent) - {ETCD}:
        _build([program for program in absent if program != ETCD], ready, say)
    return ready


def _given(directory: Path) -> Path:
    absent = [program for program in PROGRAMS if not (directory / program).is_file()]
    if absent:
        raise LabError(f"AOS_KUBE_BIN names {directory}, which lacks {', '.join(absent)}; "
                       f"it must hold {', '.join(PROGRAMS)} of one version")
    return directory


def _build_etcd(ready: Path, say: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="aos-etcd-") as work:
        module = Path(work)
        say(f"compiling etcd {ETCD_VERSION}")
        (module / "go.mod").write_text(
            f"module lab.invalid/etcd\n\ngo 1.24.0\n\nrequire {ETCD_MODULE} v{ETCD_VERSION}\n")
        (module / "programs.go").write_text(_imports([ETCD_MODULE]))
        _go(module, "mod", "tidy", "-e")
        _compile(module, ETCD, ETCD_MODULE, "-s -w", ready)


def _build(programs: list[str], ready: Path, say: Callable[[str], None]) -> None:
    flags = f"-s -w -X k8s.io/component-base/version.gitVersion=v{VERSION}"
    with tempfile.TemporaryDirectory(prefix="aos-kube-") as work:
        module = Path(work)
        say(f"fetching the Go modules of Kubernetes {VERSION}")
        write_module(module, staging_modules(_upstream_go_mod(module)))
        _go(module, "mod", "tidy", "-e")
        for program in programs:
            say(f"compiling {program} {VERSION}")
            _compile(module, program, f"{MODULE}/cmd/{program}", flags, ready)


def _compile(module: Path, program: str, package: str, flags: str, ready: Path) -> None:
    """One program, renamed into place so that an interrupted build never leaves half a file."""
    made = module / f"{program}.made"
    _go(module, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(made), package)
    partial = ready / f".{program}.{os.getpid()}"
    shutil.move(made, partial)
    partial.rename(ready / program)


def _upstream_go_mod(module: Path) -> dict[str, Any]:
    fetched = json.loads(_go(module, "mod", "download", "-json", f"{MODULE}@v{VERSION}"))
    parsed: dict[str, Any] = json.loads(_go(module, "mod", "edit", "-json", fetched["GoMod"]))
    return parsed


def staging_modules(go_mod: dict[str, Any]) -> list[str]:
    """The modules that Kubernetes' own go.mod takes from its staging directory."""
    return sorted(entry["Old"]["Path"] for entry in go_mod["Replace"] if entry["New"]["Path"].startswith("./staging/"))


def write_module(directory: Path, staging: list[str]) -> None:
    """The wrapper module: Kubernetes at VERSION, each staging module at the release that belongs to it."""
    release = "v0." + VERSION.split(".", 1)[1]
    pins = "".join(f"\t{path} => {path} {release}\n" for path in staging)
    (directory / "go.mod").write_text(
        f"module lab.invalid/kube\n\ngo 1.24.0\n\nrequire {MODULE} v{VERSION}\n\nreplace (\n{pins})\n")
    packages = [f"{MODULE}/cmd/{program}" for program in PROGRAMS if program != ETCD]
    (directory / "programs.go").write_text(_imports(packages))


def _imports(packages: list[str]) -> str:
    """A source file that makes `go mod tidy` keep what these packages need; programs cannot really be imported."""
    lines = "".join(f'\t_ "{package}"\n' for package in packages)
    return f"//go:build programs\n\npackage programs\n\nimport (\n{lines})\n"


def _go(directory: Path, *args: str) -> str:
    """Run go without C (the sites' binaries must be static) and without ever fetching another toolchain."""
    return shell.run([go_program(), *args], cwd=directory, timeout=COMPILE_SECONDS,
                     env={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"})


def go_program() -> str:
    """The go that lab/setup.sh found or installed."""
    installed = paths.cache_dir() / "go" / "bin" / "go"
    return str(installed) if installed.exists() else "go"
