"""The peer's next image is brought to the node before the peer may need it.

The conductor renews the peer under maintenance mode and within minutes, else the other site gives this one up and
fences it. A slow pull must not fall into that time. So the StatefulSet stays as it is until the image is there: the
node tells so, or a pod that uses it for a moment has started.
"""

from dataclasses import dataclass
from typing import Any, Optional

from k8sdeployment.agent import pods
from k8sdeployment.operator.api import Api, Object
from k8sdeployment.pair import installation, readiness

POD = "peer-image"


@dataclass
class Images:
    """`home`: the pair's namespace."""

    api: Api
    home: str
    node: str

    def waits(self, wanted: Object, there: Optional[Object], node: Object) -> str:
        """Why the StatefulSet must not get its new image yet; "" when it may. A peer that is not there needs none."""
        image = _image(wanted)
        if there is None or _image(there) == image or readiness.present(node, image):
            return ""
        pod = self.api.get("Pod", self.home, POD)
        if pod is None:
            self.api.apply(puller(self.home, self.node, image))
        elif _image_of(pods.spec(pod)) != image:  # of an earlier wish: the next look finds it gone
            self.api.delete("Pod", self.home, POD, pods.uid(pod))
        elif pulled(pod):
            return ""
        why = pods.trouble([pod] if pod else []) or "it is being brought there"
        return f"image {image} is not on node {self.node} yet, and the peer stays as it is until then: {why}"

    def tidy(self) -> None:
        """Remove the pod that brought an image."""
        pod = self.api.get("Pod", self.home, POD)
        if pod is not None and not pods.leaving(pod):
            self.api.delete("Pod", self.home, POD, pods.uid(pod))


def pulled(pod: Object) -> bool:
    """Whether a container of the pod has begun: then its image is there."""
    states = [one.get("state") or {} for one in pods.status(pod).get("containerStatuses") or ()]
    return any("running" in state or "terminated" in state for state in states)


def puller(home: str, node: str, image: str) -> Object:
    """A pod that has the node pull the image and ends. On the host's network, for it wants none of the pods'."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD, "namespace": home, "labels": {"app.kubernetes.io/name": "aos-sno-pair"}},
        "spec": {
            "nodeName": node,
            "hostNetwork": True,
            "restartPolicy": "Never",
            # The operator's own: on OpenShift that may use the host's network.
            "serviceAccountName": installation.ACCOUNT,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "image",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["true"],
                "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                    "capabilities": {"drop": ["ALL"]}},
            }],
        },
    }


def _image(stateful_set: Object) -> str:
    template: dict[str, Any] = pods.spec(stateful_set).get("template") or {}
    return _image_of(pods.spec(template))


def _image_of(pod_spec: Object) -> str:
    return str(next((one.get("image") for one in pod_spec.get("containers") or ()), ""))
