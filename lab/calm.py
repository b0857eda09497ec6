"""Bring a lab's pair back to its ordinary state: everything on and healed, both online, the workload where it belongs.

Scenario tests and the endurance run begin here, so that each is judged on its own faults alone.
"""

from lab import pairing, waiting
from lab.errors import LabError
from lab.names import LINKS
from lab.sites import Lab, Site

WORKLOAD = pairing.WORKLOAD


def calm(lab: Lab, on: str = "site-a", seconds: float = 180) -> None:
    """Returns once both sites are online without a failure and the workload is served from the site `on`."""
    awake(lab, seconds)
    if failures(lab):
        pairing.cleanup(lab)
    waiting.until(lambda: pairing.where(lab) is not None, f"{WORKLOAD} running", seconds, lambda: explain(lab))
    if pairing.where(lab) != on:
        pairing.wait_for(lab, "TakeoverReady")
        pairing.move(lab, WORKLOAD, on)
    waiting.until(lambda: quiet(lab), "a pair without failures", seconds, lambda: explain(lab))


def awake(lab: Lab, seconds: float = 180) -> None:
    """Returns once both sites are on, healed, with all their daemons, and online."""
    lab.heal()
    for site in lab.sites.values():
        _switch_on(site)
    pairing.wait_online(lab, seconds)


def _switch_on(site: Site) -> None:
    if site.pid() is None:
        site.power("on")
    waiting.until(lambda: _answers(site), f"{site.name}'s supervisor", 30)
    wanted = site.daemons()
    for daemon, order in (("kube-apiserver", site.api), ("kubelet", site.kubelet), ("containerd", site.containerd)):
        if not wanted.get(daemon, {}).get("wanted", True):
            order("start")
    site.wait_ready()


def _answers(site: Site) -> bool:
    try:
        return bool(site.daemons())
    except LabError:
        return False


def failures(lab: Lab) -> tuple[str, ...]:
    """What Pacemaker holds against anybody, fences that failed among it."""
    view = pairing.pair_status(lab)
    if view is None:
        return ("no peer answers",)
    return view.failures + tuple(f"{fence.action} of {fence.target} failed" for fence in view.fences
                                 if fence.status == "failed")


def quiet(lab: Lab) -> bool:
    """Both online, the workload on one site, no failure and no fence under way."""
    view = pairing.pair_status(lab)
    return bool(view and view.all_online() and not view.failures and view.where(WORKLOAD)
                and all(fence.status == "success" for fence in view.fences))


def explain(lab: Lab) -> str:
    """The pair's own words, for a failed wait."""
    return f"Failures: {failures(lab)}; links cut: {sorted(lab.cuts())} of {list(LINKS)}."
