"""A rule between values of a pair.

It is said twice, side by side: as CEL for the API server and as Python for everybody else. Both name the first
offender, in the same sentence.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Optional

from k8sdeployment.pair import cel
from k8sdeployment.pair.references import Part

Holes = dict[str, object]


@dataclass(frozen=True)
class Rule:
    """`good` is CEL about `self`, a value of `part`; `found` gives what fills the sentence's holes, None if it holds.

    `holes`: the CEL of each hole. `at`: the field to which a refusal points. A rule about a change has `oldSelf` too,
    and Python is given the value of before as well.
    """

    part: type[Part]
    at: str
    good: str
    sentence: str
    found: Callable[..., Optional[Holes]]
    holes: dict[str, str] = field(default_factory=dict)
    change: bool = False

    def validation(self) -> dict[str, Any]:
        """The rule for the API server."""
        return cel.validation(self.good, self.sentence, self.holes, self.at)

    def fault(self, where: str, *values: Part) -> Iterator[str]:
        """One sentence when it is broken, with the place before it."""
        holes = self.found(*values)
        if holes is not None:
            yield f"{where}{self.at}: {self.sentence.format(**holes)}"
