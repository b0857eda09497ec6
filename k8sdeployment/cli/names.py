"""Names that a shell completes: of workloads and sites, from whatever answers at once; none where nothing does."""

import json
from collections.abc import Iterator
from typing import Any

import click

from k8sdeployment.cli import reach, snapshot
from k8sdeployment.cli.verb import world_of
from k8sdeployment.cli.world import ProgramError

# Seconds that somebody who pressed Tab waits.
PATIENCE = 3.0


def workloads(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Those that begin so."""
    return [name for name in _names(context, "workloads") if name.startswith(begun)]


def sites(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The same for sites."""
    return [name for name in _names(context, "sites") if name.startswith(begun)]


def _names(context: click.Context, field: str) -> Iterator[str]:
    world, at = world_of(context), reach.place({"kubectl": "kubectl", "namespace": reach.NAMESPACE, "kubeconfig": "",
                                                "context": "", **_given(context.params)})
    if world.here() and not at.named:
        found: Any = snapshot.read(world.snapshot).listed(field)
    else:
        try:
            said = json.loads(reach.ask(world, at, "get", "snopairs.snopair.dev", "--output=json", seconds=PATIENCE))
            found = [one for pair in said["items"] for one in pair["spec"].get(field, ())]
        except (ProgramError, ValueError, KeyError):
            return
    yield from (str(one["name"]) for one in found if "name" in one)


def _given(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}
