"""Files of manifests as people keep them: several documents, of which only those that change are written anew."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from k8sdeployment.cli.codes import CallError, SnopairError

# At the start of a line that ends a document, whatever stands in it.
_MARK = re.compile(r"^---(?=\s|$)", re.MULTILINE)


@dataclass(frozen=True)
class Document:
    """One document: its text from the mark before it on, and what it says; None for one that says nothing."""

    text: str
    value: Any

    def written(self, value: Any) -> str:
        """The document with another value, under the same mark, in the same language. Comments are lost."""
        if self.text.lstrip().startswith("{"):
            return json.dumps(value, indent=2) + "\n"
        mark = "---\n" if self.text.startswith("---") else ""
        return mark + yaml.safe_dump(value, sort_keys=False, width=120, allow_unicode=True)

    @property
    def commented(self) -> bool:
        """Whether comments would be lost."""
        return any(line.lstrip().startswith("#") or " #" in line for line in self.text.splitlines())


def documents(text: str, name: str) -> list[Document]:
    """The documents of a file; together their texts are the file. CallError for what is no YAML."""
    cuts = [0, *(found.start() for found in _MARK.finditer(text) if found.start() > 0), len(text)]
    parts = [text[begin:end] for begin, end in zip(cuts, cuts[1:])]
    try:
        return [Document(part, yaml.safe_load(part)) for part in parts]
    except yaml.YAMLError as error:
        raise CallError(f"{name} is no plain YAML (a template, perhaps?): {' '.join(str(error).split())}") from error


def workloads(value: Any) -> Iterator[dict[str, Any]]:
    """Whatever has a pod template that may be gated, within a List too."""
    if isinstance(value, dict) and value.get("kind") == "List":
        for one in value.get("items") or ():
            yield from workloads(one)
    elif isinstance(value, dict) and value.get("kind") in ("Deployment", "StatefulSet"):
        yield value


def replace(path: Path, text: str) -> None:
    """The file with another text, all of it or nothing, with the rights that it had."""
    begun = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        begun.write_text(text, encoding="utf-8")
        begun.chmod(path.stat().st_mode & 0o7777)
        begun.replace(path)
    except OSError as error:
        begun.unlink(missing_ok=True)
        raise SnopairError(f"{path} cannot be written: {error.strerror}") from error
