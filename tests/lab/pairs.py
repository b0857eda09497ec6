"""A pair with more workloads than one, and what tests of a changing pair wait for."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest

from lab import pairing, waiting
from lab.build.images import APP
from lab.calm import awake, calm, explain
from lab.errors import LabError
from lab.sites import Lab, Site

# Both prefer site-b; `web` moves back there by itself, `shop` does not.
WEB, SHOP = "web", "shop"
EVERYTHING = ("default/app", f"default/{WEB}", f"default/{SHOP}")
CONVERGE = 240


def workload(name: str, **more: Any) -> dict[str, Any]:
    """An entry of the CR's list."""
    return {"name": name, "preferredSite": "site-b", "terminationGrace": "10s", **more}


def with_workloads(lab: Lab, *more: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """The lab's CR with further workloads and other fields of the spec."""
    whole = pairing.document(lab)
    whole["spec"] |= spec
    whole["spec"]["workloads"] += more
    return whole


def all_three(lab: Lab, **spec: Any) -> dict[str, Any]:
    return with_workloads(lab, workload(WEB, failback="Automatic"), workload(SHOP), **spec)


def manifest(name: str) -> dict[str, Any]:
    """A Deployment without a gate, which the operator adds; on the pod network, so that two can share a site."""
    labels = {"app": name}
    container = {"name": "app", "image": APP, "imagePullPolicy": "Never",
                 "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": 0, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": labels},
                 "template": {"metadata": {"labels": labels}, "spec": {
                     "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 3,
                     "containers": [container]}}},
    }


def settled(lab: Lab, **where: str) -> bool:
    """Whether the workloads run where they should and Pacemaker knows no other, with nothing left to do."""
    view = pairing.pair_status(lab)
    return bool(view and view.all_online() and not view.maintenance and not view.failures
                and {name: view.where(name) for name in where} == where
                and set(where) == set(_works_of(view.resources)))


def wait_settled(lab: Lab, seconds: float = CONVERGE, **where: str) -> None:
    """Until the workloads run where they should, and both sites say that they hold the same."""
    waiting.until(lambda: settled(lab, **where), f"workloads at {where}", seconds,
                  lambda: f"{explain(lab)} Pacemaker says: {pairing.pair_status(lab)}")
    pairing.wait_for(lab, "PeerInSync")


def wait_takeover(lab: Lab) -> None:
    pairing.wait_for(lab, "TakeoverReady")


def restored(lab: Lab) -> None:
    """The lab's own CR on both sites, in force and without what a test added."""
    lab.arbitrator.power("on")
    awake(lab)
    whole = pairing.document(lab)
    changed = [name for name, site in lab.sites.items() if not _holds(site, whole)]
    if changed:
        pairing.change(lab, whole, *changed)
        waiting.until(lambda: all(renews_no_more(site, whole) for site in lab.sites.values()),
                      "both peers as the CR has them", CONVERGE, lambda: explain(lab))
        waiting.until(lambda: _alone(lab), f"{pairing.WORKLOAD} alone in the pair", CONVERGE, lambda: explain(lab))
        wait_devices(lab, whole)
        waiting.until(lambda: armed(lab, "fence-", "gone-"), "both sites' fencers knowing the devices alone", 60)
        pairing.wait_for(lab, "FencingProven")  # a move to a site that could not fence is refused
    for site in lab.sites.values() if changed else ():
        _gone(site)


def _alone(lab: Lab) -> bool:
    """Whether Pacemaker knows no other workload and no maintenance any more."""
    view = pairing.pair_status(lab)
    return bool(view and view.all_online() and not view.maintenance
                and _works_of(view.resources) == [pairing.WORKLOAD])


def _works_of(resources: Iterable[str]) -> list[str]:
    """What of Pacemaker's resources is no fence device and stands for no person."""
    return [name for name in resources if not name.startswith(("fence-", "gone-", "confirm-"))]


def armed(lab: Lab, *kinds: str) -> bool:
    """Whether every site's fencer knows devices of these kinds, and nothing that is in the configuration no more."""
    view = pairing.pair_status(lab)
    wanted = {name for name in view.resources if name not in _works_of([name])} if view else set()
    return bool(wanted) and all(name.startswith(kinds) for name in wanted) and all(
        0 < len(known) and known <= wanted for known in map(_registered, lab.sites.values()))


