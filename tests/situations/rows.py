"""The table of docs/situations.md as values: which answer, which words and which test belong to a situation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from docs.tables import ROOT

DOCUMENT = ROOT / "docs/situations.md"
CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Row:
    """One situation. `answers`: pairs of action and code; `reasons`: what is said, `…` for anything."""

    name: str
    answers: tuple[tuple[str, int], ...]
    reasons: tuple[str, ...]
    tests: tuple[str, ...]


@cache
def load() -> dict[str, Row]:
    """Every row of the document's tables, by the situation's name."""
    found: dict[str, Row] = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 4 and not set("".join(cells)) <= set("- ") and cells[0] != "situation":
            assert cells[0] not in found, f"{cells[0]!r} stands there twice"
            found[cells[0]] = _row(*cells)
    return found


def _row(name: str, answers: str, reasons: str, tests: str) -> Row:
    pairs = re.findall(r"([a-z][a-z_-]*) (\d+)", answers)
    return Row(name, tuple((action, int(code)) for action, code in pairs), tuple(CODE.findall(reasons)),
               tuple(CODE.findall(tests)))


def said(fragment: str, reason: str) -> bool:
    """Whether a reason holds the words of a row; `…` stands for anything."""
    parts = [re.escape(part.strip()) for part in fragment.split("…") if part.strip()]
    return re.search(".*?".join(parts), reason) is not None


def shortcomings(row: Row, seen: dict[tuple[str, int], list[str]]) -> list[str]:
    """What a test did not show of its row."""
    reasons = [reason for (action, code), said_then in seen.items() for reason in said_then
               if (action, code) in row.answers]
    return [*(f"{action} never answered {code}" for action, code in row.answers if (action, code) not in seen),
            *(f"nothing said {words!r}, only {sorted(set(reasons))}" for words in row.reasons
              if not any(said(words, reason) for reason in reasons))]
