"""The operator's process: `python -m k8sdeployment.operator`, with no arguments.

Environment: NODE_NAME, NAMESPACE (the SNOPair's and its own), KUBERNETES_SERVICE_HOST and _PORT; or KUBECONFIG, a file,
to run it outside of a pod; LOOK_SECONDS between two looks when nothing happens;
KEEP_RIGHTS_SECONDS for which both sites hold the same SNOPair before rights that it needs no more are taken away.
"""

import logging
import os
import sys
from collections.abc import Mapping

import kopf

from k8sdeployment.agent import access
from k8sdeployment.operator import handlers
from k8sdeployment.operator.api import Api
from k8sdeployment.operator.look import Operator
from k8sdeployment.operator.rights import Rights


def say(words: str) -> None:
    """One line of the log."""
    print(f"operator: {' '.join(words.split())}", flush=True)


def main(env: Mapping[str, str]) -> int:
    """0 when it was told to end, 2 when it cannot begin, 1 when kopf gave up (the kind SNOPair was removed, say): to be
    started again, and then it waits for what it needs."""
    try:
        node, namespace = env["NODE_NAME"], env["NAMESPACE"]
    except KeyError as error:
        say(f"the variable {error.args[0]} is not set")
        return 2
    # kopf tells each attempt; what matters is said by the operator itself.
    logging.basicConfig(level=logging.WARNING, format="kopf: %(message)s", stream=sys.stdout)
    period = float(env.get("LOOK_SECONDS", "15"))
    api = Api(env)
    operator = Operator(api, Rights(api, float(env.get("KEEP_RIGHTS_SECONDS", "120"))), node, say)
    say(f"begins on node {node}")
    registry = handlers.registry(operator, lambda: access.endpoint(env.get("KUBECONFIG", ""), "", env), period)
    try:
        kopf.run(registry=registry, settings=handlers.settings(), standalone=True, namespaces=[namespace])
    except Exception as error:
        say(f"ends to be started again: {type(error).__name__}: {error}")
        return 1
    say("ends as it was told")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
