"""From Pacemaker's environment to an exit code. Every way out of an action ends here.

stdout carries nothing but the metadata; the reason goes to stderr as OCF wants it. Imports are made where they are
needed: a monitor on the passive site must not pay for TLS.
"""

from __future__ import annotations

import sys

from . import codes
from .codes import AgentError, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .scene import Scene

_INTERVAL = "OCF_RESKEY_CRM_meta_interval"
_ROLE = "OCF_RESKEY_CRM_meta_role"


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Runs argv[1]; further arguments are ignored. Returns the exit code; never raises, not even SystemExit."""
    action = argv[1] if len(argv) > 1 else ""
    if action == codes.METADATA:
        from .metadata import xml
        sys.stdout.write(xml())
        return codes.OK
    if action not in (codes.START, codes.STOP, codes.MONITOR, codes.VALIDATE):
        return codes.UNIMPLEMENTED
    if action == codes.MONITOR:
        action = _kind_of_monitor(env)
    verdict = _answer(action, env)
    if verdict.reason:
        sys.stderr.write(f"{env.get('OCF_EXIT_REASON_PREFIX', 'ocf-exit-reason:')}{verdict.reason}\n")
    return codes.permitted(action, verdict.code)


def _kind_of_monitor(env: Mapping[str, str]) -> str:
    if env.get(_INTERVAL, "0") in ("", "0"):
        return codes.PROBE
    return codes.PASSIVE if env.get(_ROLE) == "Stopped" else codes.MONITOR


def _answer(action: str, env: Mapping[str, str]) -> Verdict:
    try:
        return _run(action, env)
    except AgentError as error:
        return Verdict(error.code, str(error))
    except BaseException as error:  # noqa: B036 - a stray SystemExit(2) must not leave a probe as "not running"
        import traceback
        traceback.print_exc()
        return Verdict(codes.GENERIC, f"unexpected {type(error).__name__}: {error}")


def _run(action: str, env: Mapping[str, str]) -> Verdict:
    from .deadline import budget
    from .parameters import parse, target_known
    if env.get("OCF_RA_VERSION_MAJOR", "1") not in ("", "1"):
        return Verdict(codes.CONFIGURED, f"OCF_RA_VERSION_MAJOR={env['OCF_RA_VERSION_MAJOR']!r} is not supported, 1 is")
    settings, faults = parse(env)
    if faults and not (action == codes.STOP and target_known(settings)):
        return Verdict(codes.CONFIGURED, "; ".join(faults))
    deep = _level(env) >= 10
    if action == codes.VALIDATE and not deep:
        return Verdict(codes.OK)
    from .scene import scenes
    several = scenes(settings, env, budget(action, env))
    if action in (codes.PROBE, codes.MONITOR, codes.PASSIVE):
        from .monitor import monitor
        return monitor(several, action, deep)
    _collect_again()
    several[0].host.ring_when_late()
    return _changing(action, several)


def _collect_again() -> None:
    """What may go on for minutes needs the garbage collection that the executable spares the monitors."""
    import gc
    gc.enable()


def _changing(action: str, several: list[Scene]) -> Verdict:
    if action == codes.START:
        from .start import start
        return start(several)
    if action == codes.STOP:
        from .stop import stop
        return stop(several)
    from .validate import validate
    return validate(several)


def _level(env: Mapping[str, str]) -> int:
    """OCF_CHECK_LEVEL: unset or empty is 0, anything but a number is 0 with a warning."""
    text = env.get("OCF_CHECK_LEVEL", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 6:
        return int(text)
    if text:
        sys.stderr.write(f"WARNING: OCF_CHECK_LEVEL={text!r} is not a number, 0 is used\n")
    return 0
