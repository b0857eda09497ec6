"""A gated manifest as a patch that kustomize merges into the one that a person keeps."""

from typing import Any

from k8sdeployment.agent import gate
from k8sdeployment.pair import gating

Object = dict[str, Any]


def patch(manifest: Object, namespace: str = "") -> Object:
    """The gate alone: the volume, and its mount in every container, found by their names when it is merged.

    `namespace`: as `gating.add` was told it.
    """
    pod = gate.template(manifest)
    meta = manifest["metadata"]
    permit = gating.path(meta.get("namespace") or namespace or "default", manifest["kind"], meta["name"])
    (volume,) = (one for one in pod["volumes"] if (one.get("hostPath") or {}).get("path") == permit)
    merged: Object = {"volumes": [volume], "containers": _mounts(pod["containers"], volume["name"])}
    if pod.get("initContainers"):
        merged["initContainers"] = _mounts(pod["initContainers"], volume["name"])
    names = {key: meta[key] for key in ("name", "namespace") if key in meta}
    return {"apiVersion": manifest.get("apiVersion", "apps/v1"), "kind": manifest["kind"], "metadata": names,
            "spec": {"template": {"spec": merged}}}


def _mounts(containers: list[Object], volume: str) -> list[Object]:
    return [{"name": one["name"], "volumeMounts": [mount for mount in one["volumeMounts"] if mount["name"] == volume]}
            for one in containers]
