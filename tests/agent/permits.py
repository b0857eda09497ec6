"""Permits for tests, and what a process in another namespace or of another user sees of them."""

from __future__ import annotations

from pathlib import Path

from k8sdeployment.agent.parameters import load
from k8sdeployment.agent.permit import Permit

from .kernel import PYTHON, line_of, running


def permit_of(directory: Path, name: str = "app", namespace: str = "default", kind: str = "Deployment") -> Permit:
    return Permit(load({"OCF_RESKEY_deployment": name, "OCF_RESKEY_namespace": namespace,
                        "OCF_RESKEY_kind": kind, "OCF_RESKEY_permit_dir": str(directory)}))


def granted(directory: Path, name: str = "app", namespace: str = "default") -> Permit:
    permit = permit_of(directory, name, namespace)
    grant(permit)
    return permit


def grant(permit: Permit) -> None:
    permit.announce()
    with permit.locked():
        permit.grant()


LOOK = """
import sys
sys.path.insert(0, sys.argv[1])
from k8sdeployment.agent.ground import Unproven, stand
from k8sdeployment.agent.witness import Witness
try:
    print("ready", flush=True)
    print("holders", *Witness(stand(sys.argv[2]), sys.argv[3]).holders(), flush=True)
except Unproven as reason:
    print("unproven", reason, flush=True)
"""


def look(installed: Path, directory: Path, permit: Permit, *wrapper: str) -> str:
    """What a process begun through `wrapper` sees."""
    library = installed.parents[2] / "lib/aos"
    with running(*wrapper, PYTHON, "-c", LOOK, library, directory, permit.relative) as process:
        return line_of(process)
