"""Pacemaker's scheduler on the kept CIBs of simulate/: which actions it plans after an operation's answer."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

KEPT = Path(__file__).parent / "simulate"
TIMED_OUT = "timeout"
_ANSWER = ".//lrm_rsc_op[@exit-reason='the answer']"


def situation(name: str, answer: int | str, fencing: bool = True) -> str:
    """The kept CIB in which the marked operation gave this answer: an exit code, or TIMED_OUT."""
    root = ElementTree.parse(KEPT / f"{name}.xml").getroot()
    operation = root.find(_ANSWER)
    switch = root.find(".//nvpair[@name='stonith-enabled']")
    assert operation is not None and switch is not None
    status, code = ("2", "1") if answer == TIMED_OUT else ("0", str(answer))
    operation.attrib |= {"op-status": status, "rc-code": code,
                         "transition-magic": f"{status}:{code};{operation.get('transition-key')}"}
    switch.set("value", "true" if fencing else "false")
    return ElementTree.tostring(root, encoding="unicode")


def plan(result: str) -> str:
    """What crm_simulate says in XML that would be done, as in "stop site-a, stop site-b; start site-a".

    Only starts and stops of the workload and fencing. A comma joins what may go on at once, a semicolon what follows.
    """
    transition = ElementTree.fromstring(result).find("transition")
    assert transition is not None, result
    steps = groupby(filter(None, map(_step, transition)), lambda step: step.split()[0])
    return "; ".join(", ".join(sorted(group)) for _, group in steps)


def _step(element: ElementTree.Element) -> str:
    if element.tag == "fencing_action":
        return f"fence {element.get('target')}"
    if element.get("resource") == "app" and element.get("op") in ("start", "stop"):
        return f"{element.get('op')} {element.get('node')}"
    return ""


def configurations(files: Iterable[Path]) -> set[str]:
    """The configuration of each file as text."""
    found = (ElementTree.parse(file).getroot().find("configuration") for file in files)
    return {ElementTree.canonicalize(ElementTree.tostring(one, encoding="unicode"), strip_text=True)
            for one in found if one is not None}
