"""validate-all at level 10 and above: would a start find what it needs on this host?"""

from __future__ import annotations

from .codes import OK, Forbidden, Unreachable, Verdict
from .scene import Scene
from .start import fit, refuse_unproven


def validate(several: list[Scene]) -> Verdict:
    """OK, or raises what a start would raise; an API that is away is no fault of the configuration."""
    refuse_unproven(several[0].host)
    try:
        for scene in several:
            fit(scene)
    except (Unreachable, Forbidden) as error:
        return Verdict(error.code, f"cannot ask the API: {error}")
    return Verdict(OK)
