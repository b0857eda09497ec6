"""What a verdict is made of: outcomes, findings, and what the record cannot know by itself. Pure values."""
from __future__ import annotations

import enum
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from lab.oracle_facts import Boot, Fence, Outage, Run, Spell
from lab.record import Event


class Outcome(enum.Enum):
    """What the record says of one invariant."""

    HELD = "held"
    BROKEN = "broken"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Finding:
    """One invariant's outcome and the sentence that shows why."""

    invariant: str
    title: str
    outcome: Outcome
    evidence: str


@dataclass(frozen=True)
class Start:
    """The cluster started the workload on ``site`` at ``mono``: from then on it may run there."""

    site: str
    mono: float


@dataclass(frozen=True)
class Quiet:
    """From ``since`` to ``until`` the healthy workload on ``site`` had to be left alone."""

    site: str
    since: float
    until: float


@dataclass(frozen=True)
class Fact:
    """Something another witness looked at: whether it was so, and what exactly was seen."""

    good: bool
    seen: str


@dataclass(frozen=True)
class Expectations:
    """What the record cannot know. ``bound``: most seconds without service; ``fenceable``: sites a fault named in the
    events may get fenced, in place of what its kind allows; ``healed`` and ``says_why`` are facts for I5 and I6."""

    bound: float | None = None
    starts: tuple[Start, ...] = ()
    quiet: tuple[Quiet, ...] = ()
    healed: Fact | None = None
    says_why: Fact | None = None

    def as_json(self) -> str:
        """One line, fit for the detail of an ``expect`` event."""
        return json.dumps({key: value for key, value in asdict(self).items() if value not in (None, ())})

    @classmethod
    def of(cls, events: Iterable[Event]) -> Expectations:
        """Everything the record's ``expect`` events say together; a later one replaces what an earlier one said."""
        known: dict[str, Any] = {}
        for event in events:
            if event.what == "expect":
                known.update(json.loads(event.detail))
        return cls(
            bound=known.get("bound"),
            starts=tuple(Start(**row) for row in known.get("starts", ())),
            quiet=tuple(Quiet(**row) for row in known.get("quiet", ())),
            healed=Fact(**known["healed"]) if "healed" in known else None,
            says_why=Fact(**known["says_why"]) if "says_why" in known else None,
        )


@dataclass(frozen=True)
class Overlap:
    """Two runs of one workload on two sites; ``seen`` when both certainly ran, else they only may have."""

    one: Run
    other: Run
    start: float
    end: float
    seen: bool


@dataclass(frozen=True)
class Verdict:
    """All findings, and the measured facts behind them."""

    findings: tuple[Finding, ...]
    runs: tuple[Run, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    outages: tuple[Outage, ...] = ()
    boots: tuple[Boot, ...] = ()
    fences: tuple[Fence, ...] = ()
    blind: tuple[Spell, ...] = ()
    resolution: float = 0.0
    watched: float = 0.0

    def outcome(self, invariant: str) -> Outcome:
        """The outcome for one invariant, by its name (I1…I8)."""
        return next(finding.outcome for finding in self.findings if finding.invariant == invariant)

    @property
    def broken(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.outcome is Outcome.BROKEN)


TITLES = {
    "I1": "at most one", "I2": "back soon", "I3": "no needless fence", "I4": "no fence loop", "I5": "heals",
    "I6": "says why", "I7": "leaves the healthy alone", "I8": "stays down until told",
}
