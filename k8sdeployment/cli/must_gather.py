"""`snopair must-gather`: one archive that can be sent to somebody who is asked for help."""

import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, Optional

import click

from k8sdeployment import __version__
from k8sdeployment.cli.both import BothVerb, places
from k8sdeployment.cli.codes import LOOK, OK, CallError, CannotTell
from k8sdeployment.cli.gather import Gathered
from k8sdeployment.cli.verb import world_of

INDEX = "index.txt"


@click.command("must-gather", cls=BothVerb, short_help="One archive for whoever helps, no secrets.")
@click.option("--into", metavar="FILE", help="The archive: .tar.gz. Else snopair-must-gather-TIME.tar.gz.")
@click.pass_context
def must_gather_verb(context: click.Context, /, into: Optional[str], output: Literal["text", "json"],
                     **params: Any) -> int:
    """Collect what somebody needs who is asked for help, without secrets, into one archive.

    With --context-a and --context-b (or --kubeconfig-a and -b) both sites' views. What cannot be had is told in the
    archive's index.txt. Exit code 1: something is missing.
    """
    from k8sdeployment.cli import writing
    world = world_of(context)
    now = datetime.fromtimestamp(world.clock(), timezone.utc)
    path = Path(into or f"snopair-must-gather-{now:%Y%m%dT%H%M%SZ}.tar.gz")
    if writing.archive_mode(path) != "w:gz":
        raise CallError(f"--into {path} is no .tar.gz")
    writing.refuse_existing(path)
    found = _gather(context, params)
    if not any(one.files for one in found.values()):
        reasons = sorted({reason for one in found.values() for reason in one.missing.values()})
        raise CannotTell(f"nothing could be collected: {'; '.join(reasons)}")
    files = {f"{site}/{file}": text for site, one in found.items() for file, text in one.files.items()}
    writing.write(path, {INDEX: index(found, now), **files})
    return _report(path, found, output)


def _gather(context: click.Context, params: dict[str, Any]) -> dict[str, Gathered]:
    from k8sdeployment.cli import gather
    world, meant = world_of(context), places(params)
    if world.here() and not any(at.named for at in meant.values()):
        return gather.masked({"here": gather.inside(world)})
    return gather.masked({_label(at.context) or f"site-{letter}": gather.outside(world, at)
                          for letter, at in meant.items()})


def _label(context: str) -> str:
    """A context's name as a folder's."""
    return re.sub(r"[^\w.-]+", "-", context).strip("-.")


def index(found: dict[str, Gathered], now: datetime) -> str:
    """What is in the archive, what is not and why."""
    lines = [f"snopair {__version__} must-gather, {now:%Y-%m-%d %H:%M:%S} UTC", "Secrets read ***.", ""]
    for site, one in found.items():
        lines += [site, *(f"  note     {note}" for note in one.notes),
                  *(f"  {'partly' if name in one.missing else 'ok':8} {name}" for name in sorted(one.files)),
                  *(f"  missing  {name}: {reason}" for name, reason in sorted(one.missing.items())), ""]
    return "\n".join(lines)


def _report(path: Path, found: dict[str, Gathered], output: Literal["text", "json"]) -> int:
    missing = {f"{site}/{file}": why for site, one in found.items() for file, why in one.missing.items()}
    # A container that was never restarted has no log of an earlier run.
    lacking = {file: why for file, why in missing.items() if not file.endswith(".previous.log")}
    if output == "json":
        click.echo(json.dumps({"archive": str(path), "missing": missing}, ensure_ascii=False))
    else:
        click.echo(f"{path} is ready to be sent; secrets were masked, addresses and names were not.")
        for why in sorted(set(lacking.values())):
            names = ", ".join(sorted(file for file in lacking if lacking[file] == why))
            click.echo(f"missing: {names} ({why})", err=True)
    return LOOK if lacking else OK
