"""How long a site without quorum may go on before its watchdog ends it: the poison pill without a disk.

Standard library alone, for the container that feeds the watchdog has nothing else.
"""

# Seconds without being fed after which the watchdog ends the site. Longer than Corosync waits for the arbitrator's
# word: sbd distrusts a quorum that may be older than its watchdog.
WATCHDOG = 15
# Seconds since quorum was seen last, after which the watchdog is fed no more: when Corosync says that there is none,
# and when it says nothing. The second is longer than Corosync may be busy asking the arbitrator, on the site that goes
# on, too.
REFUSED, UNKNOWN = 5, 15
# Seconds between two looks, and for one answer.
LOOK, ANSWER = 1, 3
# What a site tells the other one while all this holds. A disk's name is a UUID.
ARMED = "watchdog"
# Seconds after which what a conductor wrote of the other site is too old.
STALE = 120
# Between the numbers above and a machine that is late.
_MARGIN = 5


def silence(token: int, sync: int) -> int:
    """Seconds after which a site that is no member any more has certainly ended, given Corosync's two time-outs in
    milliseconds: the token's and its consensus' time, the wait for the arbitrator, the looks, the watchdog."""
    membership = -(-(token + token * 12 // 10) // 1000)
    return membership + -(-sync // 1000) + max(REFUSED, UNKNOWN - -(-sync // 1000)) + LOOK + ANSWER + WATCHDOG + _MARGIN
