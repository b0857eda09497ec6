"""What an exit code of `snopair` means, and the errors that carry one.

SnopairError            FAILED   something outside did not do what it was asked for
├── CallError           USAGE    the call names what there is not, or what cannot be done with it
├── CannotTell          UNKNOWN  nobody answers who could know
├── Refusal             REFUSED  it would break the promise or cost service; `--force` does it all the same
└── TooLate             LATE     it was begun and is not done yet
"""

from collections.abc import Sequence

OK, LOOK, USAGE, UNKNOWN, REFUSED, LATE, FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130

# The one declaration: docs/snopair.md shows it, `snopair --help` too.
MEANINGS = {
    OK: "all is well; what was asked for is done",
    LOOK: "there is something to look at: the pair is degraded, a check failed, a manifest is not gated",
    USAGE: "the call is wrong: an unknown option, workload, site or file, a pair that cannot be built",
    UNKNOWN: "it cannot be told: neither the pair's daemons nor the API answer",
    REFUSED: "refused, because it would break the promise or cost service; where `--force` overrules that, the "
             "sentence says what would happen",
    LATE: "it was begun, and was not done within `--timeout`",
    FAILED: "a program or a file failed; the sentence says which",
    INTERRUPTED: "interrupted from the keyboard",
}


class SnopairError(Exception):
    """One sentence for the person, and the exit code."""

    code = FAILED


class CallError(SnopairError):
    """The call cannot be meant so."""

    code = USAGE


class CannotTell(SnopairError):
    """Nobody answers."""

    code = UNKNOWN


class TooLate(SnopairError):
    """Begun, not done in time."""

    code = LATE


class Refusal(SnopairError):
    """Not done. `reasons`: why not; `consequence`: what `--force` would mean, empty where force is of no use."""

    code = REFUSED

    def __init__(self, what: str, reasons: Sequence[str], consequence: str = "") -> None:
        super().__init__(what, reasons, consequence)
        self.what, self.reasons, self.consequence = what, tuple(reasons), consequence

    def __str__(self) -> str:
        text = f"{self.what} is refused: {'; '.join(self.reasons)}"
        return f"{text}. With --force: {self.consequence}" if self.consequence else text
