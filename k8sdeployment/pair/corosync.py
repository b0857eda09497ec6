"""corosync.conf of a pair: encrypted knet over every link, and who has how many votes.

Two votes: no quorum before the other site was seen. With an arbitrator three, and any two of them are a quorum.
"""

from collections.abc import Iterable

from k8sdeployment.pair import paths
from k8sdeployment.pair.model import Arbitrator, SNOPair, Spec

Fields = Iterable[tuple[str, object]]
# Milliseconds until a silent arbitrator counts as gone, and until a change of the membership is judged without it. Half
# of the usual ones: while Corosync waits for a vote, a survivor neither knows of the loss nor does anything about it.
# The second is longer, since the arbitrator must first give a site up that vanished: after 1.5 heartbeats of 0.8 of the
# first each, 6 s.
DEVICE_TIMEOUT, DEVICE_SYNC_TIMEOUT = 5000, 10_000


def corosync_conf(pair: SNOPair) -> str:
    """The file's text; the same on both sites."""
    sections = [
        _section("totem", _totem(pair)),
        _section("system", (
            ("state_dir", "/var/lib/corosync"),
            # A container may not leave its cgroup, and an attempt is an error in the log at every start.
            ("move_to_root_cgroup", "no"),
        )),
        _nodelist(pair),
        _quorum(pair.spec),
        _section("logging", (
            ("to_stderr", "yes"),
            ("to_syslog", "no"),
            ("to_logfile", "no"),
            ("timestamp", "hires"),
        )),
    ]
    return "\n".join(sections)


def _totem(pair: SNOPair) -> Fields:
    return (
        ("version", 2),
        ("cluster_name", pair.metadata.name),
        ("transport", "knet"),
        ("crypto_cipher", "aes256"),
        ("crypto_hash", "sha256"),
        ("keyfile", f"{paths.COROSYNC}/authkey"),
        ("token", pair.spec.corosync.token),
    )


def _quorum(spec: Spec) -> str:
    provider = ("provider", "corosync_votequorum")
    if spec.quorum.arbitrator is None:
        # two_node implies the last; written out because it is what keeps a fenced site that boots from fencing back.
        return _section("quorum", (provider, ("two_node", 1), ("wait_for_all", 1)))
    # No wait_for_all: it counts the arbitrator among all, and begins anew whenever quorum is lost, so that two sites
    # that see each other would wait for an arbitrator that is away. A fenced site that boots has no second vote: the
    # arbitrator's stays with the site that has it (keep_active_partition_tie_breaker).
    return _section("quorum", (provider, ("wait_for_all", 0)), _device(spec, spec.quorum.arbitrator))


def _device(spec: Spec, arbitrator: Arbitrator) -> str:
    net = _section("net", (
        ("host", arbitrator.host),
        ("port", arbitrator.port),
        ("algorithm", arbitrator.algorithm),
        ("tls", "required"),
        ("keep_active_partition_tie_breaker", "on"),
        # The site that fencing favours, too: else one of them has quorum, and the other one the head start.
        ("tie_breaker", "lowest" if spec.favoured() is spec.sites[0] else "highest"),
    ))
    return _section("device", (
        ("model", "net"), ("votes", 1), ("timeout", DEVICE_TIMEOUT), ("sync_timeout", DEVICE_SYNC_TIMEOUT)), net)


def _nodelist(pair: SNOPair) -> str:
    return _section("nodelist", (), *(
        _section("node", (
            *((f"ring{link}_addr", address) for link, address in enumerate(site.addresses)),
            ("name", site.name),
            ("nodeid", number),
        ))
        for number, site in enumerate(pair.spec.sites, start=1)
    ))


def _section(name: str, fields: Fields, *inner: str) -> str:
    """One section with those within it. Corosync wants the closing brace on a line of its own."""
    lines = [*(f"{key}: {value}" for key, value in fields), *(line for one in inner for line in one.splitlines())]
    return "".join((f"{name} {{\n", *(f"    {line}\n" for line in lines), "}\n"))
