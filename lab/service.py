"""The workload's service as a client outside sees it."""

import time
import urllib.error
import urllib.request

from lab import waiting
from lab.sites import Lab, Site

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(site: Site, timeout: float = 0.3) -> bool:
    """Whether this site serves right now."""
    try:
        with _DIRECT.open(site.service_url, timeout=timeout) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def back(lab: Lab, on: str, seconds: float) -> float:
    """Waits until the site `on` serves; seconds waited. LabError when it does not within `seconds`."""
    begin = time.monotonic()
    waiting.until(lambda: answers(lab.sites[on]), f"the service answering on {on}", seconds)
    return time.monotonic() - begin
