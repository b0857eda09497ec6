"""Makes the two sites of a running lab a pair: keys, manifests, one membership, proven fencing, the configuration.

    python -m lab.pairing --name NAME

What is generic about it (manifests, pcs commands) comes from `k8sdeployment.pair`; here are only the lab's own values
and the order of the steps. Doing it twice changes nothing.
"""

import base64
import json
import secrets
import shlex
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import click

from k8sdeployment.pair import cr, fencing, pacemaker, peerpod, status
from k8sdeployment.pair.model import Device, SNOPair
from lab import waiting
from lab.errors import LabError
from lab.names import API_PORT, BMC_PORT
from lab.sites import Lab, Site

Say = Callable[[str], None]
Secret = dict[str, Any]

PEER_IMAGE = "localhost/aos-sno-pair/peer:dev"
APP = Path(__file__).with_name("app.yaml")
DELAYS = {"site-a": "2s", "site-b": "0s"}
WORKLOAD = "app"


def install(lab: Lab, say: Say = print) -> None:
    """Make the pair and wait until its workload runs; LabError with one sentence when a step cannot be done."""
    pair = load_pair(lab)
    keys = _pair_secret(lab, pair)
    for site in lab.sites.values():
        say(f"{site.name}: applying the peer and the workload")
        _apply_site(lab, site, pair, keys)
    say("waiting for both peers")
    seconds = wait_online(lab, timeout=180)
    say(f"both online after {seconds:.1f} s")
    for site in lab.sites.values():
        _prove_fencing(site, pair, say)
    say("pushing the Pacemaker configuration")
    _configure(next(iter(lab.sites.values())), pair)
    place = waiting.until(lambda: where(lab), f"the start of {WORKLOAD}", 180, lambda: "See: pcs status.")
    say(f"{WORKLOAD} runs on {place}")


def document(lab: Lab) -> dict[str, Any]:
    """The lab's pair as a CR, the way a user would write it."""
    return {
        "apiVersion": "snopair.dev/v1alpha1",
        "kind": "SNOPair",
        "metadata": {"name": "pair", "namespace": "aos-sno-pair"},
        "spec": {
            "sites": [_site(lab, site) for site in lab.sites.values()],
            "corosync": {"token": "1000ms"},
            "peer": {"image": PEER_IMAGE, "api": {"host": "127.0.0.1", "port": API_PORT}},
            "workloads": [{"name": WORKLOAD, "preferredSite": "site-a", "terminationGrace": "30s"}],
        },
    }


def load_pair(lab: Lab) -> SNOPair:
    """The lab's pair as values."""
    return cr.load(document(lab))


def pair_status(lab: Lab) -> Optional[status.PairStatus]:
    """What the pair says of itself, from a quorate site if there is one; None when no peer answers."""
    seen = list(_views(lab))
    return next((view for view in seen if view.quorate), seen[0] if seen else None)


def wait_online(lab: Lab, timeout: float = 120) -> float:
    """Seconds until every site sees both online in one quorate membership; LabError after `timeout` seconds."""
    begin = time.monotonic()

    def together() -> bool:
        seen = list(_views(lab))
        return len(seen) == len(lab.sites) and all(view.all_online() for view in seen)

    waiting.until(together, "one quorate membership", timeout, lambda: "Read the logs of both pods peer-0.")
    return time.monotonic() - begin


def where(lab: Lab, resource: str = WORKLOAD) -> Optional[str]:
    """The site on which Pacemaker has the resource started, as any live site sees it; None when on none."""
    view = pair_status(lab)
    return None if view is None else view.where(resource)


def move(lab: Lab, resource: str, to: str, timeout: float = 120) -> None:
    """Move a resource and leave no constraint behind; LabError when it does not arrive."""
    site = _live(lab)
    site.peer(["pcs", "resource", "move", resource, to, f"--wait={int(timeout)}"], timeout=timeout + 30)
    if where(lab, resource) != to:
        raise LabError(f"{resource} did not arrive on {to}; see: pcs status on {site.name}")


def cleanup(lab: Lab, resource: Optional[str] = None) -> None:
    """Forget failures, of one resource or of all, so that Pacemaker tries again."""
    _live(lab).peer(["pcs", "resource", "cleanup", *([resource] if resource else [])], timeout=120)


