"""Pacemaker's configuration as pcs commands on a CIB file.

They make all of it from nothing, the same way each time. What a running cluster holds already, and what in it is not
the pair's, is the business of `merge`; the difference is pushed.
"""

from collections.abc import Iterator, Sequence

from k8sdeployment.pair import paths, timing
from k8sdeployment.pair.fencing import (
    PILL, QUORUM, Parameters, confirmation_id, device_id, device_parameters, gone_id, levels, shoots)
from k8sdeployment.pair.model import Device, Site, SNOPair, Spec, Workload
from k8sdeployment.pair.values import seconds

Argv = tuple[str, ...]

AGENT = "ocf:aos:k8sdeployment"
ALERT = "snopair"
_PREFERENCE = 100
# Manual failback: the place where a workload runs outweighs the place where it would rather be.
_STICKINESS = {"Manual": 1000, "Automatic": 1}


def push(file: str, original: str) -> Argv:
    """Bring the difference between two files into the running configuration, all of it or nothing."""
    return "pcs", "cluster", "cib-push", file, f"diff-against={original}"


def configure(pair: SNOPair, file: str) -> list[Argv]:
    """The commands that make a CIB file without any configuration hold this pair."""
    spec = pair.spec
    if spec.failover.mode == "Confirm":
        return [("pcs", "-f", file, *words) for words in (
            *_cluster(spec), *map(_confirmation, spec.sites), *_works(spec), *_alert())]
    delays = dict(zip((site.name for site in spec.sites), spec.fence_delays()))
    together = [(site, ranks) for site in spec.sites for ranks in levels(site).values()]
    return [("pcs", "-f", file, *words) for words in (
        *_cluster(spec),
        *(command for site in spec.sites for command in _devices(site, delays[site.name], spec)),
        *(_witness(site, ranks, spec) for site, ranks in together if shoots(spec)),
        *(("constraint", "location", name, "avoids", f"{site.name}=INFINITY")
          for site, ranks in together for name in _fencers(site, ranks, spec)),
        *_levels(spec),
        *_works(spec),
        *_alert(),
    )]


def resource_id(workload: Workload) -> str:
    """The workload's name in Pacemaker. Its ids are XML names, which start with a letter."""
    return workload.name if workload.name[0].isalpha() else f"w-{workload.name}"


def _cluster(spec: Spec) -> Iterator[Argv]:
    fencing = "true" if spec.fencing.mode == "Required" else "false"
    yield (
        "property", "set",
        f"stonith-enabled={fencing}",
        f"stonith-timeout={timing.fence(spec)}s",
        "no-quorum-policy=stop",
        "start-failure-is-fatal=false",
        # A workload that leaves the CR is let go as it runs; whoever wants it stopped scales it down.
        "stop-orphan-resources=false",
        # By itself Pacemaker does one action after the other on a busy site, and a slow fence device comes first.
        f"load-threshold={timing.LOAD}%",
    )
    if spec.fencing.active_delay is not None:
        yield "property", "set", f"priority-fencing-delay={seconds(spec.fencing.active_delay)}"
    # Forced, because pcs knows no milliseconds; Pacemaker does.
    yield "property", "set", f"transition-delay={timing.TRANSITION_DELAY}ms", "--force"
    yield (
        "resource", "defaults", "update",
        "migration-threshold=3",
        f"failure-timeout={timing.FAILURE_MEMORY}s",
    )


def _alert() -> Iterator[Argv]:
    """What Pacemaker tells the conductor the moment it happens."""
    yield "alert", "create", f"path={paths.PROGRAMS}/alert", f"id={ALERT}"
    yield "alert", "recipient", "add", ALERT, f"value={paths.ALERTS}", f"id={ALERT}-recipient"


def _devices(site: Site, delay: int, spec: Spec) -> Iterator[Argv]:
    """The first device of each level waits for all of it: each would wait by itself, and the fence as often."""
    first = {ranks[0] for ranks in levels(site).values()}
    for rank, device in enumerate(site.fencing.devices, start=1):
        yield _device(site, rank, device, delay if rank in first else 0, spec)


def _device(site: Site, rank: int, device: Device, delay: int, spec: Spec) -> Argv:
    name = device_id(site, rank)
    own: Parameters = {"pcmk_host_list": site.name, "pcmk_host_check": "static-list"}
    if delay:
        # As a mapping, though there is one target: a plain value is an error in Pacemaker's log at every fence.
        own["pcmk_delay_base"] = f"{site.name}:{seconds(delay)}"
    if device.agent == PILL:
        # Every fence is off, a look for life, on. Who switches himself off needs somebody to switch him on again.
        # On would take the message back, and wait for that as long as for the fence: the target does it when it starts.
        own |= {"pcmk_off_action": "reboot", "pcmk_on_action": "monitor"}
    if device.agent == QUORUM:
        own |= _waiting(spec, delay)
    return (
        "stonith", "create", name, device.agent,
        *(f"{word}={value}" for word, value in sorted({**device_parameters(device, name), **own}.items())),
        "op", "monitor", "interval=120s", f"timeout={timing.FENCE}s",
        # A start that failed is tried again after two minutes, not at once: each try is an action like any other, and
        # on a busy site a device that nobody answers for would keep the workloads waiting. Meanwhile the fencer goes on
        # using it, which asks for no start, only for a place in the configuration.
        "meta", "migration-threshold=1", "failure-timeout=120s",
    )


