"""Files that hold secrets: made whole or not at all, readable by their owner alone, and never over others."""

import io
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

from k8sdeployment.cli.codes import CallError, SnopairError

ARCHIVES = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz"}
_FILE, _DIRECTORY = 0o600, 0o700


def archive_mode(path: Path) -> str:
    """How tarfile writes a file of that name; "" when the name is no archive's."""
    return next((mode for suffix, mode in ARCHIVES.items() if path.name.endswith(suffix)), "")


def write(path: Path, files: Mapping[str, str]) -> None:
    """A directory, or an archive where the name says so. CallError when something of that name is there."""
    refuse_existing(path)
    begun = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if archive_mode(path):
            _archive(begun, path, files)
        else:
            _directory(begun, files)
        # A directory cannot be renamed over one with content, and a file is not renamed over anything: see above.
        refuse_existing(path)
        begun.rename(path)
    except OSError as error:
        _remove(begun)
        raise SnopairError(f"{path} cannot be written: {error.strerror}") from error
    except BaseException:
        _remove(begun)
        raise


def refuse_existing(path: Path) -> None:
    """CallError when something of that name is there: it may hold keys that a running pair needs."""
    if path.is_symlink() or path.exists():
        raise CallError(f"{path} is there already; remove it or choose another --into. It is never overwritten, for it "
                        "may hold the keys of a running pair")


def _directory(root: Path, files: Mapping[str, str]) -> None:
    root.mkdir(mode=_DIRECTORY)
    for name, text in files.items():
        file = root / name
        for parent in reversed(file.relative_to(root).parents[:-1]):
            (root / parent).mkdir(mode=_DIRECTORY, exist_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE), "w", encoding="utf-8") as stream:
            stream.write(text)


def _archive(begun: Path, path: Path, files: Mapping[str, str]) -> None:
    top = path.name[:-len(next(suffix for suffix in ARCHIVES if path.name.endswith(suffix)))]
    with open(os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE), "wb") as raw:
        with tarfile.open(fileobj=raw, mode=archive_mode(path)) as archive:  # type: ignore[call-overload]
            for name, text in files.items():
                content = text.encode()
                entry = tarfile.TarInfo(f"{top}/{name}")
                entry.size, entry.mode = len(content), _FILE
                archive.addfile(entry, io.BytesIO(content))


def _remove(begun: Path) -> None:
    if begun.is_dir():
        shutil.rmtree(begun, ignore_errors=True)
    else:
        begun.unlink(missing_ok=True)