def _site(lab: Lab, site: Site) -> dict[str, Any]:
    user, _ = lab.bmc_credentials(site.name)
    parameters = {
        "ip": site.plan.bmc, "ipport": str(BMC_PORT), "username": user,
        "lanplus": "1", "cipher": "3", "power_wait": "0",
    }
    device = {"agent": "fence_ipmilan", "parameters": parameters, "secretRef": {"name": f"bmc-{site.name}"}}
    return {
        "name": site.name,
        "nodeName": site.name,
        "addresses": list(site.addresses),
        "fencing": {"devices": [device], "delay": DELAYS[site.name]},
    }


def _apply_site(lab: Lab, site: Site, pair: SNOPair, keys: Secret) -> None:
    """Everything through kubectl's stdin: a secret in its arguments could be read by every process."""
    own = next(part for part in pair.spec.sites if part.name == site.name)
    namespace, *rest = peerpod.manifests(pair, own)
    passwords = [
        _secret(pair, f"bmc-{other}", password=lab.bmc_credentials(other)[1].encode())
        for other in lab.sites if other != site.name
    ]
    listing = {"apiVersion": "v1", "kind": "List", "items": [namespace, keys, *passwords, *rest]}
    _apply(site, json.dumps(listing))
    # Only where it is missing: its file says zero replicas, and where it runs the pair has scaled it up.
    if not site.kubectl("get", "deployment", WORKLOAD, "--ignore-not-found").strip():
        _apply(site, APP.read_text(encoding="utf-8"))


def _apply(site: Site, text: str) -> None:
    site.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)


def _pair_secret(lab: Lab, pair: SNOPair) -> Secret:
    """The pair's keys: those of a site that has them, so that a running pair keeps its own; else new ones."""
    name, namespace = pair.spec.secret_ref.name, pair.metadata.namespace
    for site in lab.sites.values():
        found = site.kubectl("get", "secret", name, "-n", namespace, "-o", "json", "--ignore-not-found", check=False)
        if found.strip():
            data = {key: base64.b64decode(value) for key, value in json.loads(found)["data"].items()}
            return _secret(pair, name, **data)
    return _secret(pair, name, authkey=secrets.token_bytes(256), hacluster=secrets.token_urlsafe(24).encode())


def _secret(pair: SNOPair, name: str, **data: bytes) -> Secret:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": pair.metadata.namespace},
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def _prove_fencing(site: Site, pair: SNOPair, say: Say) -> None:
    """Ask every device that this site would use; one that does not answer now would not fence later."""
    target = pair.spec.other(site.name)
    for device in target.fencing.devices:
        _ask_device(site, device)
        say(f"{site.name} can fence {target.name} through {device.agent}")


def _ask_device(site: Site, device: Device) -> None:
    # The agent reads its words from stdin, as it does under Pacemaker. None of them is a secret.
    feed = ["sh", "-c", 'printf %s "$1" | "$0"', device.agent, fencing.proof(device)]
    try:
        site.peer(feed, timeout=60)
    except LabError as error:
        raise LabError(f"{site.name} cannot ask {device.agent} for the other site's power: {error}") from error


def _configure(site: Site, pair: SNOPair) -> None:
    before, after = "/tmp/pair-before.xml", "/tmp/pair-after.xml"
    site.peer([*pacemaker.fetch(before)])
    tree = ElementTree.fromstring(site.peer(["cat", before]))
    present = {found.get("id", "") for found in tree.iterfind("configuration/resources/*")}
    steps = [("cp", before, after), *pacemaker.configure(pair, after, present), pacemaker.push(after, before)]
    # One shell for all: every step is a Python start, and an exec into the pod on top would double the wait.
    site.peer(["sh", "-ec", "\n".join(map(shlex.join, steps))], timeout=180)


def _views(lab: Lab) -> Iterator[status.PairStatus]:
    """What each site that answers says."""
    for site in lab.sites.values():
        if site.pid() is None:
            continue
        try:
            yield status.parse(site.peer([*status.CRM_MON], timeout=15))
        except (LabError, ElementTree.ParseError):
            continue


def _live(lab: Lab) -> Site:
    for site in lab.sites.values():
        if site.pid() is not None and "running" in site.peer(["crmadmin", "--quiet", "--pacemakerd"], check=False):
            return site
    raise LabError("no site's Pacemaker answers; see: python -m lab status")


@click.command(help="Make the two sites of a running lab a pair.")
@click.option("--name", default=None, help="The lab's name (default: AOS_LAB, else aos).")
def main(name: Optional[str]) -> None:
    """The command line: one line per step, one sentence when it fails."""
    begin = time.monotonic()
    try:
        install(Lab.attach(name), lambda line: click.echo(f"{time.monotonic() - begin:6.1f} s  {line}"))
    except (LabError, cr.PairError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
