"""`snopair seed`: run once on a site by the bundle's Job, so that one `kubectl apply` makes a pair.

kubectl refuses a resource whose kind it does not know yet, so that kind and resource cannot come with one apply. The
bundle brings the resource as a ConfigMap, and the Job makes it of that as soon as the API serves its kind.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from k8sdeployment.cli.codes import CallError, SnopairError, TooLate
from k8sdeployment.cli.verb import Verb, world_of
from k8sdeployment.cli.world import World

if TYPE_CHECKING:
    from k8sdeployment.agent.api import Line

# Seconds for one exchange, and between two.
EXCHANGE, PAUSE = 5.0, 1.0


@click.command("seed", cls=Verb, hidden=True)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--kubeconfig", metavar="FILE", default="", help="Else the pod's service account.")
@click.option("--timeout", metavar="SECONDS", type=click.IntRange(min=1), default=300, show_default=True)
@click.pass_context
def seed_verb(context: click.Context, /, file: Path, kubeconfig: str, timeout: int,
              output: Literal["text", "json"]) -> int:
    """Make the SNOPair in FILE (JSON) once the API serves its kind. One that is there stays as it is."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CallError(f"{file} cannot be read: {error}") from error
    made = _seed(world_of(context), document, kubeconfig, timeout)
    said = "was made" if made else "is there already and stays as it is; apply pair.yaml to change it"
    name = f"{document['metadata']['namespace']}/{document['metadata']['name']}"
    click.echo(json.dumps({"made": made}) if output == "json" else f"the SNOPair {name} {said}")
    return 0


def _seed(world: World, document: dict[str, Any], kubeconfig: str, timeout: float) -> bool:
    """Whether it had to be made. TooLate when the API does not serve it in time, SnopairError when it is refused."""
    from k8sdeployment.agent import access
    from k8sdeployment.agent.api import Line
    from k8sdeployment.agent.codes import AgentError, ApiError
    line = Line(lambda: access.endpoint(kubeconfig, "", os.environ))
    end = world.monotonic() + timeout
    while True:
        try:
            return _once(line, document)
        except AgentError as error:
            if type(error) is ApiError:
                raise SnopairError(f"the SNOPair is refused: {error}") from error
            # Not installed yet, not permitted yet, not up yet: all of that passes.
            if world.monotonic() > end:
                raise TooLate(f"the SNOPair could not be made within {timeout:.0f} s: {error}") from error
        world.wait(PAUSE)


def _once(line: "Line", document: dict[str, Any]) -> bool:
    from k8sdeployment.agent.codes import NotFound
    from k8sdeployment.agent.deadline import Deadline
    metadata = document["metadata"]
    path = f"/apis/{document['apiVersion']}/namespaces/{metadata['namespace']}/snopairs"
    try:
        line.get(f"{path}/{metadata['name']}", "SNOPair", Deadline(EXCHANGE))
    except NotFound:
        # Applied in kubectl's name, so that a later `kubectl apply --server-side` of the text is no conflict with this.
        line.call("PATCH", f"{path}/{metadata['name']}?fieldManager=kubectl", Deadline(EXCHANGE),
                  json.dumps(document).encode(), "application/apply-patch+yaml")
        return True
    return False
