"""Runs pcs commands one after the other in children of one process that has loaded pcs once.

Usage: /usr/bin/python3 -Es pcs_batch.py < JSON list of commands, each a list of words that begins with "pcs"

Loading pcs is most of what a pcs command costs, and a pair takes a dozen of them before its first workload starts. Each
command has a process of its own all the same, forked from the loaded one, for pcs keeps its options in globals. Where
pcs cannot be loaded this way its program is called. Ends with the first command that fails, and with its exit code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def loaded() -> Callable[[list[str]], object] | None:
    """pcs's own entry; None where this Python has none."""
    try:
        from pcs import app
        return app.main  # type: ignore[no-any-return]
    except (ImportError, AttributeError):
        return None


def forked(entry: Callable[[list[str]], object], words: list[str]) -> int:
    """The exit code of one command in a process of its own."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            entry(words)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(commands: list[list[str]]) -> int:
    """0 when all of them succeeded, else the code of the first that did not."""
    entry = loaded()
    for command in commands:
        code = forked(entry, command[1:]) if entry else subprocess.run(command).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(json.load(sys.stdin)))
