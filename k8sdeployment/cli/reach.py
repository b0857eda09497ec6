"""From anywhere into the peer pod: the call goes to the `snopair` there, by way of kubectl and its logins."""

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k8sdeployment.cli.codes import CannotTell
from k8sdeployment.cli.world import ProgramError, World

POD, CONTAINER = "peer-0", "conductor"
# Seconds for kubectl's question whether the pod is there.
PATIENCE = 15.0
NAMESPACE = "aos-sno-pair"
ON_THE_NODE = "crictl exec -it $(crictl ps -q --name conductor) snopair"
_ENDED = "command terminated with exit code"


@dataclass(frozen=True)
class Place:
    """Which cluster is meant, in kubectl's words."""

    kubectl: str = "kubectl"
    kubeconfig: str = ""
    context: str = ""
    namespace: str = NAMESPACE

    @property
    def named(self) -> bool:
        """Whether a cluster was named: then that one is meant, wherever the call is made."""
        return bool(self.kubeconfig or self.context)

    def command(self, *words: str) -> list[str]:
        """A call of kubectl in the pair's namespace."""
        flags = [f"--{name}={value}" for name, value in (
            ("kubeconfig", self.kubeconfig), ("context", self.context), ("namespace", self.namespace)) if value]
        return [*shlex.split(self.kubectl), *flags, *words]


def place(params: Mapping[str, Any]) -> Place:
    """The cluster that the options name."""
    return Place(params["kubectl"], params["kubeconfig"] or "", params["context"] or "", params["namespace"])


def ask(world: World, at: Place, *words: str, seconds: float = PATIENCE) -> str:
    """What kubectl answers; ProgramError otherwise. Bounded by kubectl itself first, whose words say more."""
    return world.run(at.command(*words, f"--request-timeout={max(1, int(seconds) - 2)}s"), seconds, None)


def forward(world: World, at: Place, words: Sequence[str]) -> int:
    """Run `snopair` in the peer pod with these words; its exit code. CannotTell when there is no way to it."""
    try:
        phase = ask(world, at, "get", "pod", POD, "--output=jsonpath={.status.phase}").strip()
    except ProgramError as error:
        raise _no_way(at, words, str(error)) from error
    if phase != "Running":
        raise _no_way(at, words, f"the pod {POD} is {phase or 'in no known phase'}")
    terminal = ["--stdin", "--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    code, said = _relayed(at.command("exec", POD, f"--container={CONTAINER}", *terminal, "--", "snopair", *words))
    if code and not said:
        raise _no_way(at, words, "kubectl exec failed")
    return code


def _relayed(argv: Sequence[str]) -> tuple[int, bool]:
    """The exit code, and whether it is the far program's own rather than kubectl's."""
    own = False
    with subprocess.Popen(list(argv), stderr=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(_ENDED):
                own = True
            else:
                sys.stderr.write(line)
                sys.stderr.flush()
    return process.returncode, own or process.returncode == 0


def _no_way(at: Place, words: Sequence[str], why: str) -> CannotTell:
    return CannotTell(
        f"the peer pod in {at.namespace} cannot be asked ({why}); ask on the node itself: "
        f"{ON_THE_NODE} {shlex.join(words)}".rstrip())
