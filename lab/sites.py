"""A running lab and its two sites, as tests and demonstrations use them.

    lab = Lab.attach("aos")
    lab.sites["site-a"].power("off")
    lab.cut(link=1)
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Optional

from lab import engine as engines
from lab.arbitrator import Arbitrator
from lab.engine import Engine
from lab.errors import LabError
from lab.names import LINKS, LabPlan, checked_name
from lab.site import Site
from lab.state import LabState

__all__ = ["Lab", "Site"]


class Lab:
    """A lab that is up."""

    def __init__(self, plan: LabPlan, state: LabState, engine: Engine) -> None:
        self.plan = plan
        self.engine = engine
        self.state = state
        self.arbitrator = Arbitrator(plan, state, engine)
        self.sites = {site.name: Site(site, state, engine) for site in plan.sites}

    @classmethod
    def attach(cls, name: Optional[str] = None) -> "Lab":
        """The running lab of this name; LabError when there is none."""
        state = LabState(checked_name(name))
        plan = state.plan()
        if plan is None or not state.complete:
            raise LabError(f"no lab named {state.name!r} is up; start it with `lab/lab --name {state.name} up`")
        return cls(plan, state, engines.connect(state.engine_directory))

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def state_dir(self) -> Path:
        return self.state.directory

    def event(self, what: str, site: Optional[str] = None, detail: str = "") -> None:
        """Append a line to the lab's events.jsonl."""
        self.state.event(what, site, detail)

    def bmc_credentials(self, site_name: str) -> tuple[str, str]:
        """User and password of the site's BMC."""
        return self.state.credentials(self.plan.site(site_name))

    def cut(self, link: Optional[int] = None) -> None:
        """Cut one link between the sites, or all; it stays cut through reboots until healed."""
        self._set_links("cut", _links(link), add=True)

    def heal(self, link: Optional[int] = None) -> None:
        """Mend one link between the sites, or all."""
        self._set_links("heal", _links(link), add=False)

    def cuts(self) -> set[int]:
        """The links that are cut now."""
        return set().union(*(self.state.cut_links(site.plan) for site in self.sites.values()))

    def _set_links(self, what: str, links: set[int], add: bool) -> None:
        for site in self.sites.values():
            now = self.state.cut_links(site.plan)
            self.state.set_cut(site.plan, now | links if add else now - links)
        self.event(what, None, "link " + " and ".join(str(link) for link in sorted(links)))
        with ThreadPoolExecutor() as pool:  # both ends at the same moment
            list(pool.map(Site.recut, self.sites.values()))


def _links(link: Optional[int]) -> set[int]:
    if link is None:
        return set(LINKS)
    if link not in LINKS:
        raise LabError(f"there is no link {link}; the links are {' and '.join(map(str, LINKS))}")
    return {link}
