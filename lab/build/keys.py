"""Keys of what was built: a hash over everything that went in, kept as a label on the image."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

SKIPPED = {"__pycache__", ".mypy_cache", ".pytest_cache"}


def files_under(path: Path) -> list[Path]:
    """All files of the given directory, or the one file, sorted, without caches; what is absent counts as empty."""
    inside = path.rglob("*") if path.is_dir() else [path]
    return sorted(file for file in inside if file.is_file() and not SKIPPED & set(file.parts))


def content_key(paths: Iterable[Path], *more: str) -> str:
    """Twelve hex digits over names, modes and contents of the files, and over the given texts; any checkout's alike."""
    digest = hashlib.sha256("\0".join(more).encode())
    for path in paths:
        for file in files_under(path):
            executable = bool(file.stat().st_mode & 0o111)
            digest.update(f"\0{file.relative_to(path.parent)}\0{executable}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def stat_key(directory: Path, names: Iterable[str]) -> str:
    """For files too big to read each time: their sizes and times of change."""
    stats = [(name, (directory / name).stat()) for name in names]
    return content_key([], *(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats))
