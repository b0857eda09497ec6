"""The oracle's own process: `python -m lab.oracle_process LAB RECORD [WORKLOAD…]`.

It says "watching" once it has looked at every site, and ends the record when its standard input is closed; so it never
outlives whoever started it.
"""
from __future__ import annotations

import signal
import sys
import threading

from lab import oracle
from lab.errors import LabError
from lab.record import State
from lab.sites import Lab


def main(arguments: list[str]) -> int:
    """0 when the record is whole; 1, and one sentence on standard output, when there was nothing to watch."""
    name, out, *workloads = arguments
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this, who then closes the input
    try:
        lab = Lab.attach(name=name)
    except LabError as error:
        print(error, flush=True)
        return 1
    stop, unseen = threading.Event(), set(lab.sites)

    def saw(mono: float, what: str, site: str, state: State) -> None:
        if what == "runtime" and site in unseen:
            unseen.discard(site)
            if not unseen:
                print("watching", flush=True)

    threading.Thread(target=_stop_at_end_of_input, args=[stop], daemon=True).start()
    oracle.take_precedence()
    with open(out, "w", encoding="utf-8") as stream:
        oracle.sample(name, lab.sites, lab.state_dir / oracle.EVENTS, stream, stop, workloads or oracle.WORKLOADS, saw)
    return 0


def _stop_at_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
