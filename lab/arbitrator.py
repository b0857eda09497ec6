"""The arbitrator of a running lab: a corosync-qnetd in a container of its own, on the management network."""

from typing import cast

from docker.models.containers import Container

from lab.engine import Engine
from lab.errors import LabError
from lab.names import LabPlan
from lab.state import LabState


class Arbitrator:
    """The third vote, and what it knows the pair by."""

    def __init__(self, plan: LabPlan, state: LabState, engine: Engine) -> None:
        self.address = plan.arbitrator
        self._plan, self._state, self._engine = plan, state, engine

    @property
    def _container(self) -> Container:
        return self._engine.client.containers.get(self._plan.arbitrator_container)

    def running(self) -> bool:
        """Whether its container runs."""
        return bool(self._container.status == "running")

    def power(self, order: str) -> None:
        """"off" kills it and returns once it is dead; "on" starts it, with the same CA. What is so already stays so."""
        if order not in ("on", "off"):
            raise LabError(f"power of the arbitrator knows on and off, not {order!r}")
        if self.running() is (order == "on"):
            return
        self._state.event(f"arbitrator-{order}")
        if order == "on":
            self._container.start()
            return
        self._container.kill()
        self._container.wait()

    def secret(self, pair: str) -> str:
        """The Secret by which a pair of that name shows who it is, made anew, for `kubectl apply -f -`."""
        return self._run("/usr/libexec/aos/arbitrator-secret", pair)

    def _run(self, *argv: str) -> str:
        code, streams = self._container.exec_run(list(argv), demux=True)
        said, why = ((text or b"").decode(errors="replace") for text in cast(tuple[bytes, bytes], streams))
        if code:
            raise LabError(f"{argv[0]} in the arbitrator ended with code {code}: {why.strip()}")
        return str(said)
