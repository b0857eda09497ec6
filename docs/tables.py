"""Writes the tables that follow from code into the documents, so that each fact is declared once.

    python -m docs.tables          write them anew
    python -m docs.tables --check  change nothing; exit status 1 when a document is not current

A document marks a table's place with `<!-- table NAME -->` and `<!-- end NAME -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from k8sdeployment.agent import codes
from k8sdeployment.agent.metadata import ACTIONS
from k8sdeployment.agent.parameters import PARAMETERS

ROOT = Path(__file__).resolve().parent.parent
_PLACE = re.compile(r"(<!-- table (?P<name>[a-z-]+) -->\n).*?(<!-- end (?P=name) -->)", re.DOTALL)

NAMES = {
    codes.OK: "OCF_SUCCESS", codes.GENERIC: "OCF_ERR_GENERIC", codes.ARGS: "OCF_ERR_ARGS",
    codes.UNIMPLEMENTED: "OCF_ERR_UNIMPLEMENTED", codes.PERM: "OCF_ERR_PERM",
    codes.INSTALLED: "OCF_ERR_INSTALLED", codes.CONFIGURED: "OCF_ERR_CONFIGURED",
    codes.NOT_RUNNING: "OCF_NOT_RUNNING", codes.DEGRADED: "OCF_DEGRADED",
}

_AGAIN = "Counts a failure and starts it again: here, or on the other site after `migration-threshold` failures."
_TWICE = "Stops it on **both** sites, then starts one."
_ELSEWHERE = "Does not try again on this site until a cleanup; tries the other site."
_NONE = "Never asks; it is for `pcs` and for people."

# What an action says by a code, and what Pacemaker then does. One entry for every pair that codes.ALLOWED holds.
CONSEQUENCES: dict[tuple[str, int], tuple[str, str]] = {
    (codes.PROBE, codes.OK): (
        "It runs here.", "Counts it as started here. If it runs on both sites: stops both, starts one."),
    (codes.PROBE, codes.NOT_RUNNING): (
        "It does not run here.", "May start it, here or on the other site."),
    (codes.PROBE, codes.GENERIC): (
        "It cannot be told, or it is neither up nor down.",
        "Takes it for running and failed here: stops it here before anything else, and restarts a copy elsewhere."),
    (codes.MONITOR, codes.OK): ("It runs as it should.", "Nothing."),
    (codes.MONITOR, codes.NOT_RUNNING): (
        "It does not run here.", _AGAIN),
    (codes.MONITOR, codes.GENERIC): (
        "It runs wrongly, or it cannot be told for longer than allowed.", "Stops it here first. " + _AGAIN),
    (codes.MONITOR, codes.DEGRADED): (
        "It runs, but somebody should look: the reason says at what.",
        "Nothing: a success. The reason stays in `crm_mon` until a cleanup, even when all is well again."),
    (codes.PASSIVE, codes.NOT_RUNNING): ("It does not run here, as it should be.", "Nothing."),
    (codes.PASSIVE, codes.OK): ("It runs, though the cluster stopped it here.", _TWICE),
    (codes.PASSIVE, codes.GENERIC): ("It cannot be told, or it is neither up nor down.", _TWICE),
    (codes.START, codes.OK): ("It is up and available.", "Nothing."),
    (codes.START, codes.GENERIC): (
        "It did not become available in time, or may not start now.", "Stops it here first. " + _AGAIN),
    (codes.START, codes.PERM): ("The API forbids it (403).", _ELSEWHERE),
    (codes.START, codes.INSTALLED): (
        "Something is missing or wrong on this site: the workload, its gate, the kubeconfig, the permit directory.",
        _ELSEWHERE),
    (codes.START, codes.CONFIGURED): (
        "A parameter is wrong, on every site.", "Starts it nowhere until a cleanup."),
    (codes.STOP, codes.OK): ("It is proven that nothing of it runs.", "May start it on the other site."),
    (codes.STOP, codes.GENERIC): (
        "It still runs, or that cannot be told.", "**Fences this site.** With fencing off: leaves it blocked."),
    (codes.VALIDATE, codes.OK): ("The parameters are right; at level 10 this site is, too.", _NONE),
    (codes.VALIDATE, codes.ARGS): ("Allowed by OCF; no situation of today answers it.", _NONE),
    (codes.VALIDATE, codes.PERM): ("Level 10: the API forbids it.", _NONE),
    (codes.VALIDATE, codes.INSTALLED): ("Level 10: something is missing or wrong on this site.", _NONE),
    (codes.VALIDATE, codes.CONFIGURED): ("A parameter is wrong; every wrong one is named.", _NONE),
    (codes.VALIDATE, codes.GENERIC): ("Level 10: the API does not answer.", _NONE),
    (codes.METADATA, codes.OK): ("The description is on standard output.", "Nothing."),
}


def cell(text: str) -> str:
    """Text that stays within one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    columns = list(heads)
    lines = [columns, ["---"] * len(columns), *(list(row) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def parameters() -> str:
    """The agent's parameters."""
    def default(text: str | None) -> str:
        return "**required**" if text is None else f"`{text}`" if text else "–"
    return table(("parameter", "default", "meaning"),
                 ((f"`{known.name}`", default(known.default), cell(known.long)) for known in PARAMETERS))


def exit_codes() -> str:
    """Every code that every action may answer. KeyError when the policy holds one that nobody explained."""
    rows = [(f"`{action}`", f"{code} `{NAMES[code]}`", *map(cell, CONSEQUENCES[action, code]))
            for action, allowed in codes.ALLOWED.items() if action != codes.VALIDATE for code in allowed]
    told = {code: CONSEQUENCES[codes.VALIDATE, code][0] for code in sorted(codes.ALLOWED[codes.VALIDATE])}
    rows.append((f"`{codes.VALIDATE}`", " ".join(map(str, told)),
                 " ".join(f"**{code}** {cell(words)}" for code, words in told.items()), _NONE))
    unknown = ("anything else", f"{codes.UNIMPLEMENTED} `{NAMES[codes.UNIMPLEMENTED]}`",
               "There is no such action (promote, migrate, reload …).", "Never asks for it: the metadata has no such.")
    return table(("action", "exit code", "it says", "what Pacemaker does"), [*rows, unknown])


def operations() -> str:
    """The operations with the metadata's own times."""
    return table(("operation", "timeout", "interval", "`OCF_CHECK_LEVEL`"),
                 ((f"`{name}`", timeout, interval or "–", depth or "–") for name, timeout, interval, depth in ACTIONS))


def lab_commands() -> str:
    """The commands of lab/lab, in the words of its own help."""
    import click

    from lab.cli import main
    rows = []
    for name, command in sorted(main.commands.items()):
        with click.Context(command, info_name=name) as context:
            usage = " ".join(command.collect_usage_pieces(context)).replace("[OPTIONS] ", "").replace("[OPTIONS]", "")
        rows.append((f"`{cell(f'{name} {usage}'.strip())}`", cell(command.help or "")))
    return table(("`lab/lab …`", "what it does"), rows)


PURPOSES = {
    "settle": "waits up to two minutes for the local API; scales gated workloads without a permit to 0, deletes their "
              "leftover pods, marks them `STOPPED`; lets the site join without the API when that does not come",
    "corosync": "membership; starts before Pacemaker and ends after it",
    "qdevice": "asks the arbitrator for its vote; there only with `quorum.mode: Arbitrator`",
    "sbd": "ends this site when the shared disk says so, or without one when quorum is lost; there only with "
           "`fencing.poisonPill`",
    "pacemaker": "decides, fences, runs the agent",
    "pcsd": "for people who use pcs",
    "conductor": "brings the `SNOPair` into Pacemaker's configuration, writes its status, Events and metrics, proves "
                 "the fence devices, renews the pod; serves `snopair`",
}


def peer_containers() -> str:
    """The containers of the peer pod and the capabilities they are given."""
    from k8sdeployment.pair import cr, peerpod
    sites: list[dict[str, Any]] = [
        {"name": name, "nodeName": name, "addresses": [address]}
        for name, address in (("site-a", "10.91.1.11"), ("site-b", "10.91.1.12"))]
    pilled = [{**sites[0], "fencing": {"devices": [{"agent": "fence_sbd"}]}}, sites[1]]
    arbitrator = {"host": "10.91.9.31", "secretRef": {"name": "arbitrator"}}
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    voted: dict[str, Any] = {
        "sites": sites, "quorum": {"mode": "Arbitrator", "arbitrator": arbitrator}, "fencing": {"mode": "Disabled"}}
    for spec in (voted, {"sites": pilled, "fencing": {"mode": "Disabled", "poisonPill": {"claim": "pill"}}}):
        pair = cr.load({"spec": spec})
        pod = peerpod.manifests(pair, pair.spec.sites[0])[-1]["spec"]["template"]["spec"]
        found |= {one["name"]: (kind, one) for kind, every in (("init", pod["initContainers"]), ("", pod["containers"]))
                  for one in every}
    rows = []
    for name, purpose in PURPOSES.items():
        kind, container = found[name]
        form = "sidecar" if container.get("restartPolicy") == "Always" else kind
        capabilities = container["securityContext"]["capabilities"]["add"]
        rows.append((f"`{name}`" + (f" ({form})" if form else ""), purpose, " ".join(sorted(capabilities))))
    return table(("container", "what for", "capabilities"), rows)


def conditions() -> str:
    """The conditions of a pair."""
    from k8sdeployment.pair.report import CONDITIONS
    return table(("condition", "true when"), ((f"`{name}`", meaning) for name, meaning in CONDITIONS.items()))


def metrics() -> str:
    """Every metric of the conductor."""
    from k8sdeployment.conductor.metrics import METRICS
    return table(("metric", "meaning"), ((f"`{name}`", cell(meaning)) for name, meaning in METRICS.items()))


def runbooks() -> str:
    """What to do about each alert."""
    from k8sdeployment.pair.alerting import ALARMS
    return "".join(
        f"\n### {alarm.name}\n\n{alarm.summary} *{alarm.severity}*, after {alarm.lasting}: "
        f"`{alarm.expression}`\n\n" + "".join(f"- {step}\n" for step in alarm.todo) for alarm in ALARMS)


def snopair(which: str) -> Callable[[], str]:
    """A table about `snopair`; see docs/snopair.py."""
    def made() -> str:
        from docs import snopair as tables
        text: str = getattr(tables, which)()
        return text
    return made


TABLES: dict[str, Callable[[], str]] = {
    "parameters": parameters, "exit-codes": exit_codes, "operations": operations, "lab-commands": lab_commands,
    "peer-containers": peer_containers, "conditions": conditions, "metrics": metrics, "runbooks": runbooks,
    "snopair-verbs": snopair("verbs"), "snopair-exit-codes": snopair("exit_codes"), "snopair-json": snopair("keys"),
}


def documents() -> list[Path]:
    """The documents that may hold tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def rewritten(text: str) -> str:
    """The document with every marked table as the code has it now. KeyError for a table that is none."""
    return _PLACE.sub(lambda place: place[1] + TABLES[place["name"]]() + place[3], text)


def main(arguments: list[str]) -> int:
    """0 when every document is current (now); 1 when one is not, or the arguments are wrong."""
    if arguments not in ([], ["--check"]):
        print("docs.tables: the only argument is --check", file=sys.stderr)
        return 1
    stale = [path for path in documents() if rewritten(path.read_text(encoding="utf-8")) != path.read_text("utf-8")]
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'not current, run python -m docs.tables' if arguments else 'written anew'}")
        if not arguments:
            path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 1 if arguments and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
