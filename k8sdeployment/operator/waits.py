"""What is not there although the peer or a workload needs it, as sentences for the status."""

from collections.abc import Iterator

from k8sdeployment.agent import pods
from k8sdeployment.operator.api import Api, Object
from k8sdeployment.pair import fencing, peerpod
from k8sdeployment.pair.model import Site, SNOPair
from k8sdeployment.pair.rbac import POD


def secrets(api: Api, pair: SNOPair, site: Site) -> Iterator[str]:
    """Secrets and keys that the peer of `site` mounts. Their values are not looked at."""
    home, arbitrator = pair.metadata.namespace, pair.spec.quorum.arbitrator
    for name, keys in sorted(_needed(pair, site).items()):
        voting = arbitrator is not None and name == arbitrator.secret_ref.name
        maker = "`arbitrator-secret` on the arbitrator makes it" if voting else "`snopair init` makes it"
        found = api.get("Secret", home, name)
        if found is None:
            yield f"Secret {name} is missing in namespace {home} (key {' and '.join(keys)}): {maker}"
            continue
        lacking = [key for key in keys if key not in (found.get("data") or {})]
        if lacking:
            yield f"Secret {name} in namespace {home} has no key {' and '.join(lacking)}: {maker}"


def disk(api: Api, pair: SNOPair, node: Object) -> Iterator[str]:
    """The claim of the disk that both sites share, and the watchdog that a device plugin hands over."""
    home, pill = pair.metadata.namespace, pair.spec.fencing.poison_pill
    if pill is None:
        return
    found = None if pill.claim is None else api.get("PersistentVolumeClaim", home, pill.claim)
    if pill.claim is not None and found is None:
        yield (f"PersistentVolumeClaim {pill.claim} is missing in namespace {home}: make it, of volumeMode Block, for "
               "the disk that both sites share")
    elif found is not None and found["spec"].get("volumeMode") != "Block":
        yield (f"PersistentVolumeClaim {pill.claim} in namespace {home} has volumeMode "
               f"{found['spec'].get('volumeMode')}, not Block: make it anew")
    offered = pods.status(node).get("allocatable") or {}
    if pill.watchdog_resource is not None and offered.get(pill.watchdog_resource, "0") == "0":
        yield (f"the node offers no {pill.watchdog_resource}, by which the watchdog is to be handed over: install the "
               "device plugin that does")


def _needed(pair: SNOPair, site: Site) -> dict[str, list[str]]:
    own = pair.spec.secret_ref
    needed = {own.name: [own.key, peerpod.PCSD_SECRET_KEY]}
    for ref in fencing.references(pair.spec.other(site.name)):
        keys = needed.setdefault(ref.name, [])
        keys += [ref.key] if ref.key not in keys else []
    if pair.spec.quorum.arbitrator is not None:
        needed[pair.spec.quorum.arbitrator.secret_ref.name] = list(peerpod.NSS_DATABASE)
    return needed


def peer(there: list[Object]) -> Iterator[str]:
    """Why the peer's pod, one of the pods that are there, is not ready."""
    own = [pod for pod in there if pods.name(pod) == POD]
    if not own:
        yield f"the peer's pod {POD} does not exist yet"
    elif pods.leaving(own[0]):
        yield f"the peer's pod {POD} is ending"
    elif not pods.ready(own[0]):
        late = _late(own[0])
        generic = f"pod {POD} is not ready"
        why = pods.trouble(own)
        yield f"the peer is not ready: {f'waiting for {late}' if why == generic and late else why}"


def _late(pod: Object) -> str:
    """The containers that are not ready; of the init containers the first, for they come one after the other."""
    status = pods.status(pod)
    first = [str(one.get("name")) for one in status.get("initContainerStatuses") or () if not one.get("ready")]
    rest = [str(one.get("name")) for one in status.get("containerStatuses") or () if not one.get("ready")]
    return first[0] if first else ", ".join(rest)
