"""Remove everything that belongs to a lab, in whatever state a crash left it.

What the engine knows is found by its label; what it forgot is found by the kernel: processes that have the lab's state
directory mounted, its watchdogs, loop devices over its disks.
"""

import contextlib
import signal
from pathlib import Path

from docker.errors import APIError, NotFound

from lab import engine as engines
from lab import hostproc, loops, make
from lab.engine import Engine
from lab.errors import LabError
from lab.names import LABEL
from lab.state import LabState


def sweep(state: LabState, keep_logs: bool = False) -> str:
    """Take away sites, networks, disks, the lab's own engine service and its state; says what there was."""
    known = state.directory.exists()
    engine = engines.connect(state.engine_directory)
    if keep_logs:
        _save_logs(engine, state)
    end_watchdogs(state)
    counts = {"container": _containers(engine, state.name), "orphaned process": _orphans(state),
              "network": _networks(engine, state.name), "disk": _disks(engine, state.name)}
    loops.release(state.pill_directory)
    engine.client.close()
    if engine.own:
        engines.stop_service(state.engine_directory)
    state.remove(keep_logs)
    words = [f"{count} {kind}{_plural(kind) if count > 1 else ''}" for kind, count in counts.items() if count]
    return ", ".join(words) or ("a state directory" if known else "")


def end_watchdogs(state: LabState) -> None:
    """End what watches the sites from outside, before they die; no power is cut for that."""
    hostproc.end(hostproc.with_argument(str(state.pill_ready)), signal.SIGTERM)


def _plural(kind: str) -> str:
    return "es" if kind.endswith("s") else "s"


def _containers(engine: Engine, name: str) -> int:
    """A container whose processes live on although the engine gave it up is left to _orphans."""
    found = make.labelled(engine, name)
    for container in found:
        with contextlib.suppress(APIError):  # it may be dead already; remove() says so if it is not
            container.kill()
    for container in found:
        try:
            container.remove(force=True, v=True)
        except NotFound:
            continue
        except APIError as error:
            raise LabError(f"the container {container.name} does not go away: {error.explanation}") from None
    return len(found)


def _orphans(state: LabState) -> int:
    found = hostproc.with_mount_of(state.directory)
    hostproc.end(found, signal.SIGKILL)
    return len(found)


def _networks(engine: Engine, name: str) -> int:
    found = engine.client.networks.list(filters={"label": f"{LABEL}={name}"})
    for network in found:
        network.remove()
    return len(found)


def _disks(engine: Engine, name: str) -> int:
    """Loop devices first: kubelet makes them for block volumes that are files, and leaks them when its site dies."""
    found = engine.client.volumes.list(filters={"label": f"{LABEL}={name}"})
    for volume in found:
        loops.release(volume.attrs["Mountpoint"])
        volume.remove(force=True)
    return len(found)


def _save_logs(engine: Engine, state: LabState) -> None:
    """Copies of the daemons' logs, beside the lab's events, before the disks go."""
    for volume in engine.client.volumes.list(filters={"label": f"{LABEL}={state.name}"}):
        source = Path(volume.attrs["Mountpoint"]) / "log"
        target = state.directory / "logs" / str(volume.name).removeprefix(f"{state.name}-").removesuffix("-disk")
        target.mkdir(parents=True, exist_ok=True)
        for log in source.glob("*.log"):
            (target / log.name).write_bytes(log.read_bytes())
