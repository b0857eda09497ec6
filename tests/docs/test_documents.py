"""The documents name only what exists: links, files, tests, commands, variables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import tables
from docs.tables import ROOT
from tests.docs.reading import CODE, FENCED, anchors, is_path, prose, names_of_tests, texts, tracked

TEXTS = texts()
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("name", TEXTS)
def test_links_resolve(name: str) -> None:
    """Files and anchors; the outside world is not asked."""
    dead = []
    for target in LINK.findall(prose(TEXTS[name])):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        if not file.exists() or anchor and anchor not in anchors(file.read_text(encoding="utf-8")):
            dead.append(target)
    assert not dead


@pytest.mark.parametrize("name", TEXTS)
def test_tables_are_current(name: str) -> None:
    """Otherwise: lab/python -m docs.tables."""
    assert tables.rewritten(TEXTS[name]) == TEXTS[name]


def test_every_table_has_its_place() -> None:
    """A generated table that no document shows, or a mark without its end, would go unnoticed."""
    shown = re.findall(r"<!-- table ([a-z-]+) -->", "\n".join(TEXTS.values()))
    ended = re.findall(r"<!-- end ([a-z-]+) -->", "\n".join(TEXTS.values()))
    assert shown == ended
    assert sorted(shown) == sorted(tables.TABLES)


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_are_named_exist(name: str) -> None:
    """Words in code style that look like paths of the checkout."""
    named = {word.partition("::")[0] for word in CODE.findall(prose(TEXTS[name])) if is_path(word.partition("::")[0])}
    assert not {word for word in named if not (ROOT / word).exists()}


@pytest.mark.parametrize("name", TEXTS)
def test_tests_that_are_named_exist(name: str) -> None:
    """A rule whose proof was renamed or removed has none."""
    named = {word for word in CODE.findall(prose(TEXTS[name])) if re.search(r"(^|::)test_\w+$", word)}
    assert not named - names_of_tests()


def test_make_targets_exist() -> None:
    """In the text and in the blocks."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    everything = "\n".join(TEXTS.values())
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", everything, re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_lab_commands_exist() -> None:
    """`lab/lab [--name X] COMMAND` and `lab/python -m MODULE`."""
    from lab.cli import main
    everything = "\n".join(TEXTS.values())
    commands = set(re.findall(r"lab/lab (?:--name \S+ )?([a-z][a-z-]*)", everything))
    assert commands and commands <= set(main.commands)
    modules = set(re.findall(r"lab/python -m ([\w.]+)", everything)) - {"pytest"}
    assert modules and all((ROOT / module.replace(".", "/")).with_suffix(".py").exists() for module in modules)


def test_environment_variables_are_documented_and_exist() -> None:
    """Each AOS_… that the code reads stands in some document; none is invented."""
    pattern = re.compile(r"\bAOS_[A-Z_]+\b")
    read = {name for path in tracked() if path.endswith((".py", ".sh")) and not path.startswith("tests/docs/")
            for name in pattern.findall((ROOT / path).read_text(encoding="utf-8"))}
    assert read == set(pattern.findall("\n".join(TEXTS.values())))


def test_every_document_is_in_the_readme() -> None:
    linked = set(LINK.findall(TEXTS["README.md"]))
    assert {name for name in TEXTS if name != "README.md"} <= linked


def test_the_map_names_every_folder_and_package() -> None:
    """README's map of the tree; the tests' own packages too."""
    block = next(part for part in FENCED.findall(TEXTS["README.md"]) if part.startswith("```\nocf/"))
    mapped = {line.split()[0].rstrip("/") for line in block.splitlines()[1:-1]}
    top = {Path(path).parts[0] for path in tracked() if "/" in path}
    packages = {str(Path(path).parent) for path in tracked() if path.endswith("/__init__.py")}
    assert not (top | packages) - mapped, "README's map of the tree lacks these"
    assert not mapped - top - packages, "README's map names what is not there"


@pytest.mark.parametrize("name", TEXTS)
def test_code_style_ends_on_its_line(name: str) -> None:
    """A word in code style that is broken over two lines escapes all the tests above."""
    assert not [line for line in prose(TEXTS[name]).splitlines() if line.count("`") % 2]
