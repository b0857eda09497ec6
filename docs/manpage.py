"""Writes the man page ocf_aos_k8sdeployment(7), from the agent's metadata and the policy of its exit codes.

    python3 -m docs.manpage >ocf_aos_k8sdeployment.7

The build of the RPM runs it: Python 3.9 and the standard library alone. SOURCE_DATE_EPOCH sets the date.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from xml.etree import ElementTree

from docs.tables import CONSEQUENCES, NAMES
from k8sdeployment.agent import codes
from k8sdeployment.agent.metadata import xml

PAGE = "ocf_aos_k8sdeployment"
TITLES = {codes.PROBE: "monitor without an interval (probe)", codes.MONITOR: "monitor with an interval"}
# Pacemaker's way to find somebody who starts the workload behind its back on the passive site.
PASSIVE = "monitor interval=20s timeout=20s role=Stopped"


def roff(text: str) -> str:
    """Text as one line of roff; of Markdown it knows `code` and **strong**, both printed bold."""
    line = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    line = re.sub(r"`([^`]+)`|\*\*(.+?)\*\*", lambda found: f"\\fB{found[1] or found[2]}\\fR", line)
    return "\\&" + line if line[:1] in (".", "'") else line


def _text(element: ElementTree.Element, tag: str) -> str:
    return element.findtext(tag) or ""


def _parameters(root: ElementTree.Element) -> Iterator[str]:
    for parameter in root.iterfind("parameters/parameter"):
        content = parameter.find("content")
        assert content is not None
        default = content.get("default")
        told = "required" if parameter.get("required") == "1" else f"default {default}" if default else "optional"
        yield f".TP\n\\fB{roff(parameter.get('name') or '')}\\fR"
        yield f"{roff(_text(parameter, 'longdesc'))}\n({roff(content.get('type') or '')}, {roff(told)})"


def _actions(root: ElementTree.Element) -> Iterator[str]:
    for action in root.iterfind("actions/action"):
        depth = action.get("depth")
        times = [f"{name} {action.get(name)}" for name in ("timeout", "interval") if action.get(name)]
        level = f"level {depth}" if depth and depth != "0" else ""
        yield f".TP\n\\fB{roff(action.get('name') or '')}\\fR"
        yield roff(", ".join(filter(None, [level, *times]))) + "."


def _codes() -> Iterator[str]:
    for action, allowed in codes.ALLOWED.items():
        yield f".SS {roff(TITLES.get(action, action))}"
        for code in allowed:
            means, then = CONSEQUENCES[action, code]
            yield f".TP\n\\fB{code}\\fR ({NAMES[code]})\n{roff(means)}"
            if action not in (codes.VALIDATE, codes.METADATA):  # nobody but people and pcs asks for these
                yield f"Pacemaker: {roff(then)}"
    yield f".SS any other action\n.TP\n\\fB{codes.UNIMPLEMENTED}\\fR ({NAMES[codes.UNIMPLEMENTED]})\nThere is no such."


def _operations(root: ElementTree.Element) -> Iterator[str]:
    """The operations as `pcs resource create` takes them."""
    for action in root.iterfind("actions/action"):
        if action.get("name") in ("start", "stop", "monitor"):
            options = {"interval": action.get("interval"), "timeout": action.get("timeout"),
                       "OCF_CHECK_LEVEL": action.get("depth") if action.get("depth") != "0" else None}
            yield " ".join([str(action.get("name")), *(f"{key}={value}" for key, value in options.items() if value)])
    yield PASSIVE


def _example(root: ElementTree.Element) -> str:
    lines = ["pcs resource create app ocf:aos:k8sdeployment deployment=app guard=required",
             "    kubeconfig=/etc/kubernetes/aos/kubeconfig op", *(f"    {line}" for line in _operations(root))]
    return ".nf\n" + " \\e\n".join(line.replace("-", "\\-") for line in lines) + "\n.fi"


def page(seconds: float) -> str:
    """The man page, dated by seconds since 1970."""
    root = ElementTree.fromstring(xml().encode())
    day = time.strftime("%Y-%m-%d", time.gmtime(seconds))
    required = root.iterfind("parameters/parameter[@required='1']")
    first = " ".join(f"\\fBOCF_RESKEY_{roff(element.get('name') or '')}\\fR=\\fIvalue\\fR" for element in required)
    more = "[\\fBOCF_RESKEY_\\fIparameter\\fR=\\fIvalue\\fR ...]\n\\fBk8sdeployment\\fR \\fIaction\\fR"
    return "\n".join([
        f'.TH {PAGE.upper()} 7 "{day}" "aos\\-sno\\-pair {root.get("version")}" "OCF resource agents"',
        f".SH NAME\n{PAGE} \\- {roff(_text(root, 'shortdesc'))}",
        f".SH SYNOPSIS\n{first} {more}",
        f".SH DESCRIPTION\n{roff(_text(root, 'longdesc'))}",
        ".PP\nThe reason of whatever is wrong is one line on standard error; Pacemaker shows it in\n"
        "\\fBpcs status\\fR and \\fBcrm_mon \\-1rf\\fR.",
        ".SH PARAMETERS", *_parameters(root),
        ".SH ACTIONS\nWith the times that the agent suggests.", *_actions(root),
        ".SH EXIT STATUS", *_codes(),
        f".SH EXAMPLES\n{_example(root)}",
        ".SH FILES\n.TP\n\\fI/run/aos/permits/NAMESPACE/KIND/NAME\\fR\nThe permit of a workload, on the tmpfs of the "
        "host: a file while the workload may\nrun here, a link to STOPPED once it is proven that it does not.",
        ".SH SEE ALSO\n\\fBpcs\\fR(8), \\fBcrm_mon\\fR(8), \\fBcrm_resource\\fR(8), \\fBtmpfiles.d\\fR(5)",
    ]) + "\n"


def main() -> int:
    """Prints the page."""
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(page(float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
