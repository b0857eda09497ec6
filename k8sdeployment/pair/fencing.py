"""Fence devices: what their agents are told, and how a device is proven before anybody relies on it."""

from collections.abc import Sequence

from k8sdeployment.pair import paths
from k8sdeployment.pair.model import Device, Site, Spec
from k8sdeployment.pair.references import SecretRef

Parameters = dict[str, str]

# The exit codes of an agent that told the power of its target (fence-agents, FenceAgentAPI).
POWER = {0: "on", 2: "off"}
# How the names in Pacemaker begin: of the devices, and of what looks whether the site shows life.
_DEVICE, GONE = "fence-", "gone-"
# Seconds for an agent's answer: the slowest usual device needs about half of it.
ANSWER = 60.0

# The agents that run ipmitool and would put the password among its arguments.
_IPMI = {"fence_ipmilan", "fence_ipmilanplus", "fence_idrac", "fence_ilo3", "fence_ilo4", "fence_ilo5", "fence_imm"}


# The agent that asks nobody for the power: it writes to the shared disk that its target shall end itself.
PILL = "fence_sbd"
# The agent that tells nobody anything: it waits until its target, which has no quorum, was ended by its own watchdog.
QUORUM = "fence_quorum"
# Neither asks for the power, and both need the target's sbd.
SELF_ENDED = (PILL, QUORUM)

# The agent whose Secret holds a key that it shares with the hypervisor's fence_virtd. The image has a wrapper for it.
_VIRT = "fence_virt"

# The key of a Secret of type kubernetes.io/ssh-auth: what it holds is no password.
SSH_KEY = "ssh-privatekey"
PASSWORD, PRIVATE_KEY, SHARED_KEY = "password", "private key", "shared key"
# What the containers that fence are told: requests, which fence_redfish uses, reads the first, the image's ssh_config
# the second.
AUTHORITIES, KNOWN_HOSTS = "REQUESTS_CA_BUNDLE", "AOS_KNOWN_HOSTS"


def device_id(site: Site, rank: int) -> str:
    """The name in Pacemaker of the device that fences `site` and stands at place `rank` (from 1) of its list."""
    return f"{_DEVICE}{site.name}-{rank}"


def levels(site: Site) -> dict[int, list[int]]:
    """Which devices must all say that `site` is off: their ranks, by Pacemaker's number for the level."""
    found: dict[int, list[int]] = {}
    for rank, device in enumerate(site.fencing.devices, start=1):
        found.setdefault(rank if device.level is None else device.level, []).append(rank)
    return found


def gone_id(site: Site, ranks: Sequence[int]) -> str:
    """The name in Pacemaker of what looks whether `site` shows life, once its devices of these ranks have said off.

    One for each level: Pacemaker asks nothing twice for one fence, so that after a device that lied nothing else would
    be there to agree with the next one. It names all devices of its level, so that the log alone tells who said off.
    """
    return f"{GONE}{site.name}-{'.'.join(map(str, ranks))}"


def devices_of(gone: str) -> list[str]:
    """The names of the devices whose word is held against what the site shows by what has this name."""
    name, _, ranks = gone.removeprefix(GONE).rpartition("-")
    return [f"{_DEVICE}{name}-{rank}" for rank in ranks.split(".")]


def target_of(device: str) -> str:
    """The site that the device of this name fences."""
    return device.removeprefix(_DEVICE).rpartition("-")[0]


def pilled(spec: Spec, agent: str = PILL) -> list[Site]:
    """The sites that a poison pill may end: by the shared disk, or without one."""
    return [site for site in spec.sites if any(device.agent == agent for device in site.fencing.devices)]


def shoots(spec: Spec) -> bool:
    """Whether a site fences the other one by itself."""
    return spec.fencing.mode == "Required" and spec.failover.mode == "Automatic"


def confirmation_id(site: Site) -> str:
    """The name in Pacemaker of what stands for a person's word that `site` is off."""
    return f"confirm-{site.name}"


def by_certificate(device: Device) -> bool:
    """Whether the device's agent wants a certificate of it: fence_redfish does, unless it is told not to."""
    return device.agent == "fence_redfish" and not {"ssl_insecure", "ssl-insecure"} & set(device.parameters)


def kept_in(device: Device) -> str:
    """What its Secret holds: a password, or a file that is taken as it is."""
    if device.agent == _VIRT:
        return SHARED_KEY
    return PRIVATE_KEY if device.secret_ref is not None and device.secret_ref.key == SSH_KEY else PASSWORD


def references(site: Site) -> list[SecretRef]:
    """Every key of a Secret that whoever fences `site` needs: passwords and keys first, in the order of the devices."""
    own = [device.secret_ref for device in site.fencing.devices]
    return [ref for ref in (*own, site.fencing.ca_ref, site.fencing.known_hosts_ref) if ref is not None]


def mounted(ref: SecretRef) -> str:
    """The file of a Secret's key in the containers that fence."""
    return f"{paths.FENCING}/{ref.name}/{ref.key}"


def trust(site: Site) -> dict[str, str]:
    """The environment of the containers that fence `site`: what its devices must prove themselves by."""
    known = {AUTHORITIES: site.fencing.ca_ref, KNOWN_HOSTS: site.fencing.known_hosts_ref}
    return {name: mounted(ref) for name, ref in known.items() if ref is not None}


def address(device: Device) -> str:
    """Where the device is asked, as the CR says it; "" where it does not."""
    return device.parameters.get("ip") or device.parameters.get("ipaddr", "")


def device_parameters(device: Device, name: str, new: bool = False) -> Parameters:
    """What the agent is told: the CR's parameters, and where it finds its password or key. Never these themselves.

    `name`: the device's in Pacemaker. `new`: the Secret's own value, also where the device has answered to an older
    one; see conductor/passwords.py.
    """
    ref = device.secret_ref
    if device.agent == PILL:
        return {**device.parameters, "devices": paths.PILL, "plug": target_of(name),
                "sbd_path": f"{paths.PROGRAMS}/sbd"}
    if device.agent == QUORUM:
        return {"guarded": f"{paths.GUARDED}/{target_of(name)}"}
    if ref is None:
        return dict(device.parameters)
    mark = ["--new"] if new else []
    if device.agent == _VIRT:
        return {**device.parameters, "key_file": " ".join((*mark, name, ref.name, ref.key))}
    if ref.key == SSH_KEY:
        return {**device.parameters, "identity_file": mounted(ref),
                "ssh_path": " ".join((f"{paths.PROGRAMS}/ssh", *mark, name))}
    ipmi = device.agent in _IPMI
    script = " ".join((f"{paths.PROGRAMS}/secret", *mark, *(["--path"] if ipmi else []), name, ref.name, ref.key))
    tool = {"ipmitool_path": f"{paths.PROGRAMS}/ipmitool"} if ipmi else {}
    return {**device.parameters, **tool, "password_script": script}


def proof(device: Device, name: str, new: bool = False) -> str:
    """The input with which the agent, run by hand, tells the power: it ends with a code of POWER, else it failed."""
    return order(device, name, "status", new)


def order(device: Device, name: str, action: str, new: bool = False) -> str:
    """The input with which the agent, run by hand, does something: status, off, on.

    A poison pill is told to reset: who switches himself off needs somebody who switches him on again.
    """
    action = "reboot" if device.agent == PILL and action == "off" else action
    words = {**device_parameters(device, name, new), "action": action}
    return "".join(f"{name}={value}\n" for name, value in sorted(words.items()))
