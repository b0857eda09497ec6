"""Where the lab keeps things: the checkout, the caches (shared by all labs) and the labs' state directories."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def cache_dir() -> Path:
    """The project's cache: built binaries, image archives, the virtual environment."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "aos-sno-pair"


def labs_home() -> Path:
    """The directory that holds one state directory per lab."""
    home = os.environ.get("AOS_LAB_HOME")
    return Path(home) if home else cache_dir() / "labs"
