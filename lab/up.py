"""Bring a lab up and take it down; leftovers of a crash are found by label and cleaned first."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from docker.models.containers import Container

from lab import certs, engine as engines, hostnet, hostproc, make, waiting
from lab.build import images
from lab.clean import sweep
from lab.names import LabPlan, SitePlan, first_free_index
from lab.sites import Lab, Site
from lab.state import LabState, known_labs

Say = Callable[[str], None]


def up(state: LabState, say: Say) -> bool:
    """True when the lab was brought up, False when it was up already."""
    with state.lock():
        if running(state):
            return False
        found = sweep(state)
        if found:
            say(f"cleaned what a crash left behind: {found}")
        engine = engines.connect(state.engine_directory)
        images.build_all(engine, say)
        archives = images.archives(engine, say)
        say("making networks, disks and containers")
        plan = _claim(state)
        _furnish(state, plan)
        make.containers(engine, state, plan)
        _fill(Lab(plan, state, engine), archives, say)
        state.set_complete()
        state.event("up")
        return True


def down(state: LabState, keep_logs: bool = False) -> str:
    """Take the lab down, whatever state it is in; says in words what was there, "" when nothing was."""
    with state.lock():
        return sweep(state, keep_logs)


def running(state: LabState) -> bool:
    """Whether the lab is up and whole; a site that is powered off still belongs to a running lab."""
    plan = state.plan()
    if plan is None or not state.complete:
        return False
    engine = engines.connect(state.engine_directory)
    found = {container.name: container for container in make.labelled(engine, state.name)}
    sites, others = ({getattr(site, name) for site in plan.sites} for name in ("container", "bmc_container"))
    others |= {plan.arbitrator_container}
    there = set(found) - {plan.board_container}
    return sites | others == there and all(_sound(found[name], name in others) for name in there)


def _sound(container: Container, must_run: bool) -> bool:
    """Whether the engine's idea of a container is the truth: what it says runs has a living first process."""
    container.reload()
    state = container.attrs["State"]
    return hostproc.alive(int(state["Pid"] or 0)) if state["Running"] else not must_run


def _claim(state: LabState) -> LabPlan:
    """Choose an index and remember it, before any other lab may choose."""
    with state.choosing():
        plan = LabPlan(state.name, first_free_index({lab.index for lab in known_labs(state.home)}, hostnet.subnets()))
        state.create(plan)
    return plan


def _furnish(state: LabState, plan: LabPlan) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda site: _furnish_site(state, site), plan.sites))


def _furnish_site(state: LabState, site: SitePlan) -> None:
    directory = state.site_directory(site)
    certs.make(directory / "kubernetes", site)
    facts = {"name": site.name, "management": site.management,
             "peers": {number: address for number, address in enumerate(site.peer.links, start=1)}}
    (directory / "sno" / "site.json").write_text(json.dumps(facts))


def load(lab: Lab, say: Say) -> None:
    """Build what changed and bring it into the running sites; pods that use an image must be deleted to take it up."""
    images.build_all(lab.engine, say)
    for archive in images.archives(lab.engine, say):
        for site in lab.sites.values():
            load_image(site, archive)


def _fill(lab: Lab, archives: list[Path], say: Say) -> None:
    """Both sites at once: their images, then Ready."""
    say("waiting for both sites")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda site: _fill_site(site, archives), lab.sites.values()))


def _fill_site(site: Site, archives: list[Path]) -> None:
    waiting.until(lambda: site.run(["ctr", "version"], check=False).count("Version") > 1,
                  f"containerd of {site.name} answering", 30, lambda: site.log("containerd", 8))
    for archive in archives:
        load_image(site, archive)
    site.wait_ready()


def load_image(site: Site, archive: Path) -> None:
    """Import an image of the host into the site's containerd, unless this very one is there already."""
    mark = f"/disk/images/{archive.stem.rsplit('-', 1)[0]}"
    if site.run(["cat", mark], check=False).strip() == archive.name:
        return
    site.run(["ctr", "--namespace", "k8s.io", "images", "import", f"/archives/{archive.name}"], timeout=180)
    site.run(["sh", "-c", f"mkdir -p /disk/images && echo {archive.name} > {mark}"])
