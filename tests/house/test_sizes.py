"""How large functions and modules may grow: the median function 8 to 12 lines, nine in ten under 40."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
# Lines of nine modules in ten, and of the largest one. Tables of cases make tests longer.
MODULES = {"k8sdeployment": (250, 260), "lab": (250, 260), "tests": (300, 350)}


def modules(room: str) -> list[Path]:
    return sorted((CHECKOUT / room).glob("**/*.py"))


def functions(room: str) -> Iterator[tuple[int, str]]:
    """Lines and name of every function."""
    for path in modules(room):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield (node.end_lineno or node.lineno) - node.lineno + 1, f"{path.name}:{node.name}"


@pytest.mark.parametrize("room", MODULES)
def test_functions_are_short(room: str) -> None:
    sizes = sorted(functions(room))
    assert sizes[len(sizes) // 2][0] <= 12
    assert sizes[len(sizes) * 9 // 10][0] < 40
    assert sizes[-1][0] <= 60, sizes[-1]


@pytest.mark.parametrize("room", MODULES)
def test_modules_are_small(room: str) -> None:
    sizes = sorted((len(path.read_text().splitlines()), path.name) for path in modules(room))
    most, extreme = MODULES[room]
    assert sizes[len(sizes) * 9 // 10][0] <= most, sizes[-5:]
    assert sizes[-1][0] <= extreme, sizes[-1]


def test_code_names_no_helpers() -> None:
    """A class is named after what it is."""
    vague = [f"{path.name}:{node.name}" for room in ("k8sdeployment", "lab") for path in modules(room)
             for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.ClassDef) and node.name.endswith(("Manager", "Helper", "Util", "Utils"))]
    assert vague == []
