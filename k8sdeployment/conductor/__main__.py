"""The conductor's process: `python -m k8sdeployment.conductor`, with no arguments.

Environment: NODE_NAME and POD_UID of the peer's pod, PAIR as NAMESPACE/NAME, KUBERNETES_SERVICE_HOST and _PORT.
"""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Optional

from k8sdeployment.conductor import metrics
from k8sdeployment.conductor.alerts import Alerts
from k8sdeployment.conductor.api import SiteApi
from k8sdeployment.conductor.cluster import Cluster
from k8sdeployment.conductor.lies import Lies
from k8sdeployment.conductor.loop import Conductor, Parts
from k8sdeployment.conductor.proof import Prover
from k8sdeployment.conductor.renew import Renewal
from k8sdeployment.conductor.store import Store
from k8sdeployment.pair import paths


def say(words: str) -> None:
    """One line of the log."""
    print(f"conductor: {' '.join(words.split())}", flush=True)


def assemble(env: Mapping[str, str], directory: Path) -> Parts:
    """The parts of a real site. KeyError with the name of a variable that is missing."""
    namespace, _, name = env["PAIR"].partition("/")
    cluster, api = Cluster(directory), SiteApi(env, namespace, name)
    return Parts(
        node=env["NODE_NAME"], cluster=cluster, api=api, store=Store(Path(paths.CONDUCTOR), Path(paths.STATUS)),
        alerts=Alerts(Path(paths.ALERTS), Path(paths.LOG)),
        prover=Prover(lies=Lies(Path(paths.LOG), Path(paths.CONDUCTOR, paths.LIES_FILE), Path(paths.LIARS))),
        renewal=lambda site: Renewal(cluster, api, site, env["POD_UID"], say), say=say)


def main(env: Mapping[str, str]) -> int:
    """0 when it was told to end, 2 when it cannot begin."""
    over = threading.Event()

    def end(_signal: int, _frame: Optional[FrameType]) -> None:
        over.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with tempfile.TemporaryDirectory(prefix="conductor-") as directory:
        try:
            conductor = Conductor(assemble(env, Path(directory)))
        except KeyError as error:
            say(f"the variable {error.args[0]} is not set")
            return 2
        _serve(env.get("METRICS_PORT", "0"), conductor)
        conductor.run(over.wait)
    return 0


def _serve(port: str, conductor: Conductor) -> None:
    if port == "0":
        return
    try:
        metrics.serve(int(port), lambda: (conductor.status, conductor.parts.prover.proofs()))
    except OSError as error:
        # Who watches the pair notices that there are no metrics; the pair itself needs none.
        say(f"no metrics are served, port {port} of this node cannot be used: {error.strerror}")


if __name__ == "__main__":
    sys.exit(main(os.environ))
