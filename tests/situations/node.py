"""The node's part, played by processes: a pod whose permit is there runs as a process that bind-mounts it."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lab.plane import Plane

from ..agent.kernel import holder

Object = dict[str, Any]
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
WAITING = {"phase": "Pending", "containerStatuses": [{
    "name": "app", "image": "app", "imageID": "", "ready": False, "restartCount": 0,
    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}


class Node:
    """Runs and ends the pods of one namespace, as kubelet does. `deaf`: kubelet is stopped. `status`: what pods become.

    `process`: what a container runs.
    """

    def __init__(self, plane: Plane, namespace: str, directory: Path) -> None:
        self._plane, self._directory = plane, directory
        self.path = f"/api/v1/namespaces/{namespace}/pods"
        self.deaf, self.status = False, READY
        self.process: tuple[str, ...] = ("sleep", "600")
        self.running: dict[str, subprocess.Popen[str]] = {}
        self._seen: set[str] = set()
        self._over = threading.Event()
        self._stack = ExitStack()
        self._socket: ssl.SSLSocket | None = None
        self._threads = [threading.Thread(target=self._watch, daemon=True)]

    def __enter__(self) -> Node:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._hang_up()
        for process in self.running.values():
            process.kill()
        for thread in list(self._threads):
            thread.join(20)
        self._stack.close()

    def alive(self) -> list[str]:
        """The names of the pods whose process lives."""
        return [name for name, process in self.running.items() if process.poll() is None]

    def hold(self, permit: str, name: str, *argv: str) -> subprocess.Popen[str]:
        """A process that has the permit mounted, as a container of the pod `name`."""
        process = self._stack.enter_context(holder(permit, self._directory / name, argv or self.process))
        self.running[name] = process
        return process

    def say(self, name: str, status: Object) -> None:
        """Patch the pod's status, as kubelet does."""
        self._plane.ask("PATCH", f"{self.path}/{name}/status", {"status": status},
                        content="application/merge-patch+json")

    def gone(self, name: str) -> None:
        """Take the object away, as kubelet does when everything of the pod has ended."""
        self._plane.ask("DELETE", f"{self.path}/{name}", {"gracePeriodSeconds": 0})

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                self._follow()
            except (OSError, http.client.HTTPException, ValueError):
                self._over.wait(0.1)  # the API server is away

    def _follow(self) -> None:
        connection = self._plane.connection()
        connection.request("GET", self.path + "?watch=1")
        self._socket = connection.sock
        answer = connection.getresponse()
        try:
            while not self._over.is_set() and (line := answer.readline()):
                event = json.loads(line)
                if not self.deaf and event["type"] in ("ADDED", "MODIFIED"):
                    self._see(event["object"])
        finally:
            connection.close()

    def _hang_up(self) -> None:
        try:
            if self._socket is not None:
                self._socket.shutdown(2)
        except OSError:
            pass

    def _see(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        if pod["metadata"].get("deletionTimestamp"):
            self._end(name)
        elif name not in self._seen and self._may_start(pod):
            self._seen.add(name)
            for path in permits(pod):
                self.hold(path, name)
            self.say(name, self.status)

    @staticmethod
    def _may_start(pod: Object) -> bool:
        """kubelet's own check of a hostPath of type File."""
        return all(os.path.isfile(path) for path in permits(pod))

    def _end(self, name: str) -> None:
        """SIGTERM once; the object goes when the process has gone."""
        process = self.running.get(name)
        if process is None:
            return self.gone(name)
        if name in self._seen:
            self._seen.discard(name)
            process.terminate()
            self._threads.append(threading.Thread(target=self._bury, args=(name, process), daemon=True))
            self._threads[-1].start()
        return None

    def _bury(self, name: str, process: subprocess.Popen[str]) -> None:
        process.wait(60)
        self.gone(name)


def permits(pod: Object) -> list[str]:
    """The permits that a pod mounts."""
    return [volume["hostPath"]["path"] for volume in pod["spec"].get("volumes", ())
            if volume.get("hostPath", {}).get("type") == "File"]
