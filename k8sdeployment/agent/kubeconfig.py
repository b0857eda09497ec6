"""Reads the part of YAML that kubeconfig files are written in: the agent has no YAML library.

Block mappings and sequences, plain and quoted scalars, comments, and JSON (which kubectl also accepts). Anything else
(anchors, tags, block scalars, several documents) is refused by name, never guessed at.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Malformed(Exception):
    """What is wrong with the file, in one sentence."""


def read(text: str, context: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Cluster and user of a context (the current one without a name)."""
    config = _load(text)
    if not isinstance(config, dict):
        raise Malformed("it is not a kubeconfig")
    name = context or config.get("current-context") or ""
    if not name:
        raise Malformed("it has no current-context: set the parameter context")
    chosen = _named(config, "contexts", "context", name)
    return (_named(config, "clusters", "cluster", str(chosen.get("cluster", ""))),
            _named(config, "users", "user", str(chosen.get("user", ""))))


def _named(config: dict[str, Any], section: str, key: str, name: str) -> dict[str, Any]:
    entries = config.get(section)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(key), dict):
            found: dict[str, Any] = entry[key]
            return found
    raise Malformed(f"it has no {key} {name!r}")


def _load(text: str) -> Any:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError as error:
            raise Malformed(f"it is neither JSON nor block YAML: {error}") from error
    return _Reader(text).document()


class _Reader:
    """Lines as (number, indent, content); a recursive descent over indents."""

    def __init__(self, text: str) -> None:
        self._lines: list[tuple[int, int, str]] = []
        for number, raw in enumerate(text.splitlines(), 1):
            line = _without_comment(raw)
            if not line.strip() or (line.strip() == "---" and not self._lines):
                continue
            if "\t" in line[:len(line) - len(line.lstrip())]:
                raise Malformed(f"line {number}: a tab in the indentation")
            self._lines.append((number, len(line) - len(line.lstrip(" ")), line.strip()))
        self._at = 0

    def document(self) -> Any:
        value = self._block(0) if self._lines else None
        if self._at < len(self._lines):
            raise Malformed(f"line {self._lines[self._at][0]}: unexpected indentation")
        return value

    def _block(self, least: int) -> Any:
        _, indent, content = self._lines[self._at]
        if indent < least:
            return None
        return self._sequence(indent) if content == "-" or content.startswith("- ") else self._mapping(indent)

    def _sequence(self, indent: int) -> list[Any]:
        items = []
        while self._at < len(self._lines):
            number, depth, content = self._lines[self._at]
            if depth != indent or not (content == "-" or content.startswith("- ")):
                break
            rest = content[1:].lstrip()
            if not rest:
                self._at += 1
                items.append(self._nested(indent + 1))
            elif _key(rest) is not None:
                self._lines[self._at] = (number, depth + len(content) - len(rest), rest)
                items.append(self._mapping(depth + len(content) - len(rest)))
            else:
                self._at += 1
                items.append(_scalar(rest, number))
        return items

    def _mapping(self, indent: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while self._at < len(self._lines):
            number, depth, content = self._lines[self._at]
            if depth != indent or content.startswith("- "):
                break
            key = _key(content)
            if key is None:
                raise Malformed(f"line {number}: expected 'name: value'")
            rest = content[len(key) + 1:].strip()
            self._at += 1
            # A sequence may stand at its key's own indentation.
            values[key.strip("\"'")] = _scalar(rest, number) if rest else self._nested(indent, sequence_at=indent)
        return values

    def _nested(self, indent: int, sequence_at: int = -1) -> Any:
        if self._at >= len(self._lines):
            return None
        _, depth, content = self._lines[self._at]
        if depth == sequence_at and content.startswith("-"):
            return self._sequence(depth)
        return self._block(indent + 1) if depth > indent or sequence_at < 0 and depth >= indent else None


def _without_comment(line: str) -> str:
    quote = ""
    for index, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and (index == 0 or line[index - 1] in " :-"):
            quote = char
        elif char == "#" and (index == 0 or line[index - 1] in " \t"):
            return line[:index]
    return line


def _key(content: str) -> str | None:
    head, colon, rest = content.partition(":")
    if not colon or (rest and not rest.startswith(" ")) or head[:1] in "{[&*!|>%@`":
        return None
    return head


def _scalar(text: str, number: int) -> Any:
    if text in ("{}", "[]"):
        return {} if text == "{}" else []
    if text[0] in "{[&*!|>%@`":
        raise Malformed(f"line {number}: this form of YAML is not supported "
                        "(kubectl config view --flatten writes one that is)")
    if text[0] == '"':
        try:
            return json.loads(text)
        except ValueError as error:
            raise Malformed(f"line {number}: broken quotes") from error
    if text[0] == "'":
        if len(text) < 2 or text[-1] != "'":
            raise Malformed(f"line {number}: broken quotes")
        return text[1:-1].replace("''", "'")
    return {"true": True, "false": False, "null": None, "~": None}.get(text, text)
