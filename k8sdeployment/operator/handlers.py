"""The operator as kopf sees it: when to look. What a look does is none of kopf's business.

There is no handler for creation or update, so kopf need not know what changed since when: a look compares with the API
itself. Hence it keeps no copy of the spec in the object (`Nothing`); what it does keep, how often a deletion was
tried, are annotations, for the status belongs to operator and conductor, and annotations change no generation.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

import aiohttp
import kopf

from k8sdeployment.agent.wire import Endpoint
from k8sdeployment.operator.look import FINALIZER, Operator

GROUP, VERSION, PLURAL = "snopair.dev", "v1alpha1", "snopairs"
# Seconds before each further attempt of kopf's at a request. About ten minutes: with the last of them it lets go of a
# refused connection and logs in anew, but a server that answers 5xx for so long ends the operator.
PATIENCE = (0.5, 1, 2, *(3,) * 200)
# Tokens and certificates are rotated in place; kopf reads them anew this often, and whenever it gets a 401.
LOGIN = timedelta(minutes=10)


class Nothing(kopf.DiffBaseStorage):
    """Remembers no former state of an object."""

    def fetch(self, *, body: kopf.Body) -> Optional[Any]:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: Any) -> None:
        return None


def settings() -> kopf.OperatorSettings:
    """Namespaced, without peering, without Events of kopf's own."""
    made = kopf.OperatorSettings()
    made.persistence.finalizer = FINALIZER
    made.persistence.diffbase_storage = Nothing()
    made.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix="operator.snopair.dev", v1=False)
    made.networking.error_backoffs = PATIENCE
    made.networking.request_timeout = 30
    made.posting.enabled = False
    # Else kopf wants to list and watch all namespaces and all kinds of objects, to see this one come and go.
    made.scanning.disabled = True
    made.process.ultimate_exiting_timeout = 20
    return made


def session(endpoint: Endpoint) -> kopf.AiohttpSession:
    """kopf's way to the API, the same as the operator's own. To be called within kopf's loop."""
    headers = {"Authorization": f"Bearer {endpoint.token}"} if endpoint.token else {}
    made = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=endpoint.context), headers=headers)
    return kopf.AiohttpSession(server=f"https://{endpoint}{endpoint.prefix}", aiohttp_session=made,
                               expiration=datetime.now(timezone.utc) + LOGIN)


def registry(operator: Operator, reach: Callable[[], Endpoint], period: float) -> kopf.OperatorRegistry:
    """kopf's handlers. `reach` gives the Endpoint, anew at each login, for tokens are rotated; `period`:
    seconds between two looks when nothing happens."""
    made = kopf.OperatorRegistry()
    seen: dict[str, tuple[Any, ...]] = {}

    @kopf.on.login(registry=made)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return session(reach())

    @kopf.on.startup(registry=made, backoff=3)
    def begin(**_: Any) -> None:
        """kopf, which does not scan, must find the kind there. `kubectl apply -k` may have made it a moment ago."""
        if not operator.served():
            raise kopf.TemporaryError("Kubernetes does not know SNOPairs yet: `kubectl apply -k deploy/crd`", delay=2)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=made)
    def changed(namespace: Optional[str], name: str, uid: str, meta: Any, **_: Any) -> None:
        """At once when somebody changed the spec, and when the finalizer stands; not for each write of the status."""
        now = (meta.get("generation"), tuple(meta.get("finalizers") or ()))
        if seen.get(uid) != now:
            seen.clear()
            seen[uid] = now
            operator.look(namespace or "", name)

    @kopf.timer(GROUP, VERSION, PLURAL, registry=made, interval=period, backoff=period)
    def passing(namespace: Optional[str], name: str, **_: Any) -> None:
        operator.look(namespace or "", name)

    @kopf.on.delete(GROUP, VERSION, PLURAL, registry=made, id="removal", backoff=period)
    def deleted(namespace: Optional[str], name: str, **_: Any) -> None:
        """The finalizer goes when this returns."""
        if not operator.remove(namespace or "", name):
            raise kopf.TemporaryError("the peer is not gone yet", delay=2)

    return made
