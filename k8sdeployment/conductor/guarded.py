"""Whether the other site would end itself, as far as this site knows: a file that fence_quorum reads, of a site that
its watchdog guards; one that fence_gone reads, of a site that hears the pill which this one writes.

Invariant: **the file is there only while the last word of the other site was that it would, said to a
conductor that has looked without a break since, and the other one could not let go of its watchdog with workloads
running: not in maintenance, not for a renewal.** Whoever did not look may have missed that. In the pod's memory: what
an earlier peer knew is old.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Optional

from k8sdeployment.pair import facts, guard, paths
from k8sdeployment.pair.facts import Facts
from k8sdeployment.pair.roll import Lock
from k8sdeployment.pair.status import Node

DIRECTORY, HEARD, MAINTAINED = Path(paths.GUARDED), Path(paths.HEARD), Path(paths.MAINTAINED)


class Guarded:
    """What one conductor knows of the other site."""

    def __init__(self, directory: Path = DIRECTORY, heard: Path = HEARD, maintained: Path = MAINTAINED,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._directory, self._heard, self._maintained, self._clock = directory, heard, maintained, clock
        self._looked = float("-inf")

    def look(self, site: str, node: Optional[Node], told: Optional[Facts], mine: Optional[Facts],
             lock: Optional[Lock], maintenance: bool) -> None:
        """To be called at each look: `node` and `told` are the other site's. A site that vanished tells nothing, and
        its last word stands; one that is there and tells nothing has not said it yet."""
        now, before = self._clock(), self._looked
        self._looked = now
        self._note(maintenance, now)
        stays = not maintenance and not (lock is not None and lock.site == site)
        vanished = told is None and not (node is not None and (node.online or node.pending))
        hears = told is not None and mine is not None and facts.on_one_disk(mine, told)
        for file, good in ((self._directory / site, told is not None and facts.guarded(told)),
                           (self._heard / site, hears)):
            if vanished:
                good = file.exists() and now - before <= guard.STALE
            if good and stays:
                _write(file, now)
            else:
                file.unlink(missing_ok=True)

    def _note(self, maintenance: bool, now: float) -> None:
        """For this site's own watchdog, which may be let go of then."""
        if maintenance:
            _write(self._maintained, now)
        else:
            self._maintained.unlink(missing_ok=True)


def _write(file: Path, now: float) -> None:
    """In one piece. Without room for it the site cannot be taken for ended, and this one's watchdog stays armed."""
    with suppress(OSError):
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}")
        new.write_text(f"{now:.0f}\n", encoding="ascii")
        new.replace(file)
