"""What a person wants to see of a lab at one glance: power, API, node, links, peer pod, workload."""

import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from lab.names import LINKS
from lab.sites import Lab, Site

PODS = "/api/v1/pods"
ANSWER_SECONDS = 0.5


@dataclass(frozen=True)
class SiteStatus:
    """One row of the table, as words."""

    site: str
    power: str
    api: str
    node: str
    peer: str
    workload: str
    stopped: str


def table(lab: Lab) -> Table:
    """The lab's two sites; both are asked at the same time."""
    cuts = lab.cuts()
    links = ", ".join(f"link {link} {'CUT' if link in cuts else 'up'}" for link in LINKS)
    view = Table(title=f"lab {lab.name}: {links}", title_justify="left")
    for column in ("site", "power", "API", "node", "peer pod", "app", "stopped by hand"):
        view.add_column(column)
    with ThreadPoolExecutor() as pool:
        for row in pool.map(look, lab.sites.values()):
            view.add_row(row.site, row.power, row.api, row.node, row.peer, row.workload, row.stopped)
    return view


def look(site: Site) -> SiteStatus:
    """The state of one site now."""
    if site.pid() is None:
        return SiteStatus(site.name, "off", "-", "-", "-", "-", "-")
    stopped = ", ".join(name for name, slot in site.daemons().items() if not slot["wanted"]) or "-"
    if not site.kube.ready():
        return SiteStatus(site.name, "on", "not answering", "?", "?", workload_words([], answers(site)), stopped)
    pods = (site.kube.get(PODS) or {}).get("items", [])
    return SiteStatus(site.name, "on", "ready", "Ready" if site.node_ready() else "not ready",
                      peer_words(pods), workload_words(pods, answers(site)), stopped)


def answers(site: Site) -> bool:
    """Whether the workload answers from outside."""
    try:
        with urllib.request.urlopen(site.service_url, timeout=ANSWER_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def peer_words(pods: list[dict[str, Any]]) -> str:
    """The peer pod in kubectl's manner, as in "Running 4/4"."""
    peers = [pod for pod in pods if pod["metadata"]["name"].startswith("peer")]
    return ", ".join(_pod_words(pod) for pod in peers) or "none"


def workload_words(pods: list[dict[str, Any]], answering: bool) -> str:
    """The demonstration's workload: its pods, and whether it answers from outside."""
    ours = [pod for pod in pods if pod["metadata"].get("labels", {}).get("app") == "app"]
    words = ", ".join(_pod_words(pod) for pod in ours) or "no pod known"
    return f"{words}, ANSWERS" if answering else words


def _pod_words(pod: dict[str, Any]) -> str:
    containers = pod.get("status", {}).get("containerStatuses", [])
    ready = sum(1 for container in containers if container["ready"])
    phase = "Terminating" if "deletionTimestamp" in pod["metadata"] else pod["status"]["phase"]
    return f"{phase} {ready}/{len(pod['spec']['containers'])}"
