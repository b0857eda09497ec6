"""Makes the two sites of a running lab a pair, the way a user does: `snopair init`, `kubectl apply -k` on each site.

    python -m lab.pairing --name NAME

Everything else is done by the operator and the conductor; here are only the lab's own values, and waiting. Doing it
twice changes nothing.
"""

import json
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

import click

from k8sdeployment.pair import status
from lab import shell, waiting
from lab.build import kube
from lab.errors import LabError
from lab.names import API_PORT, BMC_PORT
from lab.paths import CHECKOUT
from lab.sites import Lab, Site
from lab.state import write_private

Say = Callable[[str], None]

PEER_IMAGE = "localhost/aos-sno-pair/peer:dev"
APP = Path(__file__).with_name("app.yaml")
DELAYS = {"site-a": "2s", "site-b": "0s"}
WORKLOAD = "app"
NAMESPACE = "aos-sno-pair"
# The event that tells how many seconds after `kubectl apply` began both sites were online.
PAIRED = "paired"


def install(lab: Lab, say: Say = print) -> float:
    """Make the pair and wait until its workload runs; LabError with one sentence when a step cannot be done.

    Gives the seconds from `kubectl apply` on both sites to one membership.
    """
    say("making the bundle with `snopair init`")
    bundle(lab)
    begin = time.monotonic()
    with ThreadPoolExecutor() as pool:
        for site in lab.sites.values():
            say(f"{site.name}: kubectl apply -k")
        list(pool.map(lambda site: _apply_site(lab, site), lab.sites.values()))
    say("waiting for both peers")
    wait_online(lab, timeout=180)
    seconds = time.monotonic() - begin
    lab.event(PAIRED, None, f"{seconds:.1f}")
    say(f"both online {seconds:.1f} s after `kubectl apply` began")
    wait_for(lab, "FencingProven")
    say("each site has proven that it can fence the other")
    wait_for(lab, "Available")
    say(f"{WORKLOAD} runs on {where(lab)}")
    return seconds


def document(lab: Lab) -> dict[str, Any]:
    """The lab's pair as a CR, the way a user would write it."""
    return {
        "apiVersion": "snopair.dev/v1alpha1",
        "kind": "SNOPair",
        "metadata": {"name": "pair", "namespace": NAMESPACE},
        "spec": {
            "sites": [_site(lab, site) for site in lab.sites.values()],
            "corosync": {"token": "1000ms"},
            "peer": {"image": PEER_IMAGE, "api": {"host": "127.0.0.1", "port": API_PORT}},
            "workloads": [{"name": WORKLOAD, "preferredSite": "site-a", "terminationGrace": "30s"}],
        },
    }


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


def move(lab: Lab, workload: str, to: str, timeout: float = 120) -> None:
    """Move a workload and leave no constraint behind; LabError with snopair's words when it does not arrive."""
    snopair(_live(lab), "move", workload, to, "--timeout", str(int(timeout)), timeout=timeout + 30)


def snopair(site: Site, *words: str, timeout: float = 60) -> str:
    """What snopair says in the site's peer, without the API; LabError with its sentence when its exit code is not 0."""
    return site.peer(["snopair", *words], container="conductor", timeout=timeout)


def cleanup(lab: Lab, resource: Optional[str] = None) -> None:
    """Forget failures, of one resource or of all with the fences, so that Pacemaker tries again."""
    site = _live(lab)
    site.peer(["pcs", "resource", "cleanup", *([resource] if resource else [])], timeout=120)
    if resource is None:
        site.peer(["pcs", "stonith", "history", "cleanup"], timeout=120)


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


# -- the bundle, as a user makes and applies it ---------------------------------------------------------------------

def bundle(lab: Lab) -> Path:
    """The directory that `snopair init` made for this lab; made once, for it holds the pair's keys."""
    made = lab.state_dir / "bundle"
    if not made.exists():
        with tempfile.TemporaryDirectory() as directory:
            source = Path(directory) / "pair.json"
            source.write_text(json.dumps(document(lab)))
            passwords = [word for name in lab.sites for word in _password(lab, name, Path(directory))]
            shell.run([sys.executable, "-m", "k8sdeployment.cli", "init", "--from", str(source), "--into", str(made),
                       *passwords], env={"PYTHONPATH": str(CHECKOUT)}, timeout=60, title="snopair init")
    return made


def _password(lab: Lab, site: str, directory: Path) -> list[str]:
    """The option that names a file with the BMC's password: a secret in arguments could be read by every process."""
    file = directory / site
    write_private(file, lab.bmc_credentials(site)[1])
    return ["--fence-password-file", f"{site}={file}"]


def _apply_site(lab: Lab, site: Site) -> None:
    """What a user types on each site."""
    kubectl(site, "apply", "--server-side", "--force-conflicts", "-k", str(bundle(lab) / site.name))
    # Only where it is missing: its file says zero replicas, and where it runs the pair has scaled it up.
    if not site.kubectl("get", "deployment", WORKLOAD, "--ignore-not-found").strip():
        kubectl(site, "apply", "--server-side", "-f", str(APP))


def kubectl(site: Site, *args: str, input: Optional[str] = None, timeout: float = 60) -> str:
    """kubectl on the host, as the site's administrator; LabError when it fails."""
    program = kube.binaries(lambda line: None) / "kubectl"
    return shell.run([str(program), f"--kubeconfig={site.host_kubeconfig}", *args], stdin=input, timeout=timeout,
                     title=f"kubectl for {site.name}")


def change(lab: Lab, whole: dict[str, Any], *sites: str) -> None:
    """Apply a CR on the sites named, or on both."""
    for name in sites or lab.sites:
        kubectl(lab.sites[name], "apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(whole))


def resource(site: Site) -> dict[str, Any]:
    """The SNOPair of a site with its status; LabError when there is none."""
    found: dict[str, Any] = json.loads(kubectl(site, "get", "snopair", "pair", "-n", NAMESPACE, "-o", "json"))
    return found


def condition(site: Site, name: str) -> tuple[str, str]:
    """Status and message of a condition as that site's conductor wrote it; "" and "" while it is not there."""
    for one in resource(site).get("status", {}).get("conditions", ()):
        if one["type"] == name:
            return one["status"], one["message"]
    return "", ""


def wait_for(lab: Lab, name: str, wanted: str = "True", timeout: float = 180) -> None:
    """Until every site's conductor says so."""
    for site in lab.sites.values():
        _wait(site, name, wanted, timeout)


def _wait(site: Site, name: str, wanted: str, timeout: float) -> None:
    waiting.until(lambda: _says(site, name, wanted), f"{name} being {wanted} on {site.name}", timeout,
                  lambda: f"Its SNOPair says: {_waits(site)}")


def _says(site: Site, name: str, wanted: str) -> bool:
    with suppress(LabError):
        return condition(site, name)[0] == wanted
    return False


def _waits(site: Site) -> str:
    with suppress(LabError):
        status = resource(site).get("status", {})
        told = [f"{one['type']} {one['status']}: {one['message']}" for one in status.get("conditions", ())]
        return "; ".join([status.get("waitingFor") or "waiting for nothing", *told])
    return "nothing, its API does not answer"


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
    except LabError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
