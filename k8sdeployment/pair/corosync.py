"""corosync.conf of a pair: encrypted knet over every link, two votes, and no quorum before the peer was seen."""

from collections.abc import Iterable

from k8sdeployment.pair import paths
from k8sdeployment.pair.model import SNOPair

Fields = Iterable[tuple[str, object]]


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
        _section("quorum", (
            ("provider", "corosync_votequorum"),
            ("two_node", 1),
            # two_node implies it; written out because it is what keeps a fenced site that boots from fencing back.
            ("wait_for_all", 1),
        )),
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


def _nodelist(pair: SNOPair) -> str:
    nodes = (
        _section("node", (
            *((f"ring{link}_addr", address) for link, address in enumerate(site.addresses)),
            ("name", site.name),
            ("nodeid", number),
        ))
        for number, site in enumerate(pair.spec.sites, start=1)
    )
    inner = "".join(f"    {line}\n" for node in nodes for line in node.splitlines())
    return f"nodelist {{\n{inner}}}\n"


def _section(name: str, fields: Fields) -> str:
    """One section. Corosync wants the closing brace on a line of its own."""
    lines = "".join(f"    {key}: {value}\n" for key, value in fields)
    return f"{name} {{\n{lines}}}\n"
