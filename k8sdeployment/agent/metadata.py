"""The OCF metadata, derived from the declared parameters and actions.

The DOCTYPE's internal subset makes one text valid for ocf-tester's old DTD and for OCF 1.1 readers (pcs, Pacemaker).
"""

from __future__ import annotations

from .parameters import PARAMETERS, Parameter

VERSION = "0.1.0"
NAME = "k8sdeployment"

# name, timeout, interval, depth. The stop's time exceeds api_grace and an ordinary pod's grace (30 s).
ACTIONS = (
    ("start", "180s", None, None),
    ("stop", "360s", None, None),
    ("monitor", "20s", "10s", "0"),
    ("monitor", "30s", "60s", "10"),
    ("validate-all", "20s", None, None),
    ("meta-data", "5s", None, None),
)

_HEAD = """<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd" [
<!ATTLIST parameter unique-group CDATA #IMPLIED reloadable (0|1) "0">
<!ATTLIST action name CDATA #REQUIRED>
]>
"""

_LONG = """Scales a Kubernetes Deployment between a minimum (stopped) and a maximum (started) of replicas through the
API of the local single-node cluster, so that a two-node Pacemaker cluster runs it on exactly one of two sites.
With the permit gate in the pod template a stopped workload cannot start by itself: not after a boot, not by hand."""


def escape(text: str) -> str:
    """Text as XML content or attribute value."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _parameter(parameter: Parameter) -> str:
    required = ' required="1"' if parameter.default is None else ' required="0"'
    group = f' unique-group="{parameter.unique}"' if parameter.unique else ""
    default = f' default="{escape(parameter.default)}"' if parameter.default else ""
    return (f'<parameter name="{parameter.name}" unique="0"{required}{group}>\n'
            f'<longdesc lang="en">{escape(parameter.long)}</longdesc>\n'
            f'<shortdesc lang="en">{escape(parameter.short)}</shortdesc>\n'
            f'<content type="{parameter.content}"{default}/>\n'
            "</parameter>\n")


def _action(name: str, timeout: str, interval: str | None, depth: str | None) -> str:
    more = (f' interval="{interval}"' if interval else "") + (f' depth="{depth}"' if depth else "")
    return f'<action name="{name}" timeout="{timeout}"{more}/>\n'


def xml() -> str:
    """The whole metadata document."""
    return (_HEAD + f'<resource-agent name="{NAME}" version="{VERSION}">\n<version>1.1</version>\n'
            f'<longdesc lang="en">{escape(_LONG)}</longdesc>\n'
            '<shortdesc lang="en">Runs a Kubernetes Deployment on one of two sites</shortdesc>\n<parameters>\n'
            + "".join(map(_parameter, PARAMETERS)) + "</parameters>\n<actions>\n"
            + "".join(_action(*action) for action in ACTIONS) + "</actions>\n</resource-agent>\n")
