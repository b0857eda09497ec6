"""What the demo asks the sites themselves, so that it claims nothing it has not looked up."""
from __future__ import annotations

import base64
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from k8sdeployment.pair import status
from lab.errors import LabError
from lab.sites import Lab, Site
from lab.verdict_model import Fact

WORKLOAD = "app"
ETCD_KEY = "/registry/deployments/default/app"
PERMIT = "/run/aos/permits/default/deployment/app"
TIMED_OUT = "2"
VARINT, WIDE, BYTES, NARROW = 0, 1, 2, 5

# Runs inside the site: asks its etcd directly, past any API server, and prints the stored object in base64.
ASK_ETCD = """
import base64, http.client, json, ssl, sys
keys = "/etc/kubernetes/pki/"
trust = ssl.create_default_context(cafile=keys + "ca.crt")
trust.load_cert_chain(keys + "etcd-client.crt", keys + "etcd-client.key")
etcd = http.client.HTTPSConnection("127.0.0.1", 2379, context=trust, timeout=2)
etcd.request("POST", "/v3/kv/range", json.dumps({"key": base64.b64encode(sys.argv[1].encode()).decode()}))
print(json.load(etcd.getresponse())["kvs"][0]["value"])
"""


def replicas_in_etcd(site: Site) -> int | None:
    """``spec.replicas`` of the workload as the site's own etcd stores it; None while etcd does not answer."""
    try:
        stored = site.run(["python3", "-c", ASK_ETCD, ETCD_KEY], timeout=10)
        return stored_replicas(base64.b64decode(stored))
    except (LabError, ValueError):
        return None


def stored_replicas(stored: bytes) -> int:
    """``spec.replicas`` of a Deployment as Kubernetes stores it; ValueError when these bytes are none.

    The storage format is the four bytes ``k8s\\0`` and a protobuf envelope; the object is its field 2, the spec field 2
    of that, the replicas field 1 of that. A field that is zero may be left out.
    """
    if not stored.startswith(b"k8s\0"):
        raise ValueError("not an object as Kubernetes stores it")
    spec = _inner(_inner(stored[4:]))
    value = dict(fields(spec)).get(1, 0)
    if not isinstance(value, int):
        raise ValueError("not a stored Deployment")
    return value


def _inner(message: bytes) -> bytes:
    """Field 2 of a message, which holds another one."""
    found = dict(fields(message)).get(2, b"")
    if not isinstance(found, bytes):
        raise ValueError("not a stored Deployment")
    return found


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of one protobuf message, by number; ValueError when it is cut short."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        size = {WIDE: 8, NARROW: 4}.get(kind)
        if kind == BYTES:
            size, at = _varint(message, at)
        if size is None or at + size > len(message):
            raise ValueError("a protobuf message cut short")
        yield key >> 3, message[at:at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("a protobuf message cut short")


def permit_there(site: Site) -> bool:
    """Whether a permit (a regular file) stands on the site."""
    return site.run(["stat", "-c", "%F", PERMIT], check=False).strip().startswith("regular")


def fence_device(site: Site, target: str) -> str:
    """The device with which Pacemaker on ``site`` fences ``target``."""
    found = site.peer(["stonith_admin", "--list", target]).split()
    return next((name for name in found if name.startswith("fence-")), "an unknown device")


def fence_succeeded(site: Site, target: str) -> bool:
    """Whether Pacemaker's own history has a successful fence of ``target`` as its latest."""
    fences = [fence for fence in status.parse(site.peer([*status.CRM_MON])).fences if fence.target == target]
    return bool(fences) and fences[0].status == "success"


def healed(lab: Lab) -> Fact:
    """I5: both sites online in each other's eyes, nothing failed left, one configuration on both."""
    views = [status.parse(site.peer([*status.CRM_MON])) for site in lab.sites.values()]
    failures = [line for view in views for line in view.failures]
    query = ["cibadmin", "--query", "--local", "--scope=configuration"]
    alike = len({site.peer(query) for site in lab.sites.values()}) == 1
    online = all(view.all_online() for view in views)
    words = (
        "both sites online in each other's eyes" if online else "not both sites are online in each other's eyes",
        f"failures left: {'; '.join(failures)}" if failures else "nothing failed left",
        "one configuration on both" if alike else "the configurations differ",
    )
    return Fact(online and alike and not failures, ", ".join(words))


def says_why(site: Site) -> Fact:
    """I6: no action of the agent was ended by Pacemaker's timeout, and each that failed left a reason."""
    cib = ET.fromstring(site.peer(["cibadmin", "--query", "--scope=status"]))
    actions = list(cib.iterfind(f".//lrm_resource[@id='{WORKLOAD}']/lrm_rsc_op"))
    overdue = [op for op in actions if op.get("op-status") == TIMED_OUT]
    mute = [op for op in actions if op.get("op-status") not in ("0", None) and not op.get("exit-reason")]
    if overdue or mute:
        bad = ", ".join(sorted({op.get("operation_key", "") for op in overdue + mute}))
        return Fact(False, f"ended by their timeout or without a reason: {bad}")
    return Fact(bool(actions), f"{len(actions)} actions of the agent in Pacemaker's history, none ended by its timeout")
