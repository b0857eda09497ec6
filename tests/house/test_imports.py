"""Imports point one way, and the agent stands on the standard library alone. Each rule is shown to be able to fail."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
AGENT = CHECKOUT / "k8sdeployment" / "agent"
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(directory)}
    return subprocess.run([sys.executable, "-c", LINT, "--no-cache"], cwd=directory, env=env, capture_output=True,
                          text=True, timeout=60)


def test_the_checkout_keeps_the_contracts() -> None:
    done = lint(CHECKOUT)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """An empty house with all rooms, those that are not built yet included, under the same contracts."""
    shutil.copy(CHECKOUT / "setup.cfg", tmp_path)
    for room in ("agent", "pair", "conductor", "operator", "cli"):
        (tmp_path / "k8sdeployment" / room).mkdir(parents=True)
        (tmp_path / "k8sdeployment" / room / "__init__.py").touch()
        (tmp_path / "k8sdeployment" / room / "part.py").touch()
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "__init__.py").touch()
    (tmp_path / "k8sdeployment" / "__init__.py").touch()
    return tmp_path


def test_downwards_is_allowed(house: Path) -> None:
    for room, below in (("cli", "pair"), ("cli", "agent"), ("operator", "pair"), ("conductor", "agent"),
                        ("pair", "agent")):
        with open(house / "k8sdeployment" / room / "part.py", "a") as file:
            file.write(f"from k8sdeployment.{below} import part as {below}\n")
    (house / "lab" / "__init__.py").write_text("from k8sdeployment.cli import part\n")
    assert lint(house).returncode == 0


@pytest.mark.parametrize("room,line", [
    ("agent", "from k8sdeployment.pair import part"), ("agent", "from ..conductor import part"),
    ("pair", "import k8sdeployment.operator.part"), ("pair", "from k8sdeployment.cli import part"),
    ("conductor", "from k8sdeployment.operator import part"), ("cli", "from k8sdeployment.conductor import part"),
    ("agent", "def late():\n    import k8sdeployment.cli.part"), ("conductor", "import lab"), ("agent", "import lab")])
def test_upwards_sideways_and_into_the_lab_is_not(house: Path, room: str, line: str) -> None:
    (house / "k8sdeployment" / room / "part.py").write_text(line + "\n")
    done = lint(house)
    assert done.returncode == 1 and "BROKEN" in done.stdout


# -- the agent's imports, those within functions included ----------------------------------------------------------

def imported(source: str) -> Iterator[str]:
    """Absolute names that a module imports, wherever it does, and relative ones that leave the room ("..")."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
        elif isinstance(node, ast.ImportFrom) and node.level > 1:
            yield ".."


def foreign(source: str) -> list[str]:
    return [name for name in imported(source) if name.partition(".")[0] not in sys.stdlib_module_names]


@pytest.mark.parametrize("path", sorted(AGENT.glob("**/*.py")), ids=lambda path: path.name)
def test_a_module_of_the_agent_imports_the_standard_library_and_its_neighbours(path: Path) -> None:
    assert foreign(path.read_text()) == []


@pytest.mark.parametrize("source", ["import yaml", "from kubernetes import client", "from .. import pair",
                                    "from k8sdeployment.pair import model", "def f():\n    import requests",
                                    "try:\n    import orjson\nexcept ImportError:\n    pass"])
def test_anything_else_is_found(source: str) -> None:
    assert foreign(source)


def test_the_agent_loads_with_nothing_but_the_standard_library() -> None:
    """All modules at once in a bare interpreter: no site-packages, no environment."""
    names = sorted(path.stem for path in AGENT.glob("*.py") if path.stem != "__init__")
    code = (f"import sys; sys.path.insert(0, {str(CHECKOUT)!r})\nimport importlib\n"
            f"for name in {names!r}: importlib.import_module('k8sdeployment.agent.' + name)\n"
            "print(*sorted({name.partition('.')[0] for name in sys.modules}))")
    done = subprocess.run(["/usr/bin/python3", "-IS", "-c", code], capture_output=True, text=True, timeout=30)
    loaded = set(done.stdout.split())
    assert "k8sdeployment" in loaded, done.stderr
    assert loaded - set(sys.stdlib_module_names) - {"__main__", "k8sdeployment"} <= {"_distutils_hack"}


# -- Python 3.9 ----------------------------------------------------------------------------------------------------

SHIPPED = [*sorted(AGENT.glob("**/*.py")), CHECKOUT / "k8sdeployment" / "__init__.py", CHECKOUT / "ocf/k8sdeployment"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_what_is_shipped_is_python_3_9(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    lazy = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    annotated = any(isinstance(node, ast.FunctionDef) for node in ast.walk(tree))
    assert lazy or not annotated, "annotations such as int | None are text only with the future import"


def test_newer_syntax_is_found() -> None:
    with pytest.raises(SyntaxError):
        ast.parse("match 1:\n    case 1:\n        pass", feature_version=(3, 9))