def _registered(site: Site) -> set[str]:
    """None, while its peer is renewed."""
    with suppress(LabError, ElementTree.ParseError):
        said = site.peer(["stonith_admin", "--list-registered", "--output-as=xml"])
        return {str(item.text) for item in ElementTree.fromstring(said).iter("item")}
    return set()


def renews_no_more(site: Site, whole: dict[str, Any]) -> bool:
    """Whether the site's peer runs with the image, the token, the votes, the fence Secrets and the shared disk of the
    CR; not, while it or its API is away."""
    with suppress(LabError):
        pod = json.loads(pairing.kubectl(site, "get", "pod", "peer-0", "-n", pairing.NAMESPACE, "-o", "json"))["spec"]
        token = site.peer(["corosync-cmapctl", "-g", "totem.token"], container="corosync")
        votes = site.peer(["corosync-cmapctl", "quorum."], container="corosync")
        wanted = whole["spec"]["corosync"]["token"].removesuffix("ms")
        mounted = {one["secret"]["secretName"] for one in pod["volumes"] if one["name"].startswith("fencing-")
                   and "secret" in one}
        secrets = {secret for one in whole["spec"]["sites"] if one["name"] != site.name
                   for _, _, secret in _devices(one) if secret}
        pilled = any(one["name"] == "sbd" for one in pod["initContainers"])
        return (pod["containers"][0]["image"] == whole["spec"]["peer"]["image"] and mounted == secrets
                and pilled is ("poisonPill" in whole["spec"].get("fencing", {}))
                and token.strip().endswith(f"= {wanted}")
                and ("quorum.device.net.host" in votes) is (_quorum(whole["spec"]) == "Arbitrator"))
    return False


def wait_devices(lab: Lab, whole: dict[str, Any]) -> None:
    """Until both sites hold the CR, its fence devices are Pacemaker's, and no peer has to be renewed for them."""
    waiting.until(lambda: all(renews_no_more(site, whole) and _in_force(site, whole) for site in lab.sites.values()),
                  "the fence devices of the CR", CONVERGE, lambda: explain(lab))
    waiting.until(lambda: (view := pairing.pair_status(lab)) and view.all_online() and not view.maintenance,
                  "both sites online", CONVERGE, lambda: explain(lab))
    pairing.wait_for(lab, "PeerInSync")


def _in_force(site: Site, whole: dict[str, Any]) -> bool:
    """Whether Pacemaker's configuration has the devices of the CR, with their parameters, and no other."""
    with suppress(LabError, ElementTree.ParseError):
        cib = ElementTree.fromstring(site.peer(["cibadmin", "--query"]))
        known = {str(one.get("id")): one for one in cib.iterfind("configuration/resources/primitive")
                 if str(one.get("id")).startswith("fence-")}
        wanted = {f"fence-{one['name']}-{rank}": device for one in whole["spec"]["sites"]
                  for rank, device in enumerate(_devices(one), start=1)}
        return known.keys() == wanted.keys() and all(
            known[name].get("type") == agent and parameters.items() <= _told(known[name]).items()
            for name, (agent, parameters, _) in wanted.items())
    return False


def _told(device: ElementTree.Element) -> dict[str, str]:
    return {str(one.get("name")): str(one.get("value")) for one in device.iterfind("instance_attributes/nvpair")}


def _gone(site: Site) -> None:
    """What a test added, with its permits: else the next probe finds them granted though nothing runs, and says so."""
    pairing.kubectl(site, "delete", "deployment", WEB, SHOP, "--ignore-not-found")
    pairing.kubectl(site, "wait", "--for=delete", "pod", "-l", f"app in ({WEB},{SHOP})", "--timeout=60s", timeout=70)
    site.run(["rm", "-rf", *(f"/run/aos/{what}/default/deployment/{name}" for what in ("permits", "agent")
                             for name in (WEB, SHOP))])


