"""Brings a SNOPair to its site: everything is applied anew at each look, and what is missing is told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from k8sdeployment.agent import pods
from k8sdeployment.operator.api import Api, ApiError, NotFound, Object, Unreachable
from k8sdeployment.operator.images import Images
from k8sdeployment.operator.rights import Rights
from k8sdeployment.operator.waits import disk, peer, secrets
from k8sdeployment.operator.workloads import Workloads
from k8sdeployment.pair import installation, peerpod
from k8sdeployment.pair.model import Site, SNOPair
from k8sdeployment.pair.report import LocalWorkload


@dataclass
class Brought:
    """What is waited for, and how the workloads are."""

    waits: list[str] = field(default_factory=list)
    local: list[LocalWorkload] = field(default_factory=list)


@dataclass
class Bringing:
    """One look's work. `document`: the SNOPair as it was read; Unreachable ends it at any point."""

    api: Api
    rights: Rights
    document: Object
    pair: SNOPair
    site: Site

    def bring(self) -> Brought:
        """Peer and rights first, for what follows needs them."""
        node = self.api.get("Node", "", self.site.node_name) or {}
        manifests = [*peerpod.manifests(self.pair, self.site), *installation.looking(self.pair)]
        settled = self.rights.settled(self.document)
        waits = [why for one in manifests if one["kind"] == "StatefulSet"
                 for why in self._tried(one, partial(self._lacking, one, node))]
        held = bool(waits)
        waits += [why for one in manifests for why in self._tried(one, partial(self._apply, one, settled, held))]
        if settled:
            self.rights.tidy(self.pair.metadata.namespace, manifests)
        everything = self.api.list("Pod", "")
        looked = Workloads(self.api, node, everything).look(self.pair)
        home = [pod for pod in everything if pods.meta(pod).get("namespace") == self.pair.metadata.namespace]
        waits += [*self._missing(node), *peer(home), *looked.waits]
        return Brought(list(dict.fromkeys(waits)), looked.local)

    @staticmethod
    def _tried(manifest: Object, step: Callable[[], list[str]]) -> list[str]:
        """What a step waits for. What the API has against one object keeps it from no other."""
        meta = manifest["metadata"]
        try:
            return step()
        except Unreachable:
            raise
        except NotFound:  # what is applied is made, unless there is no place for it
            return [f"namespace {meta.get('namespace')} does not exist on this site: make it"]
        except ApiError as error:
            where = f" in namespace {meta['namespace']}" if "namespace" in meta else ""
            return [f"{manifest['kind']} {meta['name']}{where} cannot be applied: {error}"]

    def _apply(self, manifest: Object, settled: bool, held: bool) -> list[str]:
        """`held`: the peer that runs is not renewed yet."""
        if manifest["kind"] == "StatefulSet":
            self._peer(manifest, held)
        elif manifest["kind"] == "ConfigMap" and held:
            self.api.apply(self._with_old_corosync(manifest))
        elif manifest["kind"] == "Role":
            self.api.apply(self.rights.role(manifest, settled))
        else:
            self.api.apply(manifest)
        return []

    def _lacking(self, manifest: Object, node: Object) -> list[str]:
        """What a peer that runs has to wait for before it is renewed: its next image, Secrets and disk."""
        meta = manifest["metadata"]
        there = self.api.get("StatefulSet", meta["namespace"], meta["name"])
        why = Images(self.api, meta["namespace"], self.site.node_name).waits(manifest, there, node)
        return [why] if why else self._missing(node) if there is not None else []

    def _missing(self, node: Object) -> list[str]:
        return [*secrets(self.api, self.pair, self.site), *disk(self.api, self.pair, node)]

    def _peer(self, manifest: Object, held: bool) -> None:
        meta = manifest["metadata"]
        there = self.api.get("StatefulSet", meta["namespace"], meta["name"])
        if not held and (there is not None or not self._deleted()):
            self.api.apply(manifest)
            Images(self.api, meta["namespace"], self.site.node_name).tidy()

    def _with_old_corosync(self, manifest: Object) -> Object:
        """A Corosync that starts anew in the old pod must not find what that pod is not made for: the votes of an
        arbitrator that it cannot ask, say."""
        meta = manifest["metadata"]
        there = self.api.get("ConfigMap", meta["namespace"], meta["name"]) or manifest
        return {**manifest, "data": {**manifest["data"], peerpod.COROSYNC_CONF: there["data"][peerpod.COROSYNC_CONF]}}

    def _deleted(self) -> bool:
        """Asked again right before a peer is made, so that a second operator makes none after the first removed it."""
        meta = self.document["metadata"]
        found = self.api.get("SNOPair", meta["namespace"], meta["name"])
        return found is None or pods.leaving(found)
