"""Which IPv4 networks the host already knows, so that a lab never takes one in use."""

import socket
import struct
from pathlib import Path


def subnets() -> set[str]:
    """The host's routes as texts like 10.91.1.0/24."""
    return parse(Path("/proc/net/route").read_text())


def parse(table: str) -> set[str]:
    """The destinations of a /proc/net/route table, the default route left out."""
    rows = [line.split() for line in table.splitlines()[1:]]
    pairs = [(int(row[1], 16), int(row[7], 16)) for row in rows if len(row) > 7]
    return {f"{socket.inet_ntoa(struct.pack('<I', address))}/{mask.bit_count()}" for address, mask in pairs if mask}
