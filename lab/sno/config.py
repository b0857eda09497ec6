"""What a site is told from outside: who it is, where it stands, which links are cut."""

import json
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path("/etc/sno")


@dataclass(frozen=True)
class SiteConfig:
    """The site's name, its management address, and per link number the peer's address on it."""

    name: str
    management: str
    peers: dict[int, str]


def load(directory: Path = DIRECTORY) -> SiteConfig:
    """The configuration the lab mounted into the site."""
    kept = json.loads((directory / "site.json").read_text())
    return SiteConfig(kept["name"], kept["management"], {int(link): peer for link, peer in kept["peers"].items()})


def cut_links(directory: Path = DIRECTORY) -> set[int]:
    """The links that are cut now."""
    file = directory / "cut"
    return {int(word) for word in file.read_text().split()} if file.exists() else set()
