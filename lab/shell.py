"""Run a program of the host with a deadline; a failure is a LabError that quotes the program's last words."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

from lab.errors import LabError

POLITE_SECONDS = 2.0


def tail(text: str, lines: int = 8) -> str:
    """The last lines of a program's output, for an error message."""
    return "\n".join(text.strip().splitlines()[-lines:])


def run(argv: Sequence[str], *, stdin: Optional[str] = None, timeout: float = 60, check: bool = True,
        env: Optional[Mapping[str, str]] = None, cwd: Optional[Path] = None, title: Optional[str] = None) -> str:
    """What the program wrote to stdout; timeout in seconds; raises LabError when it fails or takes too long.

    Errors call the program `title`, else by its name.
    """
    name = title or argv[0]
    done = capture(argv, stdin=stdin, timeout=timeout, env=env, cwd=cwd, title=name)
    if check and done.returncode != 0:
        words = tail(done.stderr or done.stdout) or "it said nothing"
        raise LabError(f"{name} ended with code {done.returncode}: {words}")
    return done.stdout


def capture(argv: Sequence[str], *, stdin: Optional[str] = None, timeout: float = 60,
            env: Optional[Mapping[str, str]] = None, cwd: Optional[Path] = None,
            title: Optional[str] = None) -> "subprocess.CompletedProcess[str]":
    """The finished program with its code and both outputs; raises LabError when it is missing or takes too long."""
    try:
        program = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace", env={**os.environ, **(env or {})}, cwd=cwd,
            start_new_session=True)
    except FileNotFoundError:
        raise LabError(f"the program {argv[0]} is missing; run lab/setup.sh as root to install it") from None
    try:
        output, errors = program.communicate(stdin, timeout=timeout)
    except BaseException as reason:
        _end_group(program)
        if isinstance(reason, subprocess.TimeoutExpired):
            raise LabError(f"{title or argv[0]} was not done after {timeout:g} s") from None
        raise
    return subprocess.CompletedProcess(list(argv), program.returncode, output, errors)


def _end_group(program: "subprocess.Popen[str]") -> None:
    """End the program and what it forked: nsenter's child would otherwise live on in the site.

    First politely, so that debootstrap can unmount what it mounted.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.communicate(timeout=POLITE_SECONDS if number == signal.SIGTERM else None)
            return
