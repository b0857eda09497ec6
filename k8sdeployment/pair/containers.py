"""The containers of the peer pod: one per daemon, none privileged, each with the capabilities it was seen to need.

Each capability was taken away and missed: CHOWN, FOWNER and DAC_OVERRIDE give shared memory to clients of another user
and open it there; SYS_NICE is Corosync's priority; SETUID and SETGID make half of Pacemaker run as hacluster, and KILL
ends those, and the containers of a workload whose kubelet is away. IPC_LOCK is not among them: Corosync locks its
memory only where it may also raise the limit. corosync-qdevice was seen to vote with none at all.
"""

from typing import Any

from k8sdeployment.pair import paths
from k8sdeployment.pair.model import PoisonPill, Site, SNOPair

Container = dict[str, Any]

_SHARED = (("shm", "/dev/shm"), ("run", "/run"))
# What a daemon is seen to use, so that it gets its share of a busy CPU. No limits: a throttled Corosync is a lost site.
_REQUESTS = {
    "settle": ("10m", "32Mi"),
    "corosync": ("100m", "160Mi"),
    "qdevice": ("10m", "32Mi"),
    "sbd": ("10m", "64Mi"),
    "pacemaker": ("100m", "128Mi"),
    "pcsd": ("10m", "128Mi"),
    "conductor": ("50m", "96Mi"),
}


def settle(pair: SNOPair) -> Container:
    """Before the site joins: its API answers, its gated workloads are down, the permits' directory is there."""
    return {
        **_container(pair, "settle"),
        "command": ["python3", "-m", "k8sdeployment.conductor.settle", f"@{paths.WORKLOADS}/workloads"],
        "env": [{"name": "PYTHONPATH", "value": paths.AGENT_LIBRARY}, *_api(pair)],
        "volumeMounts": _mounts(("permits", paths.PERMITS)) + _read_only(
            ("account", paths.SERVICE_ACCOUNT), ("workloads", paths.WORKLOADS)),
    }


def corosync(pair: SNOPair) -> Container:
    """Membership. Kubelet holds Pacemaker back until it answers, and ends it after Pacemaker."""
    return {
        **_container(pair, "corosync", "CHOWN", "DAC_OVERRIDE", "FOWNER", "SYS_NICE"),
        "command": [f"{paths.PROGRAMS}/corosync"],
        "restartPolicy": "Always",
        "startupProbe": {
            "exec": {"command": ["corosync-cmapctl", "-g", "totem.version"]},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 60,
        },
        "volumeMounts": _mounts(*_SHARED, ("corosync-state", "/var/lib/corosync"))
        + _read_only(("corosync", paths.COROSYNC)),
    }


def qdevice(pair: SNOPair) -> Container:
    """Asks the arbitrator for its vote. It, too, ends only after Pacemaker, which needs a quorum until then.

    No probe: an arbitrator that is away must keep no peer from starting.
    """
    return {
        **_container(pair, "qdevice"),
        "command": [f"{paths.PROGRAMS}/qdevice"],
        "restartPolicy": "Always",
        "volumeMounts": _mounts(*_SHARED) + _read_only(("qdevice", paths.QDEVICE)),
    }


def sbd(pair: SNOPair, site: Site, pill: PoisonPill) -> Container:
    """Ends this site when the shared disk says so; without one, when it loses quorum. Pacemaker waits for it, since who
    is told there to end must hear it.

    Realtime priority and locked memory, so that the watchdog is fed on a busy site; and reboot(2), which in the host's
    process namespace is the host's own.
    """
    container = _container(pair, "sbd", "DAC_OVERRIDE", "IPC_LOCK", "SYS_BOOT", "SYS_NICE")
    offered = pill.watchdog_resource
    if offered is not None:
        container["resources"] = {**container["resources"], "limits": {offered: "1"}}
    return {
        **container,
        "command": ["python3", "-m", "k8sdeployment.conductor.pill"],
        "restartPolicy": "Always",
        "env": [
            {"name": "PYTHONPATH", "value": paths.AGENT_LIBRARY},
            {"name": "SITE", "value": site.name},
            {"name": "WATCHDOG", "value": pill.watchdog},
            # Who makes the header at once where both start together.
            {"name": "FIRST", "value": "yes" if site is pair.spec.sites[0] else "no"} if pill.claim is not None else
            {"name": "DISK", "value": "no"},
        ],
        "startupProbe": {
            "exec": {"command": ["test", "-s", paths.ARMED]},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 600,
        },
        "volumeDevices": _disk(pair),
        "volumeMounts": _mounts(
            *_SHARED, ("permits", paths.PERMITS), *([("watchdog", pill.watchdog)] if offered is None else [])),
    }


