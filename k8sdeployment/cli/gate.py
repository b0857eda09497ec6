"""`snopair gate`: the gate in manifests that people keep themselves, in Git say."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

import click

from k8sdeployment.cli.codes import LOOK, OK, CallError
from k8sdeployment.cli.verb import Verb

if TYPE_CHECKING:
    from k8sdeployment.cli.manifests import Document

Form = Literal["text", "json"]
Object = dict[str, Any]
_files = click.argument("files", metavar="FILE…", nargs=-1, required=True)
_namespace = click.option("--namespace", "-n", metavar="NAME", default="",
                          help="Namespace of those that do not say theirs.  [default: default]")


@click.group("gate")
def gate_verb() -> None:
    """Show or add the gate in manifests that you keep yourself."""


@dataclass(frozen=True)
class Judged:
    """One workload of a file. `faults`: what its gate lacks; `note`: what else should be known."""

    file: str
    kind: str
    name: str
    faults: tuple[str, ...]
    note: str = ""

    def as_json(self) -> Object:
        """For programs."""
        return {"file": self.file, "kind": self.kind, "name": self.name, "gated": not self.faults,
                "faults": list(self.faults), "note": self.note}


@gate_verb.command("show", cls=Verb, short_help="Tell whether workloads have a whole gate.")
@_files
@_namespace
def show_verb(files: tuple[str, ...], namespace: str, output: Form) -> int:
    """Tell whether the workloads in the files have a whole gate (- is stdin). Exit code 1: one has not."""
    found = [one for file in files for one in _judge(file, namespace)]
    if output == "json":
        click.echo(json.dumps({"workloads": [one.as_json() for one in found]}, ensure_ascii=False))
    else:
        for one in found:
            state = f"not gated: {'; '.join(one.faults)}" if one.faults else "gated"
            click.echo(f"{one.file}: {one.kind} {one.name}: {state}{f' ({one.note})' if one.note else ''}")
        if not found:
            click.echo("no Deployment and no StatefulSet is in there", err=True)
    return LOOK if any(one.faults for one in found) else OK


def _judge(file: str, namespace: str) -> Iterator[Judged]:
    from k8sdeployment.cli.manifests import workloads
    from k8sdeployment.pair import gating
    for document in _documents(file):
        for one in workloads(document.value):
            yield Judged(file, one["kind"], _name(one, namespace), tuple(gating.faults(one, namespace)), _note(one))


def _note(workload: Object) -> str:
    replicas = (workload.get("spec") or {}).get("replicas", 1)
    if replicas == 0:
        return ""
    return (f"replicas {replicas}, so each apply scales it up beside the pair: the permit keeps a second copy away, "
            "but write replicas: 0 and let your GitOps tool ignore the field")


@gate_verb.command("add", cls=Verb, short_help="Add the gate to workloads, or mend half of one.")
@_files
@_namespace
@click.option("--in-place", "-i", is_flag=True, help="Write the files; else everything goes to stdout.")
@click.option("--patch", is_flag=True, help="Print patches for a kustomization instead; no file is rewritten.")
def add_verb(files: tuple[str, ...], namespace: str, in_place: bool, patch: bool, output: Form) -> int:
    """Add the gate to the workloads in the files (- is stdin); mend one that is not whole.

    Other documents stay as they are, letter by letter; a document that is changed loses its comments.
    """
    if patch and in_place:
        raise CallError("--patch prints patches and --in-place writes files; give one of them")
    if in_place and "-" in files:
        raise CallError("stdin cannot be written in place; leave out --in-place")
    changes = [_changed(file, namespace) for file in files]
    refused = [one for change in changes for one in change.refused]
    if refused:
        raise CallError("nothing was changed: " + "; ".join(refused))
    if patch:
        _print_patches(changes, namespace, output)
    elif output == "json":
        _write(changes, in_place)
        click.echo(json.dumps({"files": [change.as_json(in_place) for change in changes]}, ensure_ascii=False))
    else:
        _write(changes, in_place)
        _print(changes, in_place)
    return OK


@dataclass(frozen=True)
class Change:
    """A file before and after. `done`: each change of it, `gated`: the workloads that were changed."""

    file: str
    before: str
    after: str
    done: tuple[str, ...]
    refused: tuple[str, ...]
    lost: tuple[str, ...]
    gated: tuple[Object, ...]

    def as_json(self, in_place: bool) -> Object:
        """For programs; the new text where it is written nowhere."""
        text = {} if in_place else {"text": self.after}
        return {"file": self.file, "changed": self.before != self.after, "done": list(self.done),
                "commentsLost": list(self.lost), **text}


def _changed(file: str, namespace: str) -> Change:
    found = _documents(file)
    after, done, refused, lost, gated = [], [], [], [], []
    for document in found:
        made = _gated(document.value, namespace, file)
        done += made.done
        refused += made.refused
        gated += made.gated
        after.append(document.written(made.value) if made.done else document.text)
        if made.done and document.commented:
            lost.append(_name(made.value, namespace))
    return Change(file, "".join(one.text for one in found), "".join(after), tuple(done), tuple(refused), tuple(lost),
                  tuple(gated))


@dataclass
class _Made:
    """A document's value with the gate."""

    value: Any
    done: list[str]
    refused: list[str]
    gated: list[Object]


def _gated(value: Any, namespace: str, file: str) -> _Made:
    from k8sdeployment.cli.manifests import workloads
    from k8sdeployment.pair import gating
    if isinstance(value, dict) and value.get("kind") == "List":
        parts = [_gated(one, namespace, file) for one in value.get("items") or ()]
        return _Made({**value, "items": [one.value for one in parts]}, [word for one in parts for word in one.done],
                     [word for one in parts for word in one.refused], [made for one in parts for made in one.gated])
    if not list(workloads(value)):
        return _Made(value, [], [], [])
    made = gating.add(value, namespace)
    who = f"{file}: {value['kind']} {_name(value, namespace)}"
    return _Made(made.manifest, [f"{who}: {one}" for one in made.done],
                 [f"{who}: {made.refused}"] if made.refused else [], [made.manifest] if made.done else [])


def _write(changes: list[Change], in_place: bool) -> None:
    from k8sdeployment.cli.manifests import replace
    for change in changes:
        if in_place and change.before != change.after:
            replace(Path(change.file), change.after)


def _print(changes: list[Change], in_place: bool) -> None:
    for change in changes:
        if not in_place:
            click.echo(change.after, nl=False)
        for one in change.done:
            click.echo(one, err=True)
        for one in change.lost:
            click.echo(f"{change.file}: comments of {one} are lost; --patch keeps the file as it is", err=True)
        if not change.done:
            click.echo(f"{change.file}: nothing to add", err=True)


def _print_patches(changes: list[Change], namespace: str, output: Form) -> None:
    import yaml

    from k8sdeployment.cli.patches import patch
    found = [patch(one, namespace) for change in changes for one in change.gated]
    click.echo(json.dumps({"patches": found}, ensure_ascii=False) if output == "json" else
               yaml.safe_dump_all(found, sort_keys=False, width=120), nl=output == "json")


def _documents(file: str) -> "list[Document]":
    from k8sdeployment.cli.manifests import documents
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CallError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return documents(text, file)


def _name(workload: Object, namespace: Optional[str]) -> str:
    meta = workload.get("metadata") or {}
    return f"{meta.get('namespace') or namespace or 'default'}/{meta.get('name')}"
