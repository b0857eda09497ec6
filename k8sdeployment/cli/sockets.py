"""The few questions that `snopair check` puts to a host's network."""

import errno
import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Union

Kind = Literal["udp", "tcp"]
Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
PROC = Path("/proc/net")


@dataclass(frozen=True)
class Route:
    """A network that an interface stands in by itself."""

    network: Network
    interface: str


def bind(address: str, port: int, kind: Kind) -> str:
    """Why an address and port cannot be had, as errno's name; "" when they can. Port 0: any."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as one:
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == "tcp":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((address, port))
            if kind == "tcp":
                one.listen(1)
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))
    return ""


def answers(address: str, port: int, seconds: float) -> str:
    """Why a host does not answer; "" when it does, be it by refusing the connection."""
    try:
        socket.create_connection((address, port), timeout=seconds).close()
    except ConnectionRefusedError:
        return ""
    except TimeoutError:
        return "it is silent"
    except OSError as error:
        return str(error.strerror or error)
    return ""


def refuses(address: str, port: int, seconds: float) -> bool:
    """Whether somebody says that nobody listens there: the host, or a firewall in its place."""
    try:
        socket.create_connection((address, port), timeout=seconds).close()
    except OSError as error:
        return isinstance(error, ConnectionRefusedError)
    return False


def routes(proc: Path = PROC) -> list[Route]:
    """The networks that this host stands in. Routes by way of a router are none of them."""
    found = []
    for line in _lines(proc / "route")[1:]:
        interface, target, gateway, _, _, _, _, mask, *_ = line.split()
        if gateway == "00000000" and mask != "00000000":
            found.append(Route(ipaddress.ip_network(f"{_four(target)}/{_four(mask)}"), interface))
    for line in _lines(proc / "ipv6_route"):
        target, bits, _, _, gateway, *_, interface = line.split()
        if int(gateway, 16) == 0 and 0 < int(bits, 16) < 128 and interface != "lo":
            found.append(Route(ipaddress.ip_network((int(target, 16), int(bits, 16))), interface))
    return found


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").splitlines()
    except OSError:
        return []


def _four(word: str) -> str:
    """An IPv4 address as the kernel shows it: hexadecimal, the last byte first."""
    return str(ipaddress.IPv4Address(bytes.fromhex(word)[::-1]))


def home(address: Address, known: list[Route]) -> Route | None:
    """The narrowest network of the host that an address stands in."""
    fitting = [one for one in known if one.network.version == address.version and address in one.network]
    return max(fitting, key=lambda one: one.network.prefixlen, default=None)
