"""The tables of docs/snopair.md, from the program's own declarations."""

from __future__ import annotations

from collections.abc import Iterator

import click

from docs.tables import cell, table
from k8sdeployment.cli.app import snopair
from k8sdeployment.cli.codes import MEANINGS
from k8sdeployment.cli.document import KEYS

Path = tuple[str, ...]
# Options of many verbs, which the document explains once.
SHARED = {"output", "kubectl", "namespace",
          *(f"{word}{letter}" for word in ("kubeconfig", "context") for letter in ("", "_a", "_b"))}


def exit_codes() -> str:
    """What each exit code means."""
    return table(("exit code", "meaning"), ((f"`{code}`", cell(meaning)) for code, meaning in MEANINGS.items()))


def verbs() -> str:
    """Every verb with the options that it has beside the shared ones, in the words of its own help."""
    return table(("`snopair …`", "what it does", "options of its own"), map(_row, _verbs(snopair, ())))


def keys() -> str:
    """The keys of `snopair status --output json`."""
    return table(("key", "meaning"), ((f"`{key}`", cell(meaning)) for key, meaning in KEYS.items()))


def _verbs(group: click.Group, path: Path) -> Iterator[tuple[Path, click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            if isinstance(found, click.Group):
                yield from _verbs(found, (*path, name))
            elif found is not None and not found.hidden:
                yield (*path, name), found


def _row(verb: tuple[Path, click.Command]) -> tuple[str, str, str]:
    path, command = verb
    with click.Context(command) as context:
        usage = [word for word in command.collect_usage_pieces(context) if word != "[OPTIONS]"]
    options = " ".join(f"`{option.opts[0]}`" for option in command.params
                       if isinstance(option, click.Option) and option.name not in SHARED)
    return f"`{cell(' '.join((*path, *usage)))}`", cell(command.get_short_help_str(200)), options
