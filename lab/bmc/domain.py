"""A libvirt domain as a site's power: what the hook does, and how a domain follows a site that was switched elsewhere.

libvirt waits for its hook, so that no domain is told to be off before its site is dead, in whatever language the
question comes. Whoever asks through the board has the domain follow its site first: nothing reads a state of yesterday.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .chassis import note
from .power import BmcSwitch, PowerError

SETTINGS = Path("/etc/board/board.json")
FOLLOWING = Path("/run/board")
URI = "qemu:///system"
# The hook's words for what it is told of, and what the domain is in the middle of while it follows its site.
STARTED, STOPPED = "started", "stopped"
AGAIN, TRIES = 1.0, 5


@dataclass(frozen=True)
class Power:
    """One site and its switch."""

    site: str
    switch: BmcSwitch


def powers(settings: Path = SETTINGS) -> dict[str, Power]:
    """Every site of the board, by the name of its domain, which is the site's own."""
    known = json.loads(settings.read_text())
    return {site: Power(site, BmcSwitch(known["socket"], one["container"], Path(one["lock"])))
            for site, one in known["sites"].items()}


def hooked(power: Power, event: str) -> None:
    """What libvirt's hook does. PowerError when the site does not start: libvirt ends the domain then.

    Off has no such way out, for libvirt would call the domain off: it goes on until the site is dead. libvirt holds
    the domain meanwhile, so whoever holds a switch's lock must not wait for libvirt.
    """
    follows = _following(power) == event
    if power.switch.lies and event in (STARTED, STOPPED):
        note(power.site, f"told a lie: {event}")
        power.switch.on() if event == STARTED else power.switch.off()
        return
    if event == STARTED and not power.switch.is_on():
        if follows:
            raise PowerError("the site went off again")
        note(power.site, "on asked")
        power.switch.on()
        note(power.site, "on: the site runs")
    elif event == STOPPED and not (follows and _is_dead(power)):
        note(power.site, "off asked")
        _end(power)
        note(power.site, "off: the site is dead")


def _end(power: Power) -> None:
    while True:
        try:
            return power.switch.off()
        except PowerError as error:
            note(power.site, f"off failed: {error}")
            time.sleep(AGAIN)


def follow(power: Power, domain: Any, refusal: type[Exception]) -> None:
    """Bring the domain to the state that its site is in. PowerError without an engine, or when they do not agree.

    `domain`: libvirt's, which refuses with `refusal`. An order may come in between, so the hook is told what is
    none, and makes sure by itself.
    """
    mark, why = FOLLOWING / power.site, "it is switched all the time"
    for _ in range(TRIES):
        # The domain first: libvirt answers when no hook is at work.
        active, on = bool(domain.isActive()), power.switch.is_on()
        if active == on:
            return
        mark.write_text(STARTED if on else STOPPED)
        try:
            domain.create() if on else domain.destroy()
        except refusal as error:
            why = str(error)
        finally:
            mark.unlink(missing_ok=True)
    raise PowerError(f"the domain {power.site} does not follow its site: {why}")


def follow_all() -> None:
    """Each domain its site. libvirt.libvirtError when libvirtd does not answer."""
    import libvirt  # type: ignore[import-not-found,unused-ignore]
    connection = libvirt.open(URI)
    try:
        for site, power in powers().items():
            follow(power, connection.lookupByName(site), libvirt.libvirtError)
    finally:
        connection.close()


def _following(power: Power) -> str:
    try:
        return (FOLLOWING / power.site).read_text()
    except OSError:
        return ""


def _is_dead(power: Power) -> bool:
    try:
        return not power.switch.is_on()
    except PowerError:
        return False


def virsh(arguments: list[str]) -> int:
    """virsh, after each domain has followed its site; its own words for what went wrong, which fence_virsh knows."""
    try:
        follow_all()
    except Exception as error:  # libvirt's own class is known only where libvirt is
        print(f"error: the state of the sites is not known: {error}", file=sys.stderr)
        return 1
    os.execv("/usr/bin/virsh", ["virsh", "--connect", URI, *arguments])


def hook(arguments: list[str]) -> int:
    """libvirt's hook: DOMAIN EVENT SUB-EVENT, and the domain's XML on stdin, which libvirt wants read."""
    sys.stdin.read()
    power = powers().get(arguments[0])
    if power is None:
        return 0
    try:
        hooked(power, arguments[1])
    except PowerError as error:
        note(power.site, f"{arguments[1]} failed: {error}")
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit({"hook": hook, "virsh": virsh}[sys.argv[1]](sys.argv[2:]))
