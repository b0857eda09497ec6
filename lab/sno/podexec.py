"""Run a program in a container of the peer pod through the container runtime alone: `podexec CONTAINER ARGV…`.

No Kubernetes API takes part, so it works while the API server or kubelet is down.
"""

import os
import subprocess
import sys

CTR = ("ctr", "--namespace", "k8s.io")


def running(container: str, pod_prefix: str) -> list[str]:
    """The ids of the running containers of that name in pods whose name begins with the prefix."""
    wanted = f'labels."io.kubernetes.container.name"=={container},labels."io.kubernetes.pod.name"~="^{pod_prefix}"'
    known = _lines("containers", "list", "--quiet", wanted)
    alive = {line.split()[0] for line in _lines("tasks", "list")[1:] if line.endswith("RUNNING")}
    return [name for name in known if name in alive]


def _lines(*arguments: str) -> list[str]:
    done = subprocess.run([*CTR, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def main(arguments: list[str]) -> None:
    """Replaces itself by the program's exec; exit 125 when there is no such container."""
    container, argv = arguments[0], arguments[1:]
    found = running(container, "peer")
    if not found:
        print(f"no container {container!r} of a peer pod runs here", file=sys.stderr)
        sys.exit(125)
    terminal = ["--tty"] if sys.stdin.isatty() else []
    os.execvp(CTR[0], [*CTR, "tasks", "exec", *terminal, "--exec-id", f"lab-{os.getpid()}-{os.urandom(4).hex()}",
                       found[0], *argv])


if __name__ == "__main__":
    main(sys.argv[1:])
