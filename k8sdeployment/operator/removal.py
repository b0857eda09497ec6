"""Taking the peer away when the SNOPair is deleted. Nothing that runs is stopped by it.

The peer's conductor first puts the cluster into maintenance mode and says so (status.released). A peer that never ran
has nothing to let go of. Workloads, their gates and permits, and the Secrets stay as they are.
"""

from typing import Optional

from k8sdeployment.agent import pods
from k8sdeployment.operator.api import Api, Object
from k8sdeployment.operator.images import POD as IMAGE_POD
from k8sdeployment.operator.rights import KINDS, Rights
from k8sdeployment.pair import peerpod
from k8sdeployment.pair.rbac import ACCOUNT, POD, SET

FORCE = "snopair.dev/force-removal"
RELEASING = ("being deleted: waiting until the peer has put the cluster into maintenance mode, so that no workload "
             f"stops with it; if it never will, `kubectl annotate snopair {{name}} -n {{home}} {FORCE}=true`")
ENDING = "being deleted: waiting until the peer's pod has ended"
REMOVED = ("The peer was removed. Workloads were left as they are, and what runs goes on. Permits stay until the next "
           "boot; after it a gated workload cannot start until there is a pair again or its gate is taken out of its "
           "pod template. Secrets and the host's /var/lib/aos were left, too.")


def remove(api: Api, rights: Rights, document: Object) -> str:
    """The next step of it; "" when all is done, else what is waited for."""
    meta = document["metadata"]
    home = meta["namespace"]
    forced = (meta.get("annotations") or {}).get(FORCE) == "true"
    pod = api.get("Pod", home, POD)
    if not (forced or (document.get("status") or {}).get("released") or not ran(pod)):
        return RELEASING.format(name=meta["name"], home=home)
    if api.get("StatefulSet", home, SET) is not None:
        # Before the deletion: told twice is better than never, when the operator is killed in between.
        api.event(document, False, "PeerRemoved", REMOVED)
        api.delete("StatefulSet", home, SET)
        return ENDING
    if pod is not None and not forced:
        return ENDING
    _rest(api, rights, home)
    return ""


def ran(pod: Optional[Object]) -> bool:
    """Whether a daemon of the peer ever began. Its settling alone changes nothing in the cluster."""
    status = pods.status(pod or {})
    daemons = [*(one for one in status.get("initContainerStatuses") or () if one.get("name") != "settle"),
               *(status.get("containerStatuses") or ())]
    return any("running" in (one.get(state) or {}) or "terminated" in (one.get(state) or {})
               for one in daemons for state in ("state", "lastState"))


def _rest(api: Api, rights: Rights, home: str) -> None:
    api.delete("ConfigMap", home, peerpod.CONFIGURATION)
    api.delete("Pod", home, IMAGE_POD)
    for kind in KINDS[::-1]:
        for found in rights.all_of(kind, home):
            api.delete(kind, found["metadata"]["namespace"], found["metadata"]["name"], found["metadata"]["uid"])
    api.delete("ServiceAccount", home, ACCOUNT)
