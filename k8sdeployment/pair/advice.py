"""What can be built but should be thought over: a sentence for each. The CR is taken all the same."""

import ipaddress
from collections.abc import Iterator

from k8sdeployment.pair.fencing import SSH_KEY, address, by_certificate
from k8sdeployment.pair.model import Device, Site, Spec
from k8sdeployment.pair.values import Address

# Bits that addresses of one subnet most often share. The CR holds no masks, so this is a guess and no rule.
_USUAL = {4: 24, 6: 64}


def advice(spec: Spec) -> list[str]:
    """Everything worth a second thought, the worst first."""
    return [*_fencing(spec), *_links(spec), *_votes(spec), *_workloads(spec)]


def _fencing(spec: Spec) -> Iterator[str]:
    if spec.fencing.mode == "Disabled":
        yield "fencing is disabled: after a split a workload may run twice"
        return
    for site in spec.sites:
        yield from (f"the device {ip} that fences {site.name} stands in the network of link {link}: one fault can take "
                    "both the link and the fencing" for ip, link in _shared(site))
        yield from (f"{device.agent} that fences {site.name} believes whatever host answers: {remedy}"
                    for device in site.fencing.devices if (remedy := _gullible(device, site)))


def _gullible(device: Device, site: Site) -> str:
    """What would make the device's agent look whom it talks to, which then could not lie about the power; or ""."""
    by_key = device.secret_ref is not None and device.secret_ref.key == SSH_KEY
    if (by_key or device.agent == "fence_virsh") and site.fencing.known_hosts_ref is None:
        return "name its host key with fencing.knownHostsRef"
    if device.agent == "fence_redfish" and not by_certificate(device):
        return "name its certificate's authority with fencing.caRef, and leave ssl_insecure out"
    return ""


def _shared(site: Site) -> Iterator[tuple[str, int]]:
    for device in site.fencing.devices:
        ip = address(device)
        yield from ((ip, link) for link in _beside(ip, site))


def _beside(host: str, site: Site) -> Iterator[int]:
    """The links in whose networks that address stands; none for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    yield from (link for link, own in enumerate(site.addresses, start=1) if subnet(own) == subnet(address))


def _votes(spec: Spec) -> Iterator[str]:
    if spec.quorum.arbitrator is not None:
        host = spec.quorum.arbitrator.host
        yield from (f"the arbitrator {host} stands in the network of link {link}: one fault can take both, and then a "
                    "site that is alone stops" for link in _beside(host, spec.sites[0]))


def _links(spec: Spec) -> Iterator[str]:
    site = spec.sites[0]
    if len(site.addresses) == 1:
        yield "there is a single link: its loss looks like the loss of the other site, and one of them is fenced for it"
    for one in spec.sites:
        nets = [subnet(address) for address in one.addresses]
        twice = [str(net) for number, net in enumerate(nets) if net in nets[:number]]
        yield from (f"{one.name} has two links in {net}: they will fail together" for net in dict.fromkeys(twice))


def _workloads(spec: Spec) -> Iterator[str]:
    for work in spec.workloads:
        if work.preferred_site is None:
            yield f"{work.name} has no preferredSite: where it starts first is left to chance"
        if not work.gate:
            yield f"{work.name} has no gate: it can run on both sites after a site boots with replicas in its etcd"


def subnet(address: Address) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """The network that an address most likely stands in."""
    return ipaddress.ip_network(f"{address}/{_USUAL[address.version]}", strict=False)
