"""How long after the fact start and stop return: after the API counts the workload available, after its last process
has gone. The process takes a second to end: a stop never takes less than the 0.3 s in which a container that was being
created at the moment of the withdrawal would show.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time

from .stage import Stage


def measure(where: Stage, runs: int) -> dict[str, list[float]]:
    """Seconds, sorted, of as many stops and starts of `app`."""
    starts, stops = [], []
    where.shop.node.process = ("sh", "-c", "trap 'sleep 1; exit' TERM; while :; do sleep 0.1; done")
    _act(where, "stop")
    _act(where, "start")
    for _ in range(runs):
        stops.append(_stop(where))
        starts.append(_start(where))
    return {"start": sorted(starts), "stop": sorted(stops)}


def _act(where: Stage, action: str) -> float:
    """When the action had returned."""
    command = where.agent(action)
    done = subprocess.run(list(command.argv), env=dict(command.env), capture_output=True, text=True, timeout=60)
    ended = time.monotonic()
    if done.returncode != 0:
        raise RuntimeError(f"{action}: {done.returncode} {done.stderr.strip()}")
    return ended


def _stop(where: Stage) -> float:
    (name,) = _of_app(where)
    process, gone = where.shop.node.running[name], []

    def mourn() -> None:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # at once, while Popen.wait looks every 50 ms
        gone.append(time.monotonic())

    thread = threading.Thread(target=mourn)
    thread.start()
    ended = _act(where, "stop")
    thread.join(60)
    return ended - gone[0]


def _of_app(where: Stage) -> list[str]:
    return [name for name in where.shop.node.alive() if name.startswith("app-")]


def _start(where: Stage) -> float:
    seen: list[float] = []
    connection = where.shop.plane.connection()
    connection.request("GET", f"{where.shop.apps}/deployments?watch=1&fieldSelector=metadata.name%3Dapp")
    answer = connection.getresponse()

    def look() -> None:
        while not seen and (line := answer.readline()):
            if (json.loads(line)["object"].get("status") or {}).get("availableReplicas"):
                seen.append(time.monotonic())

    thread = threading.Thread(target=look)
    thread.start()
    ended = _act(where, "start")
    thread.join(60)
    connection.close()
    return ended - seen[0]
