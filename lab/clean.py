"""Remove everything that belongs to a lab, by label and by state directory, in whatever state a crash left it."""

from docker.errors import APIError, NotFound

from lab import engine as engines
from lab import make
from lab.engine import Engine
from lab.errors import LabError
from lab.names import LABEL
from lab.state import LabState


def sweep(state: LabState, keep_logs: bool = False) -> str:
    """Take away containers, networks, volumes, the engine's own service and the state; says what there was."""
    known = state.plan() is not None
    engine = engines.connect(state.engine_directory)
    counts = {"container": _containers(engine, state.name), "network": _networks(engine, state.name),
              "volume": _volumes(engine, state.name)}
    engine.client.close()
    if engine.own:
        engines.stop_service(state.engine_directory)
    state.remove(keep_logs)
    words = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count]
    return ", ".join(words) or ("a state directory" if known else "")


def _containers(engine: Engine, name: str) -> int:
    found = make.labelled(engine, name)
    for container in found:
        try:
            container.remove(force=True, v=True)
        except NotFound:
            continue
        except APIError as error:
            raise LabError(f"the container {container.name} does not go away: {error.explanation}") from None
    return len(found)


def _networks(engine: Engine, name: str) -> int:
    found = engine.client.networks.list(filters={"label": f"{LABEL}={name}"})
    for network in found:
        network.remove()
    return len(found)


def _volumes(engine: Engine, name: str) -> int:
    found = engine.client.volumes.list(filters={"label": f"{LABEL}={name}"})
    for volume in found:
        volume.remove(force=True)
    return len(found)
