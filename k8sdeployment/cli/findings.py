"""What a check found: one line each, for people and for programs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import click

from k8sdeployment.cli.codes import LOOK, OK

Level = Literal["ok", "warn", "fail"]
_STYLE = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True)
class Finding:
    """`topic`: one word for what was looked at; `site`: where, empty for both."""

    level: Level
    topic: str
    message: str
    site: str = ""


def told(site: str, found: Mapping[str, Any]) -> Finding:
    """A finding that another `snopair` wrote as JSON."""
    level: Level = "warn" if found.get("level") == "warn" else "ok" if found.get("level") == "ok" else "fail"
    return Finding(level, str(found.get("topic", "")), str(found.get("message", "")), str(found.get("site") or site))


def report(findings: Iterable[Finding], output: Literal["text", "json"]) -> int:
    """Show them; LOOK when one failed."""
    found = list(findings)
    failed = [one for one in found if one.level == "fail"]
    if output == "json":
        click.echo(json.dumps({"failed": len(failed), "findings": [asdict(one) for one in found]}, ensure_ascii=False))
    else:
        for one in found:
            where = f"{one.site}: " if one.site else ""
            click.echo(f"{click.style(f'{one.level:4}', fg=_STYLE[one.level])}  {one.topic:10}  {where}{one.message}")
    return LOOK if failed else OK
