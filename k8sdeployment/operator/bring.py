"""Brings a SNOPair to its site: everything is applied anew at each look, and what is missing is told."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from k8sdeployment.agent import pods
from k8sdeployment.operator.api import Api, ApiError, NotFound, Object, Unreachable
from k8sdeployment.operator.images import Images
from k8sdeployment.operator.rights import Rights
from k8sdeployment.operator.waits import peer, secrets
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
        waits = [why for one in manifests for why in self._apply(one, node, settled)]
        if settled:
            self.rights.tidy(self.pair.metadata.namespace, manifests)
        everything = self.api.list("Pod", "")
        looked = Workloads(self.api, node, everything).look(self.pair)
        home = [pod for pod in everything if pods.meta(pod).get("namespace") == self.pair.metadata.namespace]
        waits += [*secrets(self.api, self.pair, self.site), *peer(home), *looked.waits]
        return Brought(list(dict.fromkeys(waits)), looked.local)

    def _apply(self, manifest: Object, node: Object, settled: bool) -> Iterator[str]:
        """What the API has against one object keeps it from no other."""
        try:
            if manifest["kind"] == "StatefulSet":
                yield from self._peer(manifest, node)
            elif manifest["kind"] == "Role":
                self.api.apply(self.rights.role(manifest, settled))
            else:
                self.api.apply(manifest)
        except Unreachable:
            raise
        except NotFound:  # what is applied is made, unless there is no place for it
            yield f"namespace {manifest['metadata'].get('namespace')} does not exist on this site: make it"
        except ApiError as error:
            meta = manifest["metadata"]
            where = f" in namespace {meta['namespace']}" if "namespace" in meta else ""
            yield f"{manifest['kind']} {meta['name']}{where} cannot be applied: {error}"

    def _peer(self, manifest: Object, node: Object) -> Iterator[str]:
        """The peer, once its image and its Secrets are there if it is to be renewed: the pod that runs has them."""
        meta = manifest["metadata"]
        images = Images(self.api, meta["namespace"], self.site.node_name)
        there = self.api.get("StatefulSet", meta["namespace"], meta["name"])
        why = images.waits(manifest, there, node)
        lacking = [why] if why else list(secrets(self.api, self.pair, self.site)) if there is not None else []
        if lacking:
            yield from lacking
        elif there is not None or not self._deleted():
            self.api.apply(manifest)
            images.tidy()

    def _deleted(self) -> bool:
        """Asked again right before a peer is made, so that a second operator makes none after the first removed it."""
        meta = self.document["metadata"]
        found = self.api.get("SNOPair", meta["namespace"], meta["name"])
        return found is None or pods.leaving(found)
