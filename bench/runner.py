"""A small process that starts others and tells what each cost. Reads JSON lines {"argv", "env"}, answers one per line.

Small on purpose: Linux counts the parent's own memory as the child's peak (a child starts as its parent's copy, and
exec keeps the highest mark), so whoever measures peaks must itself be smaller than what is measured.
"""

import json
import os
import sys
import time

NOWHERE = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]

for line in sys.stdin:
    order = json.loads(line)
    began = time.monotonic()
    pid = os.posix_spawn(order["argv"][0], order["argv"], order["env"], file_actions=NOWHERE)
    _, status, used = os.wait4(pid, 0)
    ended = time.monotonic()
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024, "wall": ended - began,
                      "ended": ended, "code": os.waitstatus_to_exitcode(status)}), flush=True)
