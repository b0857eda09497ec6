"""The alert rules: what to wake somebody for, and what to do then. deploy/monitoring and docs/monitoring.md follow it.

Whatever cannot be seen is an alert too: a conductor that is silent proves nothing.
"""

from dataclasses import dataclass
from typing import Any

from k8sdeployment.pair.peerpod import LABELS
from k8sdeployment.pair.rbac import Manifest

RUNBOOK = "https://github.com/snopair/aos-sno-pair/blob/main/docs/monitoring.md"
CRITICAL, WARNING = "critical", "warning"


@dataclass(frozen=True)
class Alarm:
    """`lasting`: as Prometheus writes it. `todo`: the runbook's steps, one a line."""

    name: str
    expression: str
    lasting: str
    severity: str
    summary: str
    todo: tuple[str, ...]


ALARMS = (
    Alarm("SnopairSilent", "snopair_status_age_seconds > 120 or absent(snopair_status_age_seconds)", "2m", CRITICAL,
          "The conductor of this site has not looked at its cluster for two minutes.",
          ("`kubectl -n aos-sno-pair get pod peer-0` and `kubectl -n aos-sno-pair logs peer-0 -c conductor`.",
           "On the node itself, with the API away: `crictl ps --name conductor`, then `crictl logs` of it.",
           "A silent conductor does no harm to workloads: Pacemaker decides alone. You are blind, not unprotected.")),
    Alarm("SnopairNotAvailable", 'snopair_condition{type="Available"} == 0', "2m", CRITICAL,
          "A workload of the pair runs on neither site.",
          ("`snopair status` names the workload and the reason.",
           "The lost site is not fenced: its fence device does not do its work. See SnopairFencingNotProven.",
           "There is no quorum: "
           "[both sites were down and one is back](operations.md#both-sites-were-down-and-one-is-back).",
           "A start failed: mend what the reason names, then `pcs resource cleanup NAME`.")),
    Alarm("SnopairConfirmNeeded", "snopair_confirm_needed == 1", "1m", CRITICAL,
          "This site does not see the other one, and takes nothing over until a person says that it is off.",
          ("The other site may be serving: a site that was fenced and boots while the links are down does not see it.",
           "Mend the links, or bring the other site back, if that is quick: then nothing needs to be confirmed. Until "
           "one or the other is done nothing that fails here is started again.",
           "Else go and make sure that it is off, its power cord out. A site that runs on while you say that it is off "
           "runs your workloads twice.",
           "Then, on this site: `snopair confirm SITE`. It refuses while a link or a device shows the site alive.")),
    Alarm("SnopairNotProtected", "snopair_protection == 0", "10m", CRITICAL,
          "Nobody would take over now: maintenance mode, or no quorum.",
          ("`snopair status` says since when and why.",
           "Somebody set maintenance mode and is done: `snopair maintenance off`.",
           "A peer is being renewed and does not come back: look at its pod; after some minutes the other site gives "
           "it up and fences it.")),
    Alarm("SnopairPeerAway", 'snopair_condition{type="PeerOnline"} == 0', "5m", CRITICAL,
          "The other site is not a member of the cluster. There is no second site to take over.",
          ("Is its machine on? Its BMC tells: `snopair status` shows the last proof of the device.",
           "Is its peer pod Ready? Ask its own API.",
           "Are the links up? `snopair check` on this site asks each.")),
    Alarm("SnopairFencingNotProven", 'snopair_condition{type="FencingProven"} == 0', "10m", CRITICAL,
          "This site could not fence the other one now: after a loss nothing would be taken over.",
          ("`snopair status` names the device and what it said.",
           "Wrong password: put the right one into the Secret that the device's `secretRef` names; it is asked again "
           "within half a minute of kubelet bringing it into the pod.",
           "Unreachable: is the BMC's network up, seen from this site?",
           "It said off, but the site still showed life: it switches another machine, or nothing. What it switched off "
           "is still off: switch it on. Set its address or outlet right; until then it is believed only where the site "
           "is seen going down.")),
    Alarm("SnopairDrillOverdue", "snopair_drill_overdue == 1", "1d", WARNING,
          "Nobody has seen for long that this site can fence the other one, or the last drill failed.",
          ("`snopair status` tells the last drill and what went wrong.",
           "`snopair drill` first: it disturbs nothing and finds most of what could fail.",
           "Then, at a quiet hour, `snopair drill --fence` on this site: it fences the other one, sees it return, and "
           "costs no service while that one runs nothing. On the other site the same.")),
    Alarm("SnopairTakeoverNotReady", 'snopair_condition{type="TakeoverReady"} == 0', "15m", WARNING,
          "The passive site could not take a workload now.",
          ("`snopair status` names the workload and what it lacks: an image, a Secret, room, its gate.",
           "Mend it on the passive site. Nothing has to be restarted.")),
    Alarm("SnopairNotInSync", 'snopair_condition{type="PeerInSync"} == 0', "30m", WARNING,
          "The two sites hold different CRs, or different pod templates of a workload.",
          ("`snopair status` names the field that differs and both values.",
           "Apply the same text on both sites. Until then the cluster keeps the configuration that it has.")),
    Alarm("SnopairDegraded", 'snopair_condition{type="Degraded"} == 1', "15m", WARNING,
          "Something is broken that costs no service yet: a link, a failed operation.",
          ("`snopair status` names it.",
           "A failed operation that was mended: `pcs resource cleanup NAME`.")),
    Alarm("SnopairTakenOver", "time() - snopair_recovery_timestamp_seconds < 3600", "0m", WARNING,
          "A site was lost and its workload was taken over within the last hour.",
          ("`snopair history` tells what was lost, which device fenced it, and how long each step took.",
           "Find out why the site was lost before you move the workload back.")),
)


def manifests() -> list[Manifest]:
    """A PrometheusRule and a PodMonitor, as the Prometheus operator and OpenShift's monitoring read them."""
    head = {"apiVersion": "monitoring.coreos.com/v1", "metadata": {"name": "snopair", "namespace": "aos-sno-pair"}}
    endpoint = {"port": "metrics", "interval": "30s"}
    return [{**head, "kind": "PrometheusRule", "spec": groups()},
            {**head, "kind": "PodMonitor", "spec": {"selector": {"matchLabels": dict(LABELS)},
                                                    "podMetricsEndpoints": [endpoint]}}]


def groups() -> dict[str, Any]:
    """The same as a plain Prometheus reads it."""
    return {"groups": [{"name": "snopair", "rules": [_rule(alarm) for alarm in ALARMS]}]}


def _rule(alarm: Alarm) -> dict[str, Any]:
    return {"alert": alarm.name, "expr": alarm.expression, "for": alarm.lasting, "labels": {"severity": alarm.severity},
            "annotations": {"summary": alarm.summary, "runbook_url": f"{RUNBOOK}#{alarm.name.lower()}"}}