def _waiting(spec: Spec, delay: int) -> Parameters:
    """How long the target may take to end, and longer for Pacemaker, which counts the wait before the fence in. Asked
    once, for it looks again and again by itself."""
    silence = timing.silence(spec)
    limit = silence + timing.LEAVE + timing.LAST_LOOK + -(-delay // 1000)
    return {"silence": str(silence), "patience": str(timing.LEAVE), **{
        f"pcmk_{action}_{word}": value for action in ("off", "reboot")
        for word, value in (("timeout", f"{limit}s"), ("retries", "1"))}}


def _confirmation(site: Site) -> Argv:
    """What Pacemaker asks in place of a device where a person decides. It never says that the site is off, so nothing
    is taken over before `stonith_admin --confirm`; and it asks nothing, so one place will do for it."""
    return (
        "stonith", "create", confirmation_id(site), "fence_confirm", f"pcmk_host_list={site.name}",
        "pcmk_host_check=static-list", "pcmk_off_retries=1", "pcmk_reboot_retries=1",
        "op", "monitor", "interval=0s", "meta", "migration-threshold=0", "failure-timeout=120s",
    )


def _works(spec: Spec) -> Iterator[Argv]:
    for work in spec.workloads:
        yield from _workload(work, spec)
        yield from _bonds(work, spec)


def _witness(site: Site, ranks: Sequence[int], spec: Spec) -> Argv:
    """What looks whether a site shows life, after a level's devices have said that it is off. Pacemaker waits for
    longer than it does, and asks once: it has looked again and again by itself."""
    limit = timing.gone(spec) + timing.LAST_LOOK
    lied = ",".join(f"{paths.LIARS}/{device_id(site, rank)}" for rank in ranks)
    # The pill's message is written whether somebody hears it or not.
    pill = any(site.fencing.devices[rank - 1].agent == PILL for rank in ranks)
    return (
        "stonith", "create", gone_id(site, ranks), "fence_gone", f"patience={timing.gone(spec)}",
        f"addresses={','.join(map(str, site.addresses))}", f"lied={lied}",
        *([f"heard={paths.HEARD}/{site.name}"] if pill else []),
        f"pcmk_host_list={site.name}", "pcmk_host_check=static-list",
        *(f"pcmk_{action}_{word}" for action in ("off", "reboot") for word in (f"timeout={limit}s", "retries=1")),
        "op", "monitor", "interval=0s", "meta", "migration-threshold=0", "failure-timeout=120s",
    )


def _fencers(site: Site, ranks: Sequence[int], spec: Spec) -> list[str]:
    """What must all confirm that a site is off, in this order: a level's devices, and the links where it counts."""
    return [*(device_id(site, rank) for rank in ranks), *([gone_id(site, ranks)] if shoots(spec) else [])]


def _levels(spec: Spec) -> Iterator[Argv]:
    """The order in which a site's devices are tried; a level counts only together with the links' word."""
    for site in spec.sites:
        for level, ranks in levels(site).items():
            yield "stonith", "level", "add", str(level), site.name, *_fencers(site, ranks, spec)


def _workload(work: Workload, spec: Spec) -> Iterator[Argv]:
    yield (
        "resource", "create", resource_id(work), AGENT,
        f"deployment={work.name}",
        f"namespace={work.namespace}",
        f"kind={work.kind}",
        f"replica_min={work.replicas.min}",
        f"replica_max={work.replicas.max}",
        f"api_grace={timing.API_GRACE}",
        f"guard={'required' if work.gate else 'off'}",
        f"permit_dir={paths.PERMITS}",
        "op",
        "start", "interval=0s", f"timeout={timing.START}s",
        "stop", "interval=0s", f"timeout={timing.stop(work)}s",
        "monitor", "interval=10s", f"timeout={timing.MONITOR}s",
        "monitor", "interval=60s", f"timeout={timing.DEEP_MONITOR}s", "OCF_CHECK_LEVEL=10",
        # Somebody who starts the workload behind Pacemaker's back is found on the passive site too.
        "monitor", "interval=20s", f"timeout={timing.MONITOR}s", "role=Stopped",
        "meta", f"resource-stickiness={_STICKINESS[work.failback]}",
        # What priority-fencing-delay adds up for each site. Only then, for it also puts the workloads before what a
        # person runs beside them.
        *(["priority=1"] if spec.fencing.active_delay is not None else []),
    )
    if work.preferred_site is not None:
        yield "constraint", "location", resource_id(work), "prefers", f"{work.preferred_site}={_PREFERENCE}"


def _bonds(work: Workload, spec: Spec) -> Iterator[Argv]:
    """Order and togetherness. What is named stands above, so pcs knows it already; a stop goes the other way round."""
    named = {other.name: resource_id(other) for other in spec.workloads}
    for other in work.after:
        yield "constraint", "order", "start", named[other], "then", "start", resource_id(work)
    for other in work.together:
        yield "constraint", "colocation", "add", resource_id(work), "with", named[other], "INFINITY"
