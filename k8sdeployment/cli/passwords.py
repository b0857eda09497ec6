"""What fence devices want to know, and what is believed of them: from files, or a password asked for at the terminal.

Never from the command line.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import click

from k8sdeployment.cli.codes import CallError
from k8sdeployment.pair import fencing
from k8sdeployment.pair.bundle import Place, fence_secrets
from k8sdeployment.pair.model import SNOPair

FORM = "SITE=FILE, SECRET=FILE or SECRET/KEY=FILE"
# What is no password, for which a file may be named by the Secret or the site alone, too.
KEYS = (fencing.PRIVATE_KEY, fencing.SHARED_KEY)


def collect(pair: SNOPair, given: Sequence[str]) -> dict[Place, bytes]:
    """Everything that the pair's devices need. CallError for what cannot be had."""
    files = dict(map(_split, given))
    wanted = {site.name: fence_secrets(site) for site in pair.spec.sites}
    places = [place for mine in wanted.values() for place in mine]
    known = {*wanted, *(secret for secret, _ in places), *map("/".join, places)}
    for name in files:
        if name not in known:
            raise CallError(f"--fence-password-file names {name}; it may name {', '.join(sorted(known))}")
    texts = {(ref.name, ref.key): what for site in pair.spec.sites for ref, what in (
        *((device.secret_ref, fencing.kept_in(device)) for device in site.fencing.devices),
        (site.fencing.ca_ref, "certificate"), (site.fencing.known_hosts_ref, "host key"))
        if ref is not None and what != fencing.PASSWORD}
    return {place: _text(place, texts[place], files, site) if place in texts else _password(site, place, files)
            for site, mine in wanted.items() for place in mine}


def _text(place: Place, what: str, files: dict[str, Path], site: str) -> bytes:
    """A file of several lines as it is. One named by the Secret or the site alone is meant for the password or key."""
    names = ["/".join(place), *([place[0], site] if what in KEYS else [])]
    file = next((files[name] for name in names if name in files), None)
    if file is None:
        raise CallError(f"the {what} for fencing {site} (Secret {place[0]}) is missing; give --fence-password-file "
                        f"{'/'.join(place)}=FILE")
    found = _bytes(file, f"the {what} file")
    sign = {fencing.PRIVATE_KEY: b"PRIVATE KEY-----", fencing.SHARED_KEY: b"",
            "certificate": b"-----BEGIN CERTIFICATE-----"}.get(what, b" ")
    if not found or sign not in found:
        raise CallError(f"{file} holds no {what}")
    return found


def _password(site: str, place: Place, files: dict[str, Path]) -> bytes:
    file: Optional[Path] = next((files[name] for name in ("/".join(place), place[0], site) if name in files), None)
    if file is not None:
        return _read(file)
    if not sys.stdin.isatty():
        raise CallError(f"the password for the fence device of {site} (Secret {place[0]}) is missing; give "
                        f"--fence-password-file {site}=FILE")
    told: str = click.prompt(f"Password of the fence device of {site} (Secret {place[0]})", hide_input=True,
                             confirmation_prompt=True, err=True)
    return told.encode()


def _read(file: Path) -> bytes:
    """Without the line end that an editor adds."""
    found = _bytes(file, "the password file").removesuffix(b"\n").removesuffix(b"\r")
    if not found:
        raise CallError(f"the password file {file} is empty")
    if b"\n" in found:
        raise CallError(f"the password file {file} has more than one line")
    return found


def _bytes(file: Path, title: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CallError(f"{title} {file} cannot be read: {error.strerror}") from error


def _split(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not name or not equals or not file:
        raise CallError(f"--fence-password-file is written {FORM}")
    return name, Path(file)
