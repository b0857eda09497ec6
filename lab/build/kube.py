"""Kubernetes' own binaries, built once from its Go modules, or taken from the directory AOS_KUBE_BIN names.

k8s.io/kubernetes refers to its staging modules by relative path, which a plain `go install` refuses; a wrapper module
that pins each of them to the matching release builds the same programs.
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
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl")
MODULE = "k8s.io/kubernetes"
COMPILE_SECONDS = 3600.0


def binaries(say: Callable[[str], None]) -> Path:
    """The directory that holds all PROGRAMS; builds them when no one has yet."""
    named = os.environ.get("AOS_KUBE_BIN")
    if named:
        return _given(Path(named))
    ready = paths.cache_dir() / "kube" / VERSION
    if all((ready / program).is_file() for program in PROGRAMS):
        return ready
    _build(ready, say)
    return ready


def _given(directory: Path) -> Path:
    absent = [program for program in PROGRAMS if not (directory / program).is_file()]
    if absent:
        raise LabError(f"AOS_KUBE_BIN names {directory}, which lacks {', '.join(absent)}; "
                       f"it must hold {', '.join(PROGRAMS)} of one version")
    return directory


def _build(ready: Path, say: Callable[[str], None]) -> None:
    ready.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aos-kube-") as work:
        module = Path(work)
        say(f"fetching the Go modules of Kubernetes {VERSION}")
        write_module(module, staging_modules(_upstream_go_mod(module)))
        _go(module, "mod", "tidy", "-e")
        for program in PROGRAMS:
            say(f"compiling {program} {VERSION}")
            _compile(module, program, ready)


def _compile(module: Path, program: str, ready: Path) -> None:
    """One program, renamed into place so that an interrupted build never leaves half a file."""
    version = f"-X k8s.io/component-base/version.gitVersion=v{VERSION}"
    made = module / program
    _go(module, "build", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {version}", "-o", str(made),
        f"{MODULE}/cmd/{program}")
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
    imports = "".join(f'\t_ "{MODULE}/cmd/{program}"\n' for program in PROGRAMS)
    (directory / "programs.go").write_text(f"//go:build programs\n\npackage programs\n\nimport (\n{imports})\n")


def _go(directory: Path, *args: str) -> str:
    """Run go without C (the sites' binaries must be static) and without ever fetching another toolchain."""
    return shell.run([go_program(), *args], cwd=directory, timeout=COMPILE_SECONDS,
                     env={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"})


def go_program() -> str:
    """The go that lab/setup.sh found or installed."""
    installed = paths.cache_dir() / "go" / "bin" / "go"
    return str(installed) if installed.exists() else "go"
