"""A pair's state as JSON. The keys are documented in docs/snopair.md and stay; programs must bear new ones."""

from datetime import datetime
from typing import Any, Optional

from k8sdeployment.cli.attention import attention, verdict
from k8sdeployment.cli.codes import LOOK, OK
from k8sdeployment.cli.view import Statement, View, WorkView

Object = dict[str, Any]


def document(view: View) -> Object:
    """Everything that `status` knows. Unknown is null."""
    return {
        "verdict": {OK: "well", LOOK: "look"}.get(verdict(view), "unknown"),
        "attention": attention(view),
        "asked": {"site": view.site, "at": _time(view.now), "live": view.live, "trouble": view.trouble,
                  "quorate": view.quorate},
        "conductor": {"answers": not view.old, "age": None if view.age is None else round(view.age, 1)},
        "sites": [{"name": site.name, "state": site.state, "version": site.version, "image": site.image}
                  for site in view.sites],
        "workloads": [_work(work) for work in view.works],
        "protection": {"on": view.protection.true, "reason": view.protection.message},
        "fencing": {**_statement(view.fencing), "devices": {name: _time(when) for name, when in view.proven.items()}},
        "inSync": _statement(view.sync),
        "lastRecovery": dict(view.recovery) or None,
        "foreign": list(view.foreign),
        "failures": list(view.failures),
        "waitingFor": view.waiting,
    }


def _work(work: WorkView) -> Object:
    takeover = {"site": work.other, "ready": work.takeover, "reason": work.lacking}
    return {"name": work.name, "namespace": work.namespace, "kind": work.kind, "site": work.site,
            "since": _time(work.since), "reason": work.reason, "takeover": takeover}


def _statement(said: Statement) -> Object:
    return {"true": said.true, "message": said.message, "since": _time(said.since)}


def _time(when: Optional[datetime]) -> Optional[str]:
    return None if when is None else when.isoformat().replace("+00:00", "Z")
