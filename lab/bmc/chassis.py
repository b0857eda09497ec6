"""ipmi_sim's chassis_control: `chassis SITE get power …` and `chassis SITE set power 0|1 reset 1 …`.

Off answers once the site is dead: whoever fences relies on it. On answers at once and starts the site behind the
answer, as a real board does; until it runs, "power" is on already.
"""

import json
import os
import sys
import time
from pathlib import Path

from .power import BmcSwitch, PowerError

SETTINGS = Path("/etc/bmc/bmc.json")
EVENTS = Path("/run/lab/events.jsonl")
PENDING = Path("/run/bmc/pending")
PENDING_SECONDS = 60.0


def read(parameters: list[str], switch: BmcSwitch) -> list[str]:
    """The lines ipmi_sim expects to "get"."""
    return [f"{parameter}:{_reading(parameter, switch)}" for parameter in parameters]


def _reading(parameter: str, switch: BmcSwitch) -> str:
    if parameter == "power":
        return "1" if _pending() or switch.is_on() else "0"
    return "default" if parameter == "boot" else "0"


def orders(parameters: list[str]) -> list[str]:
    """What "set" asks for, in order: off, on, reset; power 2 is a cycle in some versions."""
    found = []
    for parameter, value in zip(parameters[::2], parameters[1::2]):
        if parameter == "power":
            found.append({"0": "off", "1": "on"}.get(value, "reset"))
        elif parameter in ("reset", "shutdown"):
            found.append("reset" if parameter == "reset" else "off")
    return found


def obey(order: str, switch: BmcSwitch, site: str) -> None:
    """Carry one order out; raises PowerError when the site would not die."""
    if switch.lies:
        note(site, f"told a lie: {order}")
        switch.off() if order == "off" else switch.on()
        return
    note(site, f"{order} asked")
    if order == "reset" and not (_pending() or switch.is_on()):
        raise PowerError("a chassis that is off cannot be reset")
    if order in ("off", "reset"):
        PENDING.unlink(missing_ok=True)
        switch.off()
        note(site, "off: the site is dead")
    if order in ("on", "reset"):
        ticket = f"{time.monotonic() + PENDING_SECONDS} {os.getpid()}"
        PENDING.write_text(ticket)
        _start_behind(switch, site, ticket)


def _start_behind(switch: BmcSwitch, site: str, ticket: str) -> None:
    """Start in a process of its own, with none of ipmi_sim's pipes, so that the answer goes out now."""
    if os.fork():
        return
    os.setsid()
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silence, descriptor)
    try:
        switch.on(lambda: _ticket() == ticket)
        note(site, "on: the site runs")
    except PowerError as error:
        note(site, f"on failed: {error}")
    finally:
        if _ticket() == ticket:
            PENDING.unlink(missing_ok=True)
        os._exit(0)


def _ticket() -> str:
    try:
        return PENDING.read_text()
    except OSError:
        return ""


def _pending() -> bool:
    """Whether a start is under way that was asked for and not taken back."""
    words = _ticket().split()
    return len(words) == 2 and time.monotonic() < float(words[0])


def note(site: str, detail: str) -> None:
    """One line in the lab's events."""
    line = json.dumps({"mono": time.monotonic(), "wall": time.time(), "what": "bmc", "site": site, "detail": detail})
    descriptor = os.open(EVENTS, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, (line + "\n").encode())
    finally:
        os.close(descriptor)


def main(arguments: list[str]) -> int:
    """0 when done; 1 tells ipmi_sim, and so whoever asked, that it did not work."""
    settings = json.loads(SETTINGS.read_text())
    switch = BmcSwitch(settings["socket"], settings["container"], Path(settings["lock"]))
    verb, parameters = arguments[0], arguments[1:]
    try:
        if verb == "get":
            print("\n".join(read(parameters, switch)))
        elif verb == "set":
            for order in orders(parameters):
                obey(order, switch, settings["site"])
    except PowerError as error:
        note(settings["site"], f"{verb} {' '.join(parameters)} failed: {error}")
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
