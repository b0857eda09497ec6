"""The bundle that pairs two clusters: for each site one directory for `kubectl apply -k`, with all that it needs.

A site's directory stands for itself, so that it alone can be carried there: what is installed, the CR, and the
Secrets of that site. Both hold the pair's keys and the same CR; the password of a BMC goes to the *other* site only.
"""

import base64
import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k8sdeployment.pair import fencing, peerpod
from k8sdeployment.pair.crd import GROUP, PLURAL
from k8sdeployment.pair.model import Metadata, Site, SNOPair
from k8sdeployment.pair.references import SecretRef
from k8sdeployment.pair.rbac import Manifest

# Bytes of Corosync's authkey: corosync-keygen makes as many.
KEY_BYTES = 256
INSTALL, PAIR, SECRETS, KUSTOMIZATION = "install.yaml", "pair.yaml", "secrets.yaml", "kustomization.yaml"
SEED, RBAC = "snopair-seed", "rbac.authorization.k8s.io"
HOME = Metadata().namespace
_SEED_PATH, _SEED_FILE = "/etc/snopair", "pair.json"
# A Secret's name and the key in it.
Place = tuple[str, str]


@dataclass(frozen=True, repr=False)
class Keys:
    """The pair's own keys: Corosync's, and the password of pcsd's user."""

    authkey: bytes
    hacluster: bytes


def fence_secrets(site: Site) -> list[Place]:
    """Where stands what whoever fences the site needs: passwords, keys, what to believe; each place once."""
    return list(dict.fromkeys(map(_place, fencing.references(site))))


def _place(ref: SecretRef) -> Place:
    return ref.name, ref.key


def bundle(pair: SNOPair, document: Mapping[str, Any], install: Sequence[Manifest], keys: Keys,
           passwords: Mapping[Place, bytes]) -> dict[str, list[Manifest]]:
    """The documents of each file, by its path in the bundle.

    `document` is the CR as its author wrote it, `install` what both sites install first, the operator among it.
    KeyError when `passwords` lacks one that `fence_secrets` names.
    """
    common = [*(fitted(one, pair) for one in install), *seed(pair, document, install)]
    return {f"{site.name}/{name}": documents for site in pair.spec.sites for name, documents in (
        (KUSTOMIZATION, [_kustomization()]), (INSTALL, common), (SECRETS, secrets_of(pair, site, keys, passwords)),
        (PAIR, [dict(document)]))}


def _kustomization() -> Manifest:
    """Without the CR itself: kubectl refuses a kind that it does not know yet. The seed makes it."""
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [INSTALL, SECRETS]}


def fitted(manifest: Manifest, pair: SNOPair) -> Manifest:
    """What is installed, in the pair's own namespace, with the pair's image, asking the API where the pair does."""
    moved: Manifest = _moved(copy.deepcopy(manifest), pair.metadata.namespace)
    if moved["kind"] == "Deployment":
        api = {"KUBERNETES_SERVICE_HOST": pair.spec.peer.api.host,
               "KUBERNETES_SERVICE_PORT": str(pair.spec.peer.api.port)}
        for container in moved["spec"]["template"]["spec"]["containers"]:
            container["image"] = pair.spec.peer.image
            for one in container.get("env", ()):
                one |= {"value": api[one["name"]]} if one["name"] in api else {}
    return moved


def _moved(value: Any, namespace: str) -> Any:
    """Every mention of the usual namespace as one; it is part of the product's labels, too, which stay."""
    if isinstance(value, list):
        return [_moved(one, namespace) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: _moved(one, namespace) for key, one in value.items()}
    if found.get("kind") == "Namespace":
        found["metadata"]["name"] = namespace
    if found.get("namespace") == HOME:
        found["namespace"] = namespace
    if HOME in found.get("resourceNames", ()):
        found["resourceNames"] = [namespace if one == HOME else one for one in found["resourceNames"]]
    return found


def seed(pair: SNOPair, document: Mapping[str, Any], install: Sequence[Manifest]) -> list[Manifest]:
    """A Job that makes the CR once its kind is known, as the operator, which it therefore needs in `install`."""
    operator = next((one for one in install if one["kind"] == "Deployment"), None)
    if operator is None:
        return []
    text = json.dumps(document, sort_keys=True)
    pod = copy.deepcopy(fitted(operator, pair)["spec"]["template"]["spec"])
    (container,) = pod["containers"]
    container |= {"name": SEED, "command": ["snopair", "seed", f"{_SEED_PATH}/{_SEED_FILE}"],
                  "volumeMounts": [{"name": SEED, "mountPath": _SEED_PATH, "readOnly": True}]}
    pod |= {"restartPolicy": "OnFailure", "volumes": [{"name": SEED, "configMap": {"name": SEED}}]}
    # A Job cannot be changed, so another CR, or another version's pod, is another Job.
    name = f"{SEED}-{hashlib.sha256((text + json.dumps(pod, sort_keys=True)).encode()).hexdigest()[:8]}"
    meta = {"name": SEED, "namespace": pair.metadata.namespace}
    rights = {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["get", "create", "patch"]}
    ref = {"apiGroup": RBAC, "kind": "Role", "name": SEED}
    subject = {"kind": "ServiceAccount", "name": pod["serviceAccountName"], "namespace": pair.metadata.namespace}
    return [
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": [rights]},
        {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": meta, "roleRef": ref, "subjects": [subject]},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {_SEED_FILE: text}},
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {**meta, "name": name},
         "spec": {"backoffLimit": 20, "ttlSecondsAfterFinished": 3600, "template": {"spec": pod}}},
    ]


def secrets_of(pair: SNOPair, site: Site, keys: Keys, passwords: Mapping[Place, bytes]) -> list[Manifest]:
    """The Secrets that a site needs: the pair's keys, and the passwords of the other site's devices."""
    ref = pair.spec.secret_ref
    data: dict[str, dict[str, bytes]] = {
        ref.name: {ref.key: keys.authkey, peerpod.PCSD_SECRET_KEY: keys.hacluster}}
    for name, key in fence_secrets(pair.spec.other(site.name)):
        data.setdefault(name, {})[key] = passwords[name, key]
    return [_secret(pair, name, values) for name, values in data.items()]


def _secret(pair: SNOPair, name: str, data: Mapping[str, bytes]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": pair.metadata.namespace},
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }
