"""The lab's own view of a site's Kubernetes API, from the host over the management network."""

import http.client
import json
import ssl
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

from lab.names import API_PORT


class SiteApi:
    """Reads as the site's administrator; `directory` is the site's /etc/kubernetes on the host."""

    def __init__(self, address: str, directory: Path) -> None:
        self._address = address
        self._pki = directory / "pki"

    def ready(self) -> bool:
        """Whether /readyz says so within a second."""
        return self._ask("/readyz") == (200, b"ok")

    def get(self, path: str) -> Optional[dict[str, Any]]:
        """The object at the path; None when it is absent or the API does not answer."""
        status, body = self._ask(path)
        if status != 200:
            return None
        found: dict[str, Any] = json.loads(body)
        return found

    def _ask(self, path: str) -> tuple[int, bytes]:
        context = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
        context.load_cert_chain(str(self._pki / "admin.crt"), str(self._pki / "admin.key"))
        connection = http.client.HTTPSConnection(self._address, API_PORT, timeout=1, context=context)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


def ready_since(node: dict[str, Any], started: str) -> bool:
    """Whether a node object says Ready by a heartbeat newer than the start of its machine.

    Heartbeats have whole seconds, so one of the very second of the start may still be the old boot's.
    """
    since = datetime.fromisoformat(started).replace(microsecond=0)
    return any(entry["type"] == "Ready" and entry["status"] == "True"
               and datetime.fromisoformat(entry["lastHeartbeatTime"]) > since
               for entry in node.get("status", {}).get("conditions", []))
