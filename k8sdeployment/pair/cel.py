"""Sentences that two speak alike: this program, and the API server in CEL. A sentence has holes, as in `{site}`."""

import re
from collections.abc import Mapping
from typing import Any

_HOLE = re.compile(r"\{(\w+)\}")


def quoted(text: str) -> str:
    """A text as a CEL literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def listed(texts: tuple[str, ...]) -> str:
    """Texts as a CEL list."""
    return f"[{', '.join(map(quoted, texts))}]"


def spoken(sentence: str, holes: Mapping[str, str]) -> str:
    """The CEL expression that yields the sentence; `holes` holds for each name the CEL of what to put there.

    A hole may be a text or a whole number. KeyError when one has no expression.
    """
    names = _HOLE.findall(sentence)
    if not names:
        return quoted(sentence)
    # Not by `+`: the API server takes every text whose length it cannot foretell for endless, and refuses the cost.
    form = quoted(_HOLE.sub("%s", sentence.replace("%", "%%")))
    return f"{form}.format([{', '.join(holes[name] for name in names)}])"


def validation(rule: str, sentence: str, holes: Mapping[str, str], at: str = "") -> dict[str, Any]:
    """One entry of `x-kubernetes-validations`. `at`: the field below to which the refusal points, as in `.sites`."""
    made = {"rule": rule, "messageExpression": spoken(sentence, holes)}
    return {**made, "fieldPath": at} if at else made