def _holds(site: Site, whole: dict[str, Any]) -> bool:
    there = pairing.resource(site)["spec"]
    return bool(there["corosync"] == whole["spec"]["corosync"] and there["peer"]["image"] == pairing.PEER_IMAGE
                and _failover(there) == _failover(whole["spec"])
                and _quorum(there) == _quorum(whole["spec"])
                and _active_delay(there) == _active_delay(whole["spec"])
                and [_devices(one) for one in there["sites"]] == [_devices(one) for one in whole["spec"]["sites"]]
                and _works(there) == _works(whole["spec"]))


def _quorum(spec: dict[str, Any]) -> str:
    return str(spec.get("quorum", {}).get("mode", "TwoNode"))


def _active_delay(spec: dict[str, Any]) -> str:
    return str(spec.get("fencing", {}).get("activeDelay", ""))


def _failover(spec: dict[str, Any]) -> str:
    return str(spec.get("failover", {}).get("mode", "Automatic"))


def _devices(site: dict[str, Any]) -> list[tuple[str, dict[str, str], str]]:
    """Agent, parameters and Secret of each fence device of a site of the CR; the API server writes out what is left."""
    return [(one["agent"], one.get("parameters", {}), one.get("secretRef", {}).get("name", ""))
            for one in site.get("fencing", {}).get("devices", ())]


def _works(spec: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["name"], one.get("failback", "Manual")) for one in spec["workloads"]]


@pytest.fixture
def three(pair: Lab) -> Lab:
    """The pair with three workloads: `app` on site-a, `web` and `shop` on site-b. They came without a gate. They stay
    for the next test that wants them; `calm_pair` takes them out."""
    awake(pair)
    there = all(_holds(site, all_three(pair)) for site in pair.sites.values())
    if not there:
        restored(pair)
    calm(pair)
    if not there:
        for site in pair.sites.values():
            for name in (WEB, SHOP):
                pairing.kubectl(site, "apply", "--server-side", "-f", "-", input=json.dumps(manifest(name)))
        pairing.change(pair, all_three(pair))
    elif pairing.where(pair, SHOP) == "site-a":
        wait_takeover(pair)
        pairing.move(pair, SHOP, "site-b")
    wait_settled(pair, app="site-a", web="site-b", shop="site-b")
    return pair


def uids(lab: Lab) -> dict[str, str]:
    """UID of each pod of the pair's workloads, by its site and name."""
    found = {}
    for site in lab.sites.values():
        for pod in json.loads(pairing.kubectl(site, "get", "pods", "-n", "default", "-o", "json"))["items"]:
            found[f"{site.name}/{pod['metadata']['name']}"] = pod["metadata"]["uid"]
    return found


def pod_uid(site: Site, name: str = "peer-0") -> str:
    """The UID of a pod of the pair; "" when there is none."""
    return pairing.kubectl(site, "get", "pod", name, "-n", pairing.NAMESPACE, "--ignore-not-found",
                           "-o", "jsonpath={.metadata.uid}").strip()


def renewed(lab: Lab, before: dict[str, str]) -> Callable[[], bool]:
    """Whether every site's peer is another pod than before; not, while an API that would tell is away."""
    def look() -> bool:
        with suppress(LabError):
            return all(pod_uid(site) not in ("", before[name]) for name, site in lab.sites.items())
        return False
    return look


def clean(lab: Lab, name: str, seen_by: str) -> bool | None:
    """Whether the other site's Pacemaker takes this one for a clean member; None when it was lost uncleanly."""
    text = lab.sites[seen_by].peer(["crm_mon", "--one-shot", "--output-as=xml"], check=False)
    (node,) = [line for line in text.splitlines() if f'<node name="{name}"' in line][:1] or [""]
    if 'unclean="true"' in node:
        return None
    return 'online="true"' in node and 'pending="false"' in node


def peers(lab: Lab) -> dict[str, str]:
    return {name: pod_uid(site) for name, site in lab.sites.items()}


def read_secrets(site: Site) -> None:
    """Have the peer see a changed Secret now, and not when kubelet next looks, which takes it up to 90 s."""
    pairing.kubectl(site, "annotate", "pod", "peer-0", "-n", pairing.NAMESPACE, "--overwrite",
                    f"snopair.dev/touched={time.monotonic_ns()}")