def pacemaker(pair: SNOPair, fencing: list[str], trust: dict[str, str]) -> Container:
    """Decides, fences and runs the agent. `fencing`: the Secrets for that; `trust`: environment for the fence agents.

    No liveness probe: Pacemaker ends by itself when it is beyond help and its peer notices when it hangs, while a
    probe that comes too late on a busy host would kill a healthy cluster node.
    """
    return {
        **_container(pair, "pacemaker", "CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID"),
        "command": [f"{paths.PROGRAMS}/pacemaker"],
        "env": [*_api(pair), *_environment(trust)],
        "readinessProbe": {
            "exec": {"command": ["crmadmin", "--quiet", "--pacemakerd"]},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
        },
        "volumeMounts": _mounts(
            *_SHARED,
            ("tmp", "/tmp"),
            ("pacemaker-state", "/var/lib/pacemaker"),
            ("pacemaker-log", "/var/log/pacemaker"),
            ("pcsd-state", "/var/lib/pcsd"),
            ("permits", paths.PERMITS),
            ("fencing-proven", paths.PROVEN),
        ) + _read_only(("conf", paths.COROSYNC), ("account", paths.SERVICE_ACCOUNT), *_secrets(fencing)),
        "volumeDevices": _disk(pair),
    }


def pcsd(pair: SNOPair) -> Container:
    """For people who use pcs. It sets a password at its start, hence the only root file system that can be written."""
    return {
        **_container(pair, "pcsd", "CHOWN", "DAC_OVERRIDE", read_only=False),
        "command": [f"{paths.PROGRAMS}/pcsd"],
        "readinessProbe": {"tcpSocket": {"port": 2224}, "periodSeconds": 10},
        "volumeMounts": _mounts(
            *_SHARED,
            ("pacemaker-state", "/var/lib/pacemaker"),
            ("pcsd-state", "/var/lib/pcsd"),
        ) + _read_only(("conf", paths.COROSYNC), ("pcsd-password", paths.PCSD_PASSWORD)),
    }


def conductor(pair: SNOPair, fencing: list[str], trust: dict[str, str]) -> Container:
    """Turns the CR into Pacemaker's configuration and the cluster's state into the CR's status; serves `snopair`."""
    return {
        **_container(pair, "conductor", "CHOWN", "DAC_OVERRIDE", "FOWNER"),
        "command": [f"{paths.PYTHON}", "-m", "k8sdeployment.conductor"],
        "env": [
            {"name": "PYTHONPATH", "value": paths.AGENT_LIBRARY},
            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "METRICS_PORT", "value": str(pair.spec.peer.metrics_port)},
            {"name": "PAIR", "value": f"{pair.metadata.namespace}/{pair.metadata.name}"},
            *_api(pair),
            *_environment(trust),
        ],
        "ports": _ports(pair),
        "volumeMounts": _mounts(
            *_SHARED,
            ("tmp", "/tmp"),
            ("pacemaker-state", "/var/lib/pacemaker"),
            ("pacemaker-log", "/var/log/pacemaker"),
            ("pcsd-state", "/var/lib/pcsd"),
            ("conductor-state", paths.CONDUCTOR),
            ("permits", paths.PERMITS),
            ("fencing-proven", paths.PROVEN),
        ) + _read_only(("conf", paths.COROSYNC), ("account", paths.SERVICE_ACCOUNT), *_secrets(fencing)),
        "volumeDevices": _disk(pair),
    }


def _container(pair: SNOPair, name: str, *capabilities: str, read_only: bool = True) -> Container:
    cpu, memory = _REQUESTS[name]
    return {
        "name": name,
        "image": pair.spec.peer.image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": cpu, "memory": memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": read_only,
            "capabilities": {"drop": ["ALL"], "add": list(capabilities)},
        },
    }


def _api(pair: SNOPair) -> list[dict[str, str]]:
    """The local API, said outright: the service's own address is served by a proxy that may not be up yet."""
    api = pair.spec.peer.api
    return [
        {"name": "KUBERNETES_SERVICE_HOST", "value": api.host},
        {"name": "KUBERNETES_SERVICE_PORT", "value": str(api.port)},
    ]


def _environment(words: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in words.items()]


def _ports(pair: SNOPair) -> list[dict[str, Any]]:
    """Named, so that a PodMonitor finds it; on the host's network, so that the node's port is the same."""
    port = pair.spec.peer.metrics_port
    return [{"name": "metrics", "containerPort": port, "hostPort": port}] if port else []


def _secrets(fencing: list[str]) -> list[tuple[str, str]]:
    return [(f"fencing-{number}", f"{paths.FENCING}/{name}") for number, name in enumerate(fencing)]


def _disk(pair: SNOPair) -> list[dict[str, str]]:
    pill = pair.spec.fencing.poison_pill
    return [] if pill is None or pill.claim is None else [{"name": "pill", "devicePath": paths.PILL}]


def _mounts(*mounts: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "mountPath": path} for name, path in mounts]


def _read_only(*mounts: tuple[str, str]) -> list[dict[str, Any]]:
    return [{**mount, "readOnly": True} for mount in _mounts(*mounts)]
