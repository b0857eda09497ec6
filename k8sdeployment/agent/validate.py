"""validate-all at level 10 and above: would a start find what it needs on this host?"""

from __future__ import annotations

from . import gate
from .codes import OK, ApiError, NotFound, Unfit, Verdict
from .scene import Scene, Survey


def validate(scene: Scene) -> Verdict:
    """OK, or raises what a start would raise; an API that is away is no fault of the configuration."""
    settings = scene.settings
    if settings.guard == "required" and scene.ground is None:
        raise Unfit(f"guard=required, but nothing can be proven on this host: {scene.unproven}")
    try:
        survey = Survey(scene, scene.deadline)
    except ApiError as error:
        return Verdict(error.code, f"cannot ask the API: {error}")
    if not survey.workload:
        raise NotFound(f"{settings.workload} does not exist on this site")
    if survey.gate == gate.HALF or (settings.guard == "required" and survey.gate == gate.NONE):
        raise Unfit(f"{settings.workload} is not well gated: " + "; ".join(survey.gate_faults[:4]))
    if survey.gate == gate.WHOLE and settings.guard != "off" and settings.replica_min:
        raise Unfit(f"replica_min={settings.replica_min} must be 0: {settings.workload} is gated")
    return Verdict(OK)
