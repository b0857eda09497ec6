"""Recoveries from what Pacemaker's alerts told: lost, fenced by what, started, available; seconds each.

Times are those of Pacemaker's own clock on the site that tells them. A recovery is one workload's: it begins when its
site is seen lost and ends when the other site has it available. One that was under way when the alerts were cut off is
told with what is known of it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Optional

from k8sdeployment.pair.report import Recovery

MOST = 32
# Seconds after a loss during which a start of a workload belongs to it: a fence that fails is tried for a long time.
BELONGS = 3600.0

# Who fenced a site that `snopair confirm`, or `stonith_admin --confirm`, said to be off; and Pacemaker's word for it.
PERSON, _HUMAN = "a person", " by a human "


@dataclass(frozen=True)
class Alert:
    """One thing that happened; `when` in epoch seconds, `exec_time` in milliseconds (pacemaker-explained, Alerts)."""

    kind: str
    when: float
    node: str = ""
    desc: str = ""
    task: str = ""
    rsc: str = ""
    rc: str = ""
    interval: str = ""
    exec_time: int = 0


def parse(line: str) -> Optional[Alert]:
    """None for a line that was cut short, as by a full disk."""
    try:
        found = json.loads(line)
        words = {name: str(found.get(name, "")) for name in ("node", "desc", "task", "rsc", "rc", "interval")}
        return Alert(str(found["kind"]), float(found["time"]), exec_time=int(found.get("exec_time") or 0), **words)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


@dataclass(frozen=True)
class Loss:
    """A site that was lost: when, when its fence was confirmed, and by whom, where it was no device."""

    site: str
    when: float
    fenced: Optional[float] = None
    by: str = ""


def losses(alerts: Iterable[Alert]) -> list[Loss]:
    """Every loss of a site that was fenced for it, oldest first. A site that left in order is none."""
    found: list[Loss] = []
    lost: dict[str, float] = {}
    for alert in alerts:
        if alert.kind == "node" and alert.desc == "lost":
            lost[alert.node] = alert.when
        elif alert.kind == "fencing" and alert.rc == "0" and not alert.desc.startswith("Operation on "):
            # A site may be fenced that was never lost: one whose stop failed.
            found.append(Loss(alert.node, min(lost.pop(alert.node, alert.when), alert.when), alert.when,
                              PERSON if _HUMAN in alert.desc else ""))
    return found


def recoveries(alerts: list[Alert], names: Mapping[str, str], other: Mapping[str, str],
               devices: Mapping[float, str]) -> list[Recovery]:
    """The failovers in the alerts, newest first.

    `names`: workloads by their resource's id. `other`: each site's other one. `devices`: what fenced, by the time of
    the fence.
    """
    every = losses(alerts)
    found = [recovery for index, loss in enumerate(every) for recovery in _of(
        loss, every[index + 1].when if index + 1 < len(every) else loss.when + BELONGS, alerts, names, other, devices)]
    return sorted(found, key=lambda one: one.detected, reverse=True)[:MOST]


def _of(loss: Loss, until: float, alerts: list[Alert], names: Mapping[str, str], other: Mapping[str, str],
        devices: Mapping[float, str]) -> Iterator[Recovery]:
    seen = set()
    for alert in alerts:
        name = names.get(alert.rsc)
        if (name is None or name in seen or alert.task != "start" or alert.rc != "0"
                or alert.node != other.get(loss.site) or not loss.when <= alert.when <= until):
            continue
        seen.add(name)
        yield Recovery(
            workload=name, origin=loss.site, target=alert.node, detected=moment(loss.when),
            fenced_by=loss.by or devices.get(loss.fenced or 0.0, ""),
            fenced_seconds=_after(loss.when, loss.fenced),
            started_seconds=_after(loss.when, alert.when - alert.exec_time / 1000),
            available_seconds=_after(loss.when, alert.when),
        )


def _after(begin: float, end: Optional[float]) -> Optional[float]:
    return None if end is None else round(max(0.0, end - begin), 1)


def moment(epoch: float) -> datetime:
    """Epoch seconds as the status writes times: UTC, whole seconds."""
    return datetime.fromtimestamp(int(epoch), timezone.utc)
