"""A pair as a user would write it, and small changes of it."""

import copy
from typing import Any

from k8sdeployment.pair.cr import PairError, load
from k8sdeployment.pair.model import SNOPair

Document = dict[str, Any]
ARBITRATED: Document = {
    "mode": "Arbitrator", "arbitrator": {"host": "arbitrator.example.org", "secretRef": {"name": "arbitrator"}}}


def site(name: str, number: int, delay: str) -> Document:
    """One site on two links, with a BMC of its own."""
    return {
        "name": name,
        "nodeName": f"{name}.example.org",
        "addresses": [f"192.0.2.{number}", f"198.51.100.{number}"],
        "fencing": {
            "delay": delay,
            "devices": [{
                "agent": "fence_ipmilan",
                "parameters": {"ip": f"203.0.113.{number}", "lanplus": "1", "cipher": "3", "username": "fence"},
                "secretRef": {"name": f"bmc-{name}"},
            }],
        },
    }


def methods() -> list[Document]:
    """Two sites that are fenced without IPMI, each device believed for what it proves."""
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    sites[0]["fencing"] |= {"caRef": {"name": "ca"}, "devices": [{
        "agent": "fence_redfish", "parameters": {"ip": "203.0.113.11", "username": "fence", "systems_uri": "/1"},
        "secretRef": {"name": "bmc-site-a"}}]}
    sites[1]["fencing"] |= {"knownHostsRef": {"name": "bmc-site-b"}, "devices": [{
        "agent": "fence_virsh", "parameters": {"ip": "203.0.113.12", "username": "root", "plug": "site-b"},
        "secretRef": {"name": "bmc-site-b", "key": "ssh-privatekey"}}]}
    return sites


def poisoned() -> Document:
    """Fields of a spec: the first site ends itself when the shared disk says so, should its BMC not answer."""
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    sites[0]["fencing"]["devices"].append({"agent": "fence_sbd"})
    return {"sites": sites, "fencing": {"poisonPill": {"claim": "pill"}}}


def quorate() -> Document:
    """The same without a disk: beside an arbitrator its watchdog ends it when it loses quorum."""
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    sites[0]["fencing"]["devices"].append({"agent": "fence_quorum"})
    return {"sites": sites, "quorum": ARBITRATED, "fencing": {"poisonPill": {}}}


def document(**spec: Any) -> Document:
    """The CR of a whole pair; keyword arguments replace fields of its spec."""
    return {
        "apiVersion": "snopair.dev/v1alpha1",
        "kind": "SNOPair",
        "metadata": {"name": "pair", "namespace": "aos-sno-pair"},
        "spec": {
            "sites": [site("site-a", 11, "10s"), site("site-b", 12, "1s")],
            "workloads": [{"name": "web", "preferredSite": "site-a"}],
            **copy.deepcopy(spec),
        },
    }


def pair(**spec: Any) -> SNOPair:
    """The same as values."""
    return load(document(**spec))


def refusal(changed: Document) -> list[str]:
    """The sentences with which a CR is refused; none when it is taken."""
    try:
        load(changed)
    except PairError as error:
        return error.sentences
    return []
