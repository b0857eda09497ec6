"""Reads the part of YAML that kubeconfig files are written in: the agent has no YAML library.

Block mappings and sequences, plain and quoted scalars, comments, and JSON (which kubectl also accepts). Anything else
(anchors, tags, block scalars, several documents) is refused by name, never guessed at.
"""

from __future__ import annotations

import json
import re

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
        except (ValueError, RecursionError) as error:
            raise Malformed(f"it is neither JSON nor block YAML: {error}") from error
    try:
        return _Reader(text).document()
    except RecursionError as error:
        raise Malformed("it is nested too deeply") from error


class _Reader:
    """Lines as (number, indent, content); a recursive descent over indents."""

    def __init__(self, text: str) -> None:
        self._lines: list[tuple[int, int, str]] = []
        for number, line in enumerate(text.splitlines(), 1):
            content = line.strip(_BLANK)
            if not content or content.startswith("#") or (content == "---" and not self._lines):
                continue
            if "\t" in line[:len(line) - len(line.lstrip(_BLANK))]:
                raise Malformed(f"line {number}: a tab in the indentation")
            self._lines.append((number, len(line) - len(line.lstrip(" ")), content))
        self._at = 0

    def document(self) -> Any:
        value = self._block() if self._lines else None
        if self._at < len(self._lines):
            raise Malformed(f"line {self._lines[self._at][0]}: unexpected indentation")
        return value

    def _block(self) -> Any:
        _, indent, content = self._lines[self._at]
        return self._sequence(indent) if _is_item(content) else self._mapping(indent)

    def _sequence(self, indent: int) -> list[Any]:
        items = []
        while self._at < len(self._lines):
            number, depth, content = self._lines[self._at]
            if depth != indent or not _is_item(content):
                break
            rest = _code(content[1:])
            if not rest:
                self._at += 1
                items.append(self._below(indent))
            elif _is_item(rest) or _key(rest, number):
                # What stands behind the dash is a block of its own, indented by as much as it is away.
                self._lines[self._at] = (number, depth + len(content) - len(content[1:].lstrip(_BLANK)), rest)
                items.append(self._block())
            else:
                self._at += 1
                items.append(_scalar(rest, number))
        return items

    def _mapping(self, indent: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while self._at < len(self._lines):
            number, depth, content = self._lines[self._at]
            if depth != indent or _is_item(content):
                break
            found = _key(content, number)
            if found is None:
                raise Malformed(f"line {number}: expected 'name: value'")
            key, rest = found
            if key in values:
                raise Malformed(f"line {number}: {key!r} stands twice")
            self._at += 1
            values[key] = _scalar(rest, number) if rest else self._below(indent, sequence_too=True)
        return values

    def _below(self, indent: int, sequence_too: bool = False) -> Any:
        """The deeper block that follows, None without one. A sequence may stand at its key's own indentation."""
        if self._at >= len(self._lines):
            return None
        _, depth, content = self._lines[self._at]
        return self._block() if depth > indent or sequence_too and depth == indent and _is_item(content) else None


_BLANK = " \t"  # YAML's white space; Python's strip() and \s would take more
# A quoted scalar; a plain key (up to a colon that white space follows); what starts another form of YAML.
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*\"""")
_PLAIN_KEY = re.compile(r"""([^\s"'#][^"'#]*?)[ \t]*:(?=[ \t]|$)""")
_OTHER_FORM = re.compile(r"[{}\[\]&*!|>%@`,]|[-?:](?:[ \t]|$)|<<[ \t]*:")
_COMMENT = re.compile(r"(?:^|[ \t])#")
_WORDS = {"true": True, "false": False, "null": None, "~": None}


def _is_item(content: str) -> bool:
    return content == "-" or content.startswith("- ")


def _code(text: str) -> str:
    """What follows a dash or a colon, "" where that is a comment alone."""
    text = text.strip(_BLANK)
    return "" if text.startswith("#") else text


def _key(content: str, number: int) -> tuple[str, str] | None:
    """Key and the rest behind its colon; None when the line does not begin with a key."""
    quoted = _QUOTED.match(content)
    if quoted:
        colon = re.match(r"[ \t]*:(?=[ \t]|$)", content[quoted.end():])
        return (_unquoted(quoted.group(), number), _code(content[quoted.end() + colon.end():])) if colon else None
    plain = _PLAIN_KEY.match(content)
    if plain is None or _OTHER_FORM.match(content):
        return None
    return plain.group(1), _code(content[plain.end():])


def _scalar(text: str, number: int) -> Any:
    quoted = _QUOTED.match(text)
    if quoted or text[0] in "\"'":
        if not quoted or not re.match(r"[ \t]*$|[ \t]+#", text[quoted.end():]):
            raise Malformed(f"line {number}: broken quotes")
        return _unquoted(quoted.group(), number)
    plain = _COMMENT.split(text, 1)[0].strip(_BLANK)
    if plain in ("{}", "[]"):
        return {} if plain == "{}" else []
    if _OTHER_FORM.match(plain) or re.search(r":(?:[ \t]|$)", plain):
        raise Malformed(f"line {number}: this form of YAML is not supported "
                        "(kubectl config view --flatten writes one that is)")
    return _WORDS.get(plain, plain)


def _unquoted(text: str, number: int) -> str:
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    try:
        return str(json.loads(text, strict=False))
    except ValueError as error:
        raise Malformed(f"line {number}: an escape in the quotes is not supported") from error
