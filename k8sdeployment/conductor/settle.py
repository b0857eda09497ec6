"""settle: the peer pod's init container. Puts the site in order before it joins the cluster.

A probe on a joining node holds back recovery on the other, so waiting is done here: until the local API answers. Then
every gated workload that was not granted since this boot is scaled to zero, its leftover pods are deleted and its path
is marked as stopped, so that the first probe is answered at once and without the API. A workload with a permit is
running under the cluster's word (only the peer pod was restarted) and is not touched.

Usage: python3 -m k8sdeployment.conductor.settle NAMESPACE/KIND/NAME ... | @FILE (one a line)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

from k8sdeployment.agent import gate, pods
from k8sdeployment.agent.api import insist
from k8sdeployment.agent.codes import AgentError, Conflict, Unreachable
from k8sdeployment.agent.deadline import Deadline
from k8sdeployment.agent.parameters import load
from k8sdeployment.agent.permit import ABSENT, word
from k8sdeployment.agent.scene import Scene, scenes
from k8sdeployment.agent.survey import Survey

# Seconds for all workloads together. A site without its API joins all the same: permits answer its probes.
PATIENCE = 120.0
PERMIT_DIR = "/run/aos"


def main(arguments: list[str], env: Mapping[str, str], permit_dir: str = PERMIT_DIR) -> int:
    """0 when the site may join; 1 when nothing can be proven on this host (the pod is retried by kubelet)."""
    try:
        os.makedirs(permit_dir + "/permits", mode=0o755, exist_ok=True)
    except OSError as error:
        print(f"settle: {permit_dir}/permits cannot be made: {error.strerror}", file=sys.stderr)
        return 1
    deadline = Deadline(PATIENCE)
    try:
        named = list(_named(arguments))
    except OSError as error:
        print(f"settle: the list of workloads {error.filename} cannot be read: {error.strerror}", file=sys.stderr)
        return 1
    for argument in named:
        try:
            scene = _scene(argument, env, permit_dir, deadline)
        except AgentError as error:
            print(f"settle: {argument!r}: {error}", file=sys.stderr)
            return 1
        if scene.ground is None:
            print(f"settle: nothing can be proven on this host: {scene.unproven}", file=sys.stderr)
            return 1
        print(f"settle: {argument}: {settle(scene)}", flush=True)
    return 0


def _named(arguments: list[str]) -> Iterator[str]:
    """The workloads that the arguments name, by themselves or through a file."""
    for argument in arguments:
        if argument.startswith("@"):
            with open(argument[1:], encoding="utf-8") as file:
                yield from file.read().split()
        else:
            yield argument


def _scene(argument: str, env: Mapping[str, str], permit_dir: str, deadline: Deadline) -> Scene:
    namespace, kind, name = (argument.split("/") + ["", ""])[:3]
    kinds = {"deployment": "Deployment", "statefulset": "StatefulSet"}
    settings = load({"OCF_RESKEY_deployment": name, "OCF_RESKEY_namespace": namespace,
                     "OCF_RESKEY_kind": kinds.get(kind.lower(), kind), "OCF_RESKEY_permit_dir": permit_dir})
    return scenes(settings, env, deadline)[0]


def settle(scene: Scene) -> str:
    """Puts one workload in order; returns what was found and done."""
    if scene.permit.state() != ABSENT:
        return f"left alone, its permit is {word(scene.permit.state())}"
    try:
        return _tidy(scene, insist(lambda: Survey(scene, scene.deadline), scene.deadline))
    except (Unreachable, Conflict) as error:
        return f"joins without the API: {error}"
    except AgentError as error:
        return f"not settled: {error}"


def _tidy(scene: Scene, survey: Survey) -> str:
    if survey.gate != gate.WHOLE:
        return "left alone, it is not well gated: " + "; ".join(survey.gate_faults[:3])
    if scene.held():
        return "left alone, processes run without a permit: a stop will end them"
    requested = survey.spec
    if requested > 0:
        insist(lambda: scene.api.scale(0, scene.deadline), scene.deadline)
        survey = insist(lambda: Survey(scene, scene.deadline), scene.deadline)
    for pod in survey.members:
        scene.api.delete_pod(pods.name(pod), pods.uid(pod), scene.deadline)
    scene.permit.settle()
    return f"stopped (replicas were {requested}, {len(survey.members)} leftover pods deleted)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
