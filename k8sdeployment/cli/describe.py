"""A pair in the words of `snopair init`, as the CR that a person would write: text in, document out.

What the words mean is checked here only as far as the document needs it; whether the pair can be built is for
`cr.load` to say, in the model's own sentences.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from k8sdeployment.cli.codes import CallError

Document = dict[str, Any]
# What may follow a workload's name, and where it stands in the CR.
WORKLOAD_WORDS = {"kind": "kind", "prefer": "preferredSite", "failback": "failback", "grace": "terminationGrace"}

# As `arbitrator-secret` of the image names it.
ARBITRATOR_SECRET = "arbitrator"


@dataclass(frozen=True)
class Words:
    """The options as they were given; see `snopair init --help`."""

    sites: Sequence[str] = ()
    nodes: Sequence[str] = ()
    fences: Sequence[str] = ()
    delays: Sequence[str] = ()
    workloads: Sequence[str] = ()
    fencing: bool = True
    token: str = ""
    image: str = ""
    api: str = ""
    namespace: str = "aos-sno-pair"
    arbitrator: str = ""


def document(words: Words) -> Document:
    """The CR. CallError for words that cannot be read."""
    names = [_split("--site", one, "NAME=ADDRESS[,ADDRESS…]")[0] for one in words.sites]
    if len(names) != 2:
        raise CallError(f"--site must be given twice, once for each site, not {len(names)} times; or give --from FILE")
    nodes = _by_site("--node", words.nodes, names, "SITE=NODE")
    delays = _by_site("--fence-delay", words.delays, names, "SITE=DURATION")
    spec: Document = {"sites": [_site(one, nodes, delays, words) for one in words.sites]}
    if not words.fencing:
        spec["fencing"] = {"mode": "Disabled"}
    if words.token:
        spec["corosync"] = {"token": words.token}
    if words.arbitrator:
        spec["quorum"] = {"mode": "Arbitrator", "arbitrator": _arbitrator(words.arbitrator)}
    spec |= _peer(words)
    spec["workloads"] = [_workload(one) for one in words.workloads]
    return {"apiVersion": "snopair.dev/v1alpha1", "kind": "SNOPair",
            "metadata": {"name": "pair", "namespace": words.namespace}, "spec": spec}


def _site(text: str, nodes: dict[str, str], delays: dict[str, str], words: Words) -> Document:
    name, addresses = _split("--site", text, "NAME=ADDRESS[,ADDRESS…]")
    site: Document = {"name": name, "nodeName": nodes.get(name, name), "addresses": addresses.split(",")}
    fencing: Document = {}
    devices = list(_devices(name, words.fences))
    if devices:
        fencing["devices"] = devices
    if name in delays:
        fencing["delay"] = delays[name]
    return {**site, "fencing": fencing} if fencing else site


def _devices(site: str, fences: Iterable[str]) -> Iterator[Document]:
    form = "SITE=AGENT[,PARAMETER=VALUE…]"
    mine = [found for name, found in (_split("--fence", one, form) for one in fences) if name == site]
    for rank, said in enumerate(mine, start=1):
        agent, *rest = said.split(",")
        parameters: Document = dict(_split("--fence", one, form) for one in rest)
        level = parameters.pop("level", None)
        name = f"bmc-{site}" if rank == 1 else f"bmc-{site}-{rank}"
        shared = {} if level is None else {"level": int(level) if level.isdecimal() else level}
        yield {"agent": agent, "parameters": parameters, "secretRef": {"name": name}, **shared}


def _peer(words: Words) -> Document:
    peer: Document = {"image": words.image} if words.image else {}
    if words.api:
        host, colon, port = words.api.rpartition(":")
        if not colon or not port.isdigit():
            raise CallError(f"--api {words.api} is not HOST:PORT; write 127.0.0.1:6443, say")
        peer["api"] = {"host": host.strip("[]"), "port": int(port)}
    return {"peer": peer} if peer else {}


def _arbitrator(text: str) -> Document:
    """HOST, HOST:PORT, an IPv6 address, or one in brackets with a port."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        return {"host": text.strip("[]"), "secretRef": {"name": ARBITRATOR_SECRET}}
    return {"host": host.strip("[]"), "port": int(port) if port.isdigit() else port,
            "secretRef": {"name": ARBITRATOR_SECRET}}


def _workload(text: str) -> Document:
    whole, *rest = text.split(",")
    namespace, slash, name = whole.rpartition("/")
    work: Document = {"name": name, **({"namespace": namespace} if slash else {})}
    for word, value in (_split("--workload", one, "NAME[,WORD=VALUE…]") for one in rest):
        if word == "replicas":
            work["replicas"] = {"max": int(value) if value.isdigit() else value}
        elif word in WORKLOAD_WORDS:
            work[WORKLOAD_WORDS[word]] = value
        else:
            known = ", ".join((*WORKLOAD_WORDS, "replicas"))
            raise CallError(f"--workload {whole}: {word} is not known here; known are {known}")
    return work


def _by_site(option: str, given: Iterable[str], sites: Sequence[str], form: str) -> dict[str, str]:
    found = dict(_split(option, one, form) for one in given)
    for name in found:
        if name not in sites:
            raise CallError(f"{option} names the site {name}; the sites are {' and '.join(sites)}")
    return found


def _split(option: str, text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        # What stands after the first '=' may be a secret in the wrong place.
        raise CallError(f"{option} {name}… cannot be read; it is written {option} {form}")
    return name, value
