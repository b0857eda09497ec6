"""Reading a SNOPair: from the text of the CR to values, or to one clear sentence for everything that is wrong."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from k8sdeployment.pair import rules
from k8sdeployment.pair.model import SNOPair


class PairError(Exception):
    """The CR describes no pair that can be built. `sentences` holds every reason, `str()` joins them by lines."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


def load(document: Mapping[str, Any]) -> SNOPair:
    """The pair that a CR describes; PairError with one sentence per fault when it describes none."""
    try:
        pair = SNOPair.model_validate(dict(document))
    except ValidationError as error:
        raise PairError([_sentence(fault) for fault in error.errors(include_url=False)]) from None
    broken = rules.faults(pair.spec)
    if broken:
        raise PairError(broken)
    return pair


def _sentence(fault: ErrorDetails) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    match fault["type"]:
        case "missing":
            return f"{where}: is missing and must be given"
        case "extra_forbidden":
            return f"{where}: is not a field of SNOPair; remove it or mend its spelling"
        case "value_error":
            return f"{where}: {fault['ctx']['error']}"
    # A value under `parameters` is never repeated: it may be a secret that somebody put in the wrong place.
    value = "" if "parameters" in fault["loc"] else f"{fault['input']!r}: "
    return f"{where}: {value}{fault['msg'][:1].lower()}{fault['msg'][1:]}"
