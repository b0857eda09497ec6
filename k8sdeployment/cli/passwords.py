"""The passwords of fence devices: from files, or asked for at the terminal; never from the command line."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from k8sdeployment.cli.codes import CallError
from k8sdeployment.pair.bundle import Place, fence_secrets
from k8sdeployment.pair.model import SNOPair

FORM = "SITE=FILE or SECRET=FILE"


def collect(pair: SNOPair, given: Sequence[str]) -> dict[Place, bytes]:
    """Every password that the pair's devices need. CallError for one that cannot be had."""
    files = dict(map(_split, given))
    wanted = {site.name: fence_secrets(site) for site in pair.spec.sites}
    known = {*wanted, *(secret for places in wanted.values() for secret, _ in places)}
    for name in files:
        if name not in known:
            raise CallError(f"--fence-password-file names {name}; it may name {', '.join(sorted(known))}")
    return {place: _password(site, place, files) for site, places in wanted.items() for place in places}


def _password(site: str, place: Place, files: dict[str, Path]) -> bytes:
    file = files.get(place[0], files.get(site))
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
    try:
        found = file.read_bytes()
    except OSError as error:
        raise CallError(f"the password file {file} cannot be read: {error.strerror}") from error
    found = found.removesuffix(b"\n").removesuffix(b"\r")
    if not found:
        raise CallError(f"the password file {file} is empty")
    if b"\n" in found:
        raise CallError(f"the password file {file} has more than one line")
    return found


def _split(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not name or not equals or not file:
        raise CallError(f"--fence-password-file is written {FORM}")
    return name, Path(file)
