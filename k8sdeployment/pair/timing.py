"""How long the pair waits for what, in seconds; each number once, with the reason it has."""

from k8sdeployment.pair import corosync, guard
from k8sdeployment.pair.model import SNOPair, Spec, Workload

# How long the agent of an unguarded workload believes in what it last saw when the API is away: a single-node
# cluster's API is away for up to five minutes when its control plane is rolled out.
API_GRACE = 300
START = 180
MONITOR = 20
DEEP_MONITOR = 30
# What a stop needs beside waiting for the API and for the pods: the scan of the processes, the writes, a slow machine.
STOP_MARGIN = 30
# Any fence, without the wait before it: the slowest usual device needs about half of it.
FENCE = 60
# What the links may need, beside the token's time, to notice that a site went off: knet gives one up within that time
# (corosync.conf(5), knet_ping_timeout), a busy machine looks late.
NOTICE = 15
# What asks the links may need for its last look, beside its patience.
LAST_LOOK = 10
# What a site that is a member may need to leave when its watchdog ends it, because its Pacemaker hangs or calls it
# unclean: sbd takes four seconds to notice, and the membership the token's time.
LEAVE = 4 + guard.WATCHDOG + 20
# Milliseconds between the loss of a peer and the scheduler's question for the CIB. Asked at once, a controller that was
# already in charge finds its own notes on the loss still on their way, sleeps a whole second and asks again: a second
# more without service, and the site that should win a split shoots after the other one's delay began to run out.
TRANSITION_DELAY = 200
# Percent of a site's processors from which on Pacemaker does less at once (load-threshold, 80 by itself; at 1.6 times
# that one action at a time, controld's throttle). A site that takes over is busy with all that starts there.
LOAD = 1000
# Longer than any operation above, short enough that a site is trusted again the same working day.
FAILURE_MEMORY = 4 * 3600


def fence(spec: Spec) -> int:
    """Seconds for any fence together with the wait before it. Pacemaker 2.1.5 counts from the order on, and gives up
    one that waits for longer, each time before it began."""
    return FENCE + -(-(max(spec.fence_delays()) + (spec.fencing.active_delay or 0)) // 1000)


def gone(spec: Spec) -> int:
    """Seconds after which the links to a site that is off are certainly down."""
    return NOTICE + -(-spec.corosync.token // 1000)


def silence(spec: Spec) -> int:
    """Seconds after which a site that is no member any more has ended by its watchdog."""
    return guard.silence(spec.corosync.token, corosync.DEVICE_SYNC_TIMEOUT)


def stop(workload: Workload) -> int:
    """Seconds a workload's stop may take before Pacemaker gives it up and fences: the API's grace and the pods' own."""
    return API_GRACE + -(-workload.termination_grace // 1000) + STOP_MARGIN


def shutdown(pair: SNOPair) -> int:
    """Seconds the peer pod may take to end: its workloads stop one after the other at worst, then the daemons.

    In whole hours, so that a workload more or less seldom makes the running peer an old one.
    """
    return -(-(sum(map(stop, pair.spec.workloads)) + 60) // 3600) * 3600
