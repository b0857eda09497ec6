"""A pair's state as JSON. The keys are documented in docs/snopair.md and stay; programs must bear new ones."""

from datetime import datetime
from typing import Any, Optional

from k8sdeployment.cli.attention import attention, verdict
from k8sdeployment.cli.codes import LOOK, OK
from k8sdeployment.cli.view import Statement, View, WorkView

Object = dict[str, Any]

# The one declaration of the keys: docs/snopair.md shows it, a test holds `document` to it.
KEYS = {
    "verdict": "`well`, `look` (exit code 1) or `unknown`",
    "attention[]": "what to look at, one sentence each",
    "asked.site": "the site that was asked; its view follows",
    "asked.at": "when",
    "asked.live": "whether Pacemaker answered; else everything is what the conductor saw last",
    "asked.trouble": "why Pacemaker did not answer",
    "asked.quorate": "whether this site may decide",
    "conductor.answers": "whether its view is younger than 30 s",
    "conductor.age": "seconds since it wrote its view",
    "sites[].name": "name of the site",
    "sites[].state": "`online`, `standby` (evicted), `maintenance`, `joining`, `offline`, or `unclean` "
                     "(lost, not fenced yet)",
    "sites[].version": "version of its programs, by its own word",
    "sites[].image": "image of its peer",
    "workloads[].name": "name of the workload",
    "workloads[].namespace": "its namespace; empty without a live view",
    "workloads[].kind": "Deployment or StatefulSet; empty without a live view",
    "workloads[].site": "where it runs; empty for nowhere",
    "workloads[].since": "when it was started there",
    "workloads[].reason": "why there, or why nowhere",
    "workloads[].takeover.site": "the site that would take it",
    "workloads[].takeover.ready": "whether that one could take it now",
    "workloads[].takeover.reason": "why not",
    "protection.on": "whether a lost site would be taken over now",
    "protection.reason": "why not",
    "fencing.true": "whether this site's last proofs that it can fence the other one were good",
    "fencing.message": "what the conductor says about it",
    "fencing.since": "since when it is so",
    "fencing.devices.*": "by device: its last good proof",
    "inSync.true": "whether both sites hold the same SNOPair and pod templates",
    "inSync.message": "the fields that differ",
    "inSync.since": "since when it is so",
    "lastRecovery": "the last failover, with the keys of `history`; null for none",
    "drill.last": "the last drill that fenced the other site from here: `ended`, `target`, `good`, `message`, "
                  "`fencedSeconds`, `availableSeconds`, `returnedSeconds`; null for none",
    "drill.overdue": "whether it is longer ago than spec.fencing.drillEvery, failed, or was never done",
    "foreign[]": "what somebody set in Pacemaker beside the pair",
    "failures[]": "failed operations that Pacemaker remembers",
    "waitingFor": "what the operator waits for",
}


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
        "drill": {"last": dict(view.drill) or None, "overdue": view.drill_overdue},
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
