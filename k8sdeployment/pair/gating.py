"""Adding the gate to a workload's manifest, or mending half of one. Pure: a manifest in, the gated manifest out.

What a whole gate is, `agent.gate` says; what comes out of here is held against it.
"""

import copy
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from k8sdeployment.agent import gate
from k8sdeployment.pair import paths

Manifest = dict[str, Any]
KINDS = ("Deployment", "StatefulSet")
# The first that is free: no other volume's name, and neither another mount of the container nor below one, where the
# runtime might have to make the file in a volume that cannot be written.
_NAMES = ("permit", "aos-permit")
_PLACES = ("/run/permit", "/permit", "/aos-permit", "/aos/permit")


@dataclass(frozen=True)
class Gated:
    """`manifest`: with the gate, or as it was when `refused` says why it cannot have one. `done`: each change."""

    manifest: Manifest
    done: tuple[str, ...] = ()
    refused: str = ""


class _Refused(Exception):
    """Why a manifest cannot be gated, in one sentence."""


def path(namespace: str, kind: str, name: str) -> str:
    """Where the permit of a workload lies."""
    return f"{paths.PERMITS}/permits/{namespace}/{kind.lower()}/{name}"


def add(manifest: Mapping[str, Any], namespace: str = "") -> Gated:
    """The manifest with a whole gate. `namespace`: where it is applied, if the manifest does not say."""
    made = copy.deepcopy(dict(manifest))
    try:
        permit = _permit(made, namespace)
        pod = _pod(made)
        _refuse(pod)
        done = [*_volume(pod, permit, _claims(made)), *_mounts(pod, permit)]
    except _Refused as error:
        return Gated(copy.deepcopy(dict(manifest)), refused=str(error))
    left = gate.faults(pod, permit)
    if left:
        return Gated(copy.deepcopy(dict(manifest)), refused=f"{_who(made)} cannot be gated: {'; '.join(left)}")
    return Gated(made, tuple(done))


def faults(manifest: Mapping[str, Any], namespace: str = "") -> list[str]:
    """What the manifest's gate lacks; [] when it is whole."""
    made = dict(manifest)
    try:
        return gate.faults(_pod(made), _permit(made, namespace))
    except _Refused as error:
        return [str(error)]


def _permit(manifest: Manifest, namespace: str) -> str:
    kind, meta = manifest.get("kind"), manifest.get("metadata") or {}
    if kind not in KINDS:
        raise _Refused(f"kind {kind!r} has no gate: it must be a Deployment or a StatefulSet")
    if not meta.get("name"):
        raise _Refused("metadata.name is missing: the permit's path is made of it")
    return path(meta.get("namespace") or namespace or "default", kind, meta["name"])


def _pod(manifest: Manifest) -> Manifest:
    found = gate.template(manifest)
    if not found.get("containers"):
        raise _Refused(f"{_who(manifest)} has no spec.template.spec.containers")
    return found


def _refuse(pod: Manifest) -> None:
    """What no gate can mend, and nobody but a person may change."""
    if pod.get("terminationGracePeriodSeconds") == 0:
        raise _Refused("terminationGracePeriodSeconds is 0: a deleted pod would vanish from the API while its "
                       "containers run; give them at least 1 second")
    if pod.get("hostUsers") is False:
        raise _Refused("hostUsers is false: a gated pod runs in the user namespace of its host; leave hostUsers out")


def _claims(manifest: Manifest) -> set[str]:
    """Names that a StatefulSet gives to volumes by its claim templates; a volume of such a name is replaced."""
    templates = (manifest.get("spec") or {}).get("volumeClaimTemplates") or ()
    return {str((one.get("metadata") or {}).get("name")) for one in templates}


def _volume(pod: Manifest, permit: str, claims: set[str]) -> Iterator[str]:
    """One volume for the permit, spelled exactly and of type File."""
    volumes = pod["volumes"] = list(pod.get("volumes") or ())
    for volume in volumes:
        where = str((volume.get("hostPath") or {}).get("path") or "")
        if _plain(where) == permit and where != permit:
            volume["hostPath"]["path"] = permit
            yield f"volume {volume['name']}: {where} is spelled {permit}"
        elif _plain(where) != permit and f"{_plain(where)}/".startswith(f"{paths.PERMITS}/permits/"):
            raise _Refused(f"volume {volume.get('name')} leads to {where}, which is not this workload's own permit "
                           f"{permit}: remove it")
    ours = [volume for volume in volumes if (volume.get("hostPath") or {}).get("path") == permit]
    if any(one["name"] in claims for one in ours):
        raise _Refused(f"volume {ours[0]['name']} has the name of a claim template, which takes its place: rename it")
    for more in ours[1:]:
        volumes.remove(more)
        _forget(pod, more["name"])
        yield f"volume {more['name']}: removed, the permit has one already"
    if not ours:
        name = _free({str(volume.get("name")) for volume in volumes} | claims)
        volumes.append({"name": name, "hostPath": {"path": permit, "type": "File"}})
        yield f"volume {name}: added, hostPath {permit} of type File"
    elif ours[0]["hostPath"].get("type") != "File":
        ours[0]["hostPath"]["type"] = "File"
        yield f"volume {ours[0]['name']}: its type is File"


def _mounts(pod: Manifest, permit: str) -> Iterator[str]:
    """The mount in every container, for one that does not mount it is neither held back nor seen."""
    volume = next(one["name"] for one in pod["volumes"] if (one.get("hostPath") or {}).get("path") == permit)
    for container in _containers(pod):
        mounts = container["volumeMounts"] = list(container.get("volumeMounts") or ())
        ours = [mount for mount in mounts if mount.get("name") == volume]
        for mount in ours:
            if mount.get("subPath") or mount.get("subPathExpr") or not mount.get("readOnly"):
                mount["readOnly"] = True
                mount.pop("subPath", None)
                mount.pop("subPathExpr", None)
                yield f"container {container.get('name')}: mounts {volume} readOnly and without subPath"
        if not ours:
            place = _place([str(mount.get("mountPath")) for mount in mounts])
            mounts.append({"name": volume, "mountPath": place, "readOnly": True})
            yield f"container {container.get('name')}: mounts {volume} at {place}"


def _containers(pod: Manifest) -> list[Manifest]:
    return [*(pod.get("initContainers") or ()), *pod["containers"]]


def _forget(pod: Manifest, volume: str) -> None:
    for container in _containers(pod):
        container["volumeMounts"] = [one for one in container.get("volumeMounts") or () if one.get("name") != volume]


def _free(taken: set[str]) -> str:
    candidates = [*_NAMES, *(f"aos-permit-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in candidates if name not in taken)


def _place(taken: list[str]) -> str:
    below = [f"{os.path.normpath(one)}/" for one in taken if os.path.normpath(one) != "/"]
    candidates = [*_PLACES, *(f"/aos-permit-{number}" for number in range(2, len(taken) + 3))]
    return next(one for one in candidates if not any(f"{one}/".startswith(other) or other.startswith(f"{one}/")
                                                     for other in below))


def _plain(where: str) -> str:
    """A path without its other spellings: //, /./, a slash at the end, /var/run (a link to /run)."""
    plain = "/" + os.path.normpath(where).lstrip("/") if where else ""
    return plain[len("/var"):] if plain.startswith("/var/run/") else plain


def _who(manifest: Manifest) -> str:
    return f"{manifest.get('kind')} {(manifest.get('metadata') or {}).get('name')}"
