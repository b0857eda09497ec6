"""What the tests of the documents share: which documents there are, and what stands in them."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

from docs.tables import ROOT, documents

CODE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


@cache
def tracked() -> tuple[str, ...]:
    """The paths of the checkout's files as git knows them, deleted ones left out."""
    listing = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True)
    return tuple(path for path in listing.stdout.split("\0") if path and (ROOT / path).is_file())


def texts() -> dict[str, str]:
    """Every Markdown document: path from the root, and text."""
    paths = [*documents(), ROOT / "CHANGELOG.md"]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}


def prose(text: str) -> str:
    """A document without its blocks of code."""
    return FENCED.sub("", text)


def blocks(text: str) -> str:
    """The blocks of code alone, lines continued by a backslash joined."""
    return re.sub(r"\\\n\s*", "", "\n".join(FENCED.findall(text)))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    heads = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table rows below a heading, up to the next one; heads left out."""
    section = re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    tables = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    rules = [number for number, row in enumerate(tables) if set("".join(row)) <= set("- ")]
    heads = {number + shift for number in rules for shift in (0, -1)}
    return [[cell.strip() for cell in row] for number, row in enumerate(tables) if number not in heads]


@cache
def literals(folder: str) -> str:
    """All text that the Python code of a folder can say; what is put in at run time reads `…`."""
    found: list[str] = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "…"
                                     for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


@cache
def names_of_tests() -> frozenset[str]:
    """The names of all test functions, and `path::name` for each."""
    names: set[str] = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for found in re.findall(r"^(?:    )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            names |= {found, f"{path.relative_to(ROOT)}::{found}"}
    return frozenset(names)


def is_path(word: str) -> bool:
    """Whether a word in code style means a file or folder of the checkout."""
    first = Path(word).parts[0] if word else ""
    return "/" in word and re.fullmatch(r"[\w./-]+", word) is not None and first in {
        Path(path).parts[0] for path in tracked() if "/" in path}
