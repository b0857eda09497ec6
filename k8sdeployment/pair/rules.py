"""The rules that hold between the values of a pair. Each broken one is a sentence: field, value, what is right."""

from collections.abc import Iterator

from k8sdeployment.pair.model import Site, Spec
from k8sdeployment.pair.values import seconds


def faults(spec: Spec) -> list[str]:
    """One sentence per broken rule, none for a pair that can be built."""
    if len(spec.sites) != 2:
        return [f"spec.sites: a pair has exactly two sites, not {len(spec.sites)}"]
    return [*_sites(*spec.sites), *_fencing(spec), *_workloads(spec)]


def _sites(one: Site, other: Site) -> Iterator[str]:
    if one.name == other.name:
        yield f"spec.sites: both are named {one.name!r}; give each site a name of its own"
    if one.node_name == other.node_name:
        yield f"spec.sites: both have nodeName {one.node_name!r}; it tells a site which one it is, so they must differ"
    if len(one.addresses) != len(other.addresses):
        yield (f"spec.sites: {one.name} has {len(one.addresses)} addresses and {other.name} {len(other.addresses)}; "
               "both need one address per link")
    yield from _addresses(one, other)


def _addresses(one: Site, other: Site) -> Iterator[str]:
    seen: set[str] = set()
    for address in map(str, one.addresses + other.addresses):
        if address in seen:
            yield f"spec.sites: address {address} is given twice; every link needs an address of its own on each site"
        seen.add(address)
    for link, (here, there) in enumerate(zip(one.addresses, other.addresses), start=1):
        if here.version != there.version:
            yield f"spec.sites: link {link} joins {here} with {there}; both ends must be IPv4, or both IPv6"


def _fencing(spec: Spec) -> Iterator[str]:
    if spec.fencing.mode == "Disabled":
        return
    for index, site in enumerate(spec.sites):
        if not site.fencing.devices:
            yield (f"spec.sites[{index}].fencing.devices: {site.name} has none, and fencing is Required; "
                   "name a device that can take its power")
    one, other = map(seconds, spec.fence_delays())
    if one == other:
        yield (f"spec.sites: both have fencing.delay {one}, so that both would fence each other after a split; "
               "give the site that should win at least a second more")


def _workloads(spec: Spec) -> Iterator[str]:
    names = [site.name for site in spec.sites]
    seen: set[str] = set()
    for index, workload in enumerate(spec.workloads):
        where = f"spec.workloads[{index}]"
        if workload.name in seen:
            yield f"{where}.name: {workload.name!r} is given twice; a workload's name must be unique in the pair"
        seen.add(workload.name)
        low, high = workload.replicas.min, workload.replicas.max
        if low >= high:
            yield f"{where}.replicas: min {low} is not below max {high}; min is what the passive site runs, usually 0"
        if workload.gate and low > 0:
            yield f"{where}.replicas.min: {low} cannot run on a site without a permit; use 0, or gate: false"
        if workload.preferred_site is not None and workload.preferred_site not in names:
            yield f"{where}.preferredSite: {workload.preferred_site!r} is not a site; it must be {' or '.join(names)}"
