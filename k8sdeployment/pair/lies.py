"""Fence devices that were caught lying: they said that a site was off, and a link to it was still connected.

Pacemaker's log tells it, for fence_gone ends with a code of its own then.
"""

import re

from k8sdeployment.pair.fencing import device_of

# What an operator reads of such a device, behind its name.
LIED = ("the device said off, but a link to the site was still connected: it switches something else, or nothing. It "
        "counts again once its settings are changed, or once it has fenced for real (`snopair drill --fence`)")
# pacemaker-fenced, log_async_result(): "Operation 'off' [123] targeting site-b using gone-site-b-1 returned 1".
_WORD = re.compile(r"^.*Operation '(?:off|reboot)' \[\d+\] targeting \S+ using (gone-\S+) returned (\d+)\b",
                   re.MULTILINE)
# With which fence_gone ends: the links are down; one is connected. Anything else is no word about the device.
_DOWN, _CONNECTED = "0", "1"


def caught(log: str) -> dict[str, str]:
    """The devices that were held against the links in a log; for one that lied the last time, the line that tells it.

    The line, with its time and process, stands for that one lie. "" for a device that did what it said.
    """
    found = {}
    for line in _WORD.finditer(log):
        if line[2] in (_DOWN, _CONNECTED):
            found[device_of(line[1])] = line[0] if line[2] == _CONNECTED else ""
    return found
