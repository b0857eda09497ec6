"""Fence devices that were caught lying: they said that a site was off, and it still showed life.

Pacemaker's log tells it, for fence_gone ends with a code of its own then.
"""

import re

from k8sdeployment.pair.fencing import devices_of

# Pacemaker switches nothing on after a level that was not confirmed.
STILL_OFF = "what it switched off, another machine perhaps, is still off"
# What an operator reads of such a device, behind its name.
LIED = ("the device said off, but the site still showed life (a connected link, or an address that answered): it "
        f"switches something else, or nothing; {STILL_OFF}. It counts again once its settings are changed, or once it "
        "has fenced for real (`snopair drill --fence`)")
# pacemaker-fenced, log_async_result(): "Operation 'off' [123] targeting site-b using gone-site-b-1 returned 1".
_WORD = re.compile(r"^.*Operation '(?:off|reboot)' \[\d+\] targeting \S+ using (gone-\S+) returned (\d+)\b",
                   re.MULTILINE)
# With which fence_gone ends: the site is silent; it shows life. Anything else is no word about the device.
_SILENT, _ALIVE = "0", "1"


def caught(log: str) -> dict[str, str]:
    """The devices that were held against what the site showed; for one that lied the last time, the line that tells it.

    The line, with its time and process, stands for that one lie. "" for a device that did what it said. Of several
    that share a level nobody can tell which one lied: each is taken for one that did.
    """
    found: dict[str, str] = {}
    for line in _WORD.finditer(log):
        if line[2] in (_SILENT, _ALIVE):
            found |= dict.fromkeys(devices_of(line[1]), line[0] if line[2] == _ALIVE else "")
    return found
