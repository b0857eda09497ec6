"""The bundle that pairs two clusters: for each site one directory for `kubectl apply -k`, with all that it needs.

A site's directory stands for itself, so that it alone can be carried there: what is installed, the CR, and the
Secrets of that site. Both hold the pair's keys and the same CR; the password of a BMC goes to the *other* site only.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k8sdeployment.pair import peerpod
from k8sdeployment.pair.model import SecretRef, Site, SNOPair
from k8sdeployment.pair.rbac import Manifest

# Bytes of Corosync's authkey: corosync-keygen makes as many.
KEY_BYTES = 256
INSTALL, PAIR, SECRETS, KUSTOMIZATION = "install.yaml", "pair.yaml", "secrets.yaml", "kustomization.yaml"
# A Secret's name and the key in it.
Place = tuple[str, str]


@dataclass(frozen=True, repr=False)
class Keys:
    """The pair's own keys: Corosync's, and the password of pcsd's user."""

    authkey: bytes
    hacluster: bytes


def fence_secrets(site: Site) -> list[Place]:
    """Where the passwords of a site's own devices stand, in the order of the devices; each place once."""
    refs = [device.secret_ref for device in site.fencing.devices if device.secret_ref is not None]
    return list(dict.fromkeys(map(_place, refs)))


def _place(ref: SecretRef) -> Place:
    return ref.name, ref.key


def bundle(pair: SNOPair, document: Mapping[str, Any], install: Sequence[Manifest], keys: Keys,
           passwords: Mapping[Place, bytes]) -> dict[str, list[Manifest]]:
    """The documents of each file, by its path in the bundle.

    `document` is the CR as its author wrote it, `install` what both sites install first. KeyError when `passwords`
    lacks one that `fence_secrets` names.
    """
    return {f"{site.name}/{name}": documents for site in pair.spec.sites
            for name, documents in _site(pair, site, document, install, keys, passwords).items()}


def _site(pair: SNOPair, site: Site, document: Mapping[str, Any], install: Sequence[Manifest], keys: Keys,
          passwords: Mapping[Place, bytes]) -> dict[str, list[Manifest]]:
    namespace = peerpod.manifests(pair, site)[0]
    others = [namespace, *(one for one in install if not _same(one, namespace))]
    return {
        KUSTOMIZATION: [{"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
                         "resources": [INSTALL, SECRETS, PAIR]}],
        INSTALL: others,
        SECRETS: secrets_of(pair, site, keys, passwords),
        PAIR: [dict(document)],
    }


def _same(one: Manifest, other: Manifest) -> bool:
    return (one["kind"], one["metadata"]["name"]) == (other["kind"], other["metadata"]["name"])


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
