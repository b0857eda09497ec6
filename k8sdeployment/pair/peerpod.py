"""The manifests of one site's peer: everything `kubectl apply` needs except the Secrets' contents.

Corosync is a sidecar (an init container that stays): kubelet starts it before Pacemaker and ends it only when
Pacemaker has ended, so that deleting the pod is an orderly leave. Ended side by side, Pacemaker would lose its
cluster layer in the middle of a stop, and the other site would have to fence this one. Needs Kubernetes 1.29.

The pod belongs to a StatefulSet, the one controller that starts a new pod only when the old one is certainly gone: a
Deployment replaces a deleted pod at once, and two Corosyncs on one host are two nodes with one name. `OnDelete`: a
changed CR does not restart a running peer by itself.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

from k8sdeployment.pair import containers, fencing, paths, timing
from k8sdeployment.pair.corosync import corosync_conf
from k8sdeployment.pair.model import PoisonPill, Site, SNOPair, Workload
from k8sdeployment.pair.rbac import ACCOUNT, SET, Manifest, access, conducting

NAME = SET
LABELS = {"app.kubernetes.io/name": "aos-sno-pair", "app.kubernetes.io/component": NAME}
CONFIGURATION = "peer"
COROSYNC_CONF = "corosync.conf"
PCSD_SECRET_KEY = "hacluster"
# The files of an NSS database, and so the keys of the Secret for the arbitrator.
NSS_DATABASE = ("cert9.db", "key4.db", "pkcs11.txt")
_UIDGID, WORKLOADS = "uidgid", "workloads"
# What outlives the pod and the boot, each below /var/lib/aos on the host.
_STATE = ("corosync-state", "pacemaker-state", "pacemaker-log", "pcsd-state", "conductor-state")


def manifests(pair: SNOPair, site: Site) -> list[Manifest]:
    """Everything that stands on `site`, in the order in which it can be applied."""
    return [_namespace(pair), *access(pair), *conducting(pair), _configuration(pair), _peer(pair, site)]


def fencing_secrets(pair: SNOPair, site: Site) -> list[str]:
    """The Secrets that `site` needs to fence the other one, and only those: its own BMC is none of its business."""
    return sorted({ref.name for ref in fencing.references(pair.spec.other(site.name))})


def _namespace(pair: SNOPair) -> Manifest:
    levels = ("enforce", "audit", "warn")
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": pair.metadata.namespace,
            "labels": {f"pod-security.kubernetes.io/{level}": "privileged" for level in levels},
        },
    }


def _configuration(pair: SNOPair) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIGURATION, "namespace": pair.metadata.namespace, "labels": LABELS},
        "data": {
            COROSYNC_CONF: corosync_conf(pair),
            _UIDGID: "# none: pcs wants the directory to be there\n",
            # A file, and no arguments: a workload more must not make the running peer an old one.
            WORKLOADS: "".join(f"{target(work)}\n" for work in pair.spec.workloads),
        },
    }


def _peer(pair: SNOPair, site: Site) -> Manifest:
    # So that whoever looks can tell that a peer still runs with an older corosync.conf.
    digest = hashlib.sha256(corosync_conf(pair).encode()).hexdigest()[:16]
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": NAME, "namespace": pair.metadata.namespace, "labels": LABELS},
        "spec": {
            "replicas": 1,
            "serviceName": NAME,
            "updateStrategy": {"type": "OnDelete"},
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS, "annotations": {"snopair.dev/corosync-conf": digest}},
                "spec": _pod(pair, site),
            },
        },
    }


def _pod(pair: SNOPair, site: Site) -> dict[str, Any]:
    secrets, trust = fencing_secrets(pair, site), fencing.trust(pair.spec.other(site.name))
    votes = [containers.qdevice(pair)] if pair.spec.quorum.arbitrator is not None else []
    pill = pair.spec.fencing.poison_pill
    hears = [] if pill is None else [containers.sbd(pair, site, pill)]
    return {
        "hostNetwork": True,
        "hostPID": True,
        "dnsPolicy": "Default",
        "priorityClassName": "system-node-critical",
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": timing.shutdown(pair),
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": _this_node(site)},
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [containers.settle(pair), containers.corosync(pair), *votes, *hears],
        "containers": [containers.pacemaker(pair, secrets, trust), containers.pcsd(pair),
                       containers.conductor(pair, secrets, trust)],
        "volumes": _volumes(pair, site),
    }


def _this_node(site: Site) -> dict[str, Any]:
    field = {"key": "metadata.name", "operator": "In", "values": [site.node_name]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": [field]}]}}


def _volumes(pair: SNOPair, site: Site) -> list[dict[str, Any]]:
    arbitrator, pill = pair.spec.quorum.arbitrator, pair.spec.fencing.poison_pill
    return [
        {"name": "corosync", "projected": {"sources": [_conf_source(), _authkey_source(pair)]}},
        {"name": "workloads", "configMap": {"name": CONFIGURATION, "items": [{"key": WORKLOADS, "path": WORKLOADS}]}},
        {"name": "conf", "projected": {"sources": [_conf_source()]}},
        {"name": "pcsd-password", "secret": {
            "secretName": pair.spec.secret_ref.name,
            "defaultMode": 0o400,
            "items": [{"key": PCSD_SECRET_KEY, "path": PCSD_SECRET_KEY}],
        }},
        *({"name": f"fencing-{number}", "secret": {"secretName": name, "defaultMode": 0o400}}
          for number, name in enumerate(fencing_secrets(pair, site))),
        *({"name": "qdevice", "secret": {
            "secretName": one.secret_ref.name,
            "defaultMode": 0o400,
            "items": [{"key": key, "path": key} for key in NSS_DATABASE],
        }} for one in (arbitrator,) if one is not None),
        *(() if pill is None else _pill(pill)),
        {"name": "account", "projected": {"sources": _account_sources()}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}},
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        {"name": "fencing-proven", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        *(_host(name, f"{paths.HOST_STATE}/{name}") for name in _STATE),
        _host("permits", paths.PERMITS),
    ]


def _pill(pill: PoisonPill) -> Iterator[dict[str, Any]]:
    """The shared disk, and the watchdog where no device plugin hands it over. Outside /dev it is no device but what
    stands for one where a pair is tried without; kubelet knows no name for that."""
    if pill.claim is not None:
        yield {"name": "pill", "persistentVolumeClaim": {"claimName": pill.claim}}
    if pill.watchdog_resource is None:
        kind = {"type": "CharDevice"} if pill.watchdog.startswith("/dev/") else {}
        yield {"name": "watchdog", "hostPath": {"path": pill.watchdog, **kind}}


def _conf_source() -> dict[str, Any]:
    items = [{"key": COROSYNC_CONF, "path": COROSYNC_CONF}, {"key": _UIDGID, "path": f"uidgid.d/{_UIDGID}"}]
    return {"configMap": {"name": CONFIGURATION, "items": items}}


def _authkey_source(pair: SNOPair) -> dict[str, Any]:
    ref = pair.spec.secret_ref
    return {"secret": {"name": ref.name, "items": [{"key": ref.key, "path": "authkey", "mode": 0o400}]}}


def _account_sources() -> list[dict[str, Any]]:
    """The service account's token, mounted only where the agent runs."""
    namespace = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]


def target(workload: Workload) -> str:
    """A workload as settle reads it."""
    return f"{workload.namespace}/{workload.kind.lower()}/{workload.name}"


def _host(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}}
