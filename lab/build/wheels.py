"""The Python packages of the peer image as wheels, fetched by the host's own pip: a build sees no pip configuration."""

import configparser
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Optional

from lab import paths, shell
from lab.build import keys

# The python3 of each release of Debian.
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
EXTRA = "pair"


def requirements() -> str:
    """What setup.cfg lists for the peer image, one requirement a line."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(paths.CHECKOUT / "setup.cfg")
    return config["options.extras_require"][EXTRA].strip() + "\n"


def extra() -> str:
    """A setup.cfg with the peer image's requirements and nothing else."""
    lines = "".join(f"    {line}\n" for line in requirements().splitlines())
    return f"[options.extras_require]\n{EXTRA} =\n{lines}"


def wheels(release: str, say: Callable[[str], None], wanted: Optional[str] = None) -> Path:
    """A directory with the wheels of every requirement and of what these require, for that release's python3.

    `wanted`: other requirements than the peer image's, and nothing of what they require.
    """
    python = PYTHONS[release]
    text, alone = (requirements(), []) if wanted is None else (wanted, ["--no-deps"])
    ready = paths.cache_dir() / "wheels" / f"{python}-{keys.content_key([], text, *alone)}"
    if not ready.exists():
        say(f"fetching the Python packages for {release}")
        partial = ready.with_name(f".{ready.name}.{os.getpid()}")
        partial.mkdir(parents=True)
        (partial / "requirements.txt").write_text(text)
        # manylinux2014 is what every wheel for glibc 2.17 and later is named after; both releases' glibc is newer.
        shell.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                   "--only-binary=:all:", *alone,
                   f"--python-version={python}", "--implementation=cp", "--platform=manylinux2014_x86_64",
                   "--platform=manylinux_2_28_x86_64", "--platform=any", "-d", str(partial),
                   "-r", str(partial / "requirements.txt")], timeout=600)
        shutil.rmtree(ready, ignore_errors=True)
        partial.rename(ready)
    return ready
