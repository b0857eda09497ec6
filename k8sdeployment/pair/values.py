"""The small value types of the CR: durations, names and addresses, each with the sentence that refuses a bad one."""

import ipaddress
import re
from typing import Annotated, Any, Union

from pydantic import AfterValidator, BeforeValidator, StringConstraints

_DURATION = re.compile(r"(\d+)(ms|s|m|h)")
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


def milliseconds(text: Any) -> int:
    """`"1500ms"`, `"10s"`, `"2m"` or `"1h"` as milliseconds; ValueError for anything else, also for a bare number."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write a whole number and its unit, such as 500ms, 10s, 2m or 1h")
    return int(match[1]) * _MILLISECONDS[match[2]]


def link_address(text: Any) -> Address:
    """The IP address of a cluster link; ValueError for a host name and for addresses that no peer can reach."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address; write the site's own IPv4 or IPv6 address") from None
    if address.is_loopback or address.is_multicast or address.is_unspecified:
        raise ValueError(f"{text} cannot be reached by the other site; write the site's own unicast address")
    return address


def dns_label(text: str) -> str:
    """A Kubernetes name of one label, which is also safe as a Pacemaker node name."""
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{text!r} is not a valid name; use lower-case letters, digits and '-' (at most 63)")
    return text


def dns_subdomain(text: str) -> str:
    """A Kubernetes object name: labels joined by dots."""
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        raise ValueError(f"{text!r} is not a valid name; use lower-case letters, digits, '-' and '.' (at most 253)")
    return text


Milliseconds = Annotated[int, BeforeValidator(milliseconds)]
LinkAddress = Annotated[Address, BeforeValidator(link_address)]
Label = Annotated[str, AfterValidator(dns_label)]
Subdomain = Annotated[str, AfterValidator(dns_subdomain)]
Text = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]


def seconds(duration: int) -> str:
    """Milliseconds as Pacemaker writes them, rounded up to the whole seconds that its delays and timeouts know."""
    return f"{-(-duration // 1000)}s"


# What a fence agent calls its secrets. They come from a Secret, as files, never through the cluster's configuration.
_SECRET_WORDS = ("passw", "passphrase", "secret", "token", "_script", "community", "hexadecimal_kg", "identity_file")
# What the pair itself says about every device; a second word on it could let a device fence the wrong site.
_OURS = ("pcmk_host_list", "pcmk_host_map", "pcmk_host_check", "pcmk_delay_base", "pcmk_delay_max", "delay", "action")


def plain_parameters(parameters: dict[str, str]) -> dict[str, str]:
    """The parameters of a fence device, free of secrets and of what the pair sets by itself; else ValueError."""
    for name in parameters:
        if not re.fullmatch(r"[a-z0-9][-_a-z0-9]*", name):
            raise ValueError(f"{name!r} is not the name of a fence agent's parameter; write it as its metadata does")
        spelling = name.replace("-", "_")
        if any(word in spelling for word in _SECRET_WORDS):
            raise ValueError(f"{name} is a secret and must not stand here; put it in a Secret named by secretRef")
        if spelling in _OURS:
            raise ValueError(f"{name} is set by the pair itself; remove it (the wait before a fence is fencing.delay)")
    return parameters
