"""The status as Prometheus metrics, made anew at each scrape from the last look; no labels but names of the CR."""

from collections.abc import Callable, Iterator
from datetime import datetime, timezone

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from k8sdeployment.pair import conditions
from k8sdeployment.pair.facts import Proof
from k8sdeployment.pair.report import Status

STATES = ("online", "standby", "maintenance", "joining", "offline", "unclean")
TRUTH = {"True": 1.0, "False": 0.0, "Unknown": -1.0}
# Name and meaning of every metric; docs/monitoring.md is written from it.
METRICS = {
    "snopair_build_info": "Always 1; the version of this site's programs as a label.",
    "snopair_status_age_seconds": "Seconds since the conductor last looked at the cluster.",
    "snopair_condition": "The pair's conditions as this site sees them: 1 true, 0 false, -1 unknown.",
    "snopair_protection": "1 while a takeover would happen by itself, 0 in maintenance or without quorum.",
    "snopair_confirm_needed": "1 while nothing is taken over until a person says that the other site is off.",
    "snopair_site_state": "1 for the state that each site is in, 0 for the others.",
    "snopair_workload_running": "1 for the site that runs the workload, 0 for the other one.",
    "snopair_workload_takeover_ready": "1 when the site that does not run the workload could take it now.",
    "snopair_fence_device_proven": "1 when the device told the other site's power at its last proof and has not lied.",
    "snopair_fence_device_proof_age_seconds": "Seconds since the last proof of the device.",
    "snopair_recovery_seconds": "The last recovery of the workload: seconds from the loss to each of its steps.",
    "snopair_recovery_timestamp_seconds": "When the loss behind the workload's last recovery was seen, epoch seconds.",
    "snopair_drill_timestamp_seconds": "When the other site was last fenced from here on purpose, epoch seconds.",
    "snopair_drill_overdue": "1 when that is longer ago than spec.fencing.drillEvery, failed, or was never done.",
    "snopair_foreign_settings": "Settings in Pacemaker that are not the pair's.",
}
Look = Callable[[], tuple[Status, dict[str, Proof]]]


class Metrics(Collector):
    """`look` gives the last status and the proofs of the fence devices."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        """Every family of METRICS, in its order."""
        status, proofs = self._look()
        now = datetime.now(timezone.utc)
        yield _family("snopair_build_info", ["version"], [((status.version,), 1.0)])
        age = (now - status.written).total_seconds() if status.written else float("inf")
        yield _family("snopair_status_age_seconds", [], [((), age)])
        yield _family("snopair_condition", ["type"], [((one.type,), TRUTH[one.status]) for one in status.conditions])
        yield _family("snopair_protection", [], [((), float(status.protection == "on"))])
        waits = any(one.type == "PeerOnline" and one.status == "False"
                    and one.reason in (conditions.CONFIRM, conditions.NO_QUORUM) for one in status.conditions)
        yield _family("snopair_confirm_needed", [], [((), float(waits))])
        yield _family("snopair_site_state", ["site", "state"], [
            ((one.name, state), float(one.state == state)) for one in status.sites for state in STATES])
        yield from _workloads(status)
        yield _family("snopair_fence_device_proven", ["device"], [
            ((name,), float(proof.good)) for name, proof in proofs.items()])
        yield _family("snopair_fence_device_proof_age_seconds", ["device"], [
            ((name,), now.timestamp() - proof.when) for name, proof in proofs.items()])
        yield from _recoveries(status)
        yield _family("snopair_drill_timestamp_seconds", [], [
            ((), status.drill.ended.timestamp())] if status.drill else [])
        yield _family("snopair_drill_overdue", [], [((), float(status.drill_overdue))])
        yield _family("snopair_foreign_settings", [], [((), float(len(status.foreign)))])


def _workloads(status: Status) -> Iterator[Metric]:
    yield _family("snopair_workload_running", ["workload", "site"], [
        ((work.name, site.name), float(work.site == site.name)) for work in status.workloads for site in status.sites])
    yield _family("snopair_workload_takeover_ready", ["workload"], [
        ((work.name,), float(work.takeover is not None and work.takeover.ready)) for work in status.workloads])


def _recoveries(status: Status) -> Iterator[Metric]:
    last = {one.workload: one for one in reversed(status.recoveries)}
    yield _family("snopair_recovery_seconds", ["workload", "step"], [
        ((name, step), seconds) for name, one in last.items()
        for step, seconds in (("fenced", one.fenced_seconds), ("started", one.started_seconds),
                              ("available", one.available_seconds)) if seconds is not None])
    yield _family("snopair_recovery_timestamp_seconds", ["workload"], [
        ((name,), one.detected.timestamp()) for name, one in last.items()])


def _family(name: str, labels: list[str], samples: list[tuple[tuple[str, ...], float]]) -> Metric:
    family = Gauge(name, METRICS[name], labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def serve(port: int, look: Look) -> None:
    """Answer /metrics on every address of the node from a thread; OSError when the port is taken."""
    registry = CollectorRegistry()
    registry.register(Metrics(look))
    start_http_server(port, registry=registry)
