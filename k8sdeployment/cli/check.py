"""`snopair check`: what speaks for and against pairing two clusters, before it is done or after."""

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Optional

import click

from k8sdeployment.cli.both import BothVerb, places
from k8sdeployment.cli.codes import CallError
from k8sdeployment.cli.findings import Finding, report, told
from k8sdeployment.cli.reading import kept_pair, load_pair, read_pair
from k8sdeployment.cli.reach import CONTAINER, POD, Place
from k8sdeployment.cli.verb import world_of
from k8sdeployment.cli.world import ProgramError, World

# Seconds for a look on a host: the other site may be silent on eight links.
LOOK_SECONDS, POD_SECONDS = 45.0, 150.0


@click.command("check", cls=BothVerb, short_help="Pre-flight: what speaks for and against.")
@click.option("--from", "source", metavar="FILE", help="The SNOPair (- is stdin). Else the one that a cluster holds.")
@click.option("--here", is_flag=True, help="Look at this host alone: addresses, networks, ports, links.")
@click.option("--pods", is_flag=True, help="Where no peer runs yet, look at links and ports by a short-lived pod on "
              "the host's network, of the pair's image.")
@click.pass_context
def check_verb(context: click.Context, /, source: Optional[str], here: bool, pods: bool,
               output: Literal["text", "json"], **params: Any) -> int:
    """Tell what speaks for and against the pair: addresses, links, ports, versions, clocks, names, rights, secrets.

    Best with --context-a and --context-b (or --kubeconfig-a and -b). Exit code 1: something fails.
    """
    world, meant = world_of(context), places(params)
    if here or world.here() and not any(at.named for at in meant.values()):
        return report(_here(world, source), output)
    return report(_outside(world, meant, source, pods), output)


def _here(world: World, source: Optional[str]) -> list[Finding]:
    from k8sdeployment.cli import hostlook
    if not source and not world.pair.exists():
        raise CallError("the pair is not known here yet; give --from FILE")
    pair = load_pair(read_pair(source)) if source else kept_pair(world)
    return list(hostlook.look(pair.spec, world, hostlook.Net()))


def _outside(world: World, meant: Mapping[str, Place], source: Optional[str], pods: bool) -> Iterator[Finding]:
    from k8sdeployment.cli import preflight, sitefacts
    from k8sdeployment.pair.advice import advice
    document: Optional[Mapping[str, Any]] = read_pair(source) if source else None
    clusters = {letter: sitefacts.ask(world, at, letter) for letter, at in meant.items()}
    document = document or next((facts.pair for facts in clusters.values() if facts.pair), None)
    if document is None:
        yield from (Finding("fail", "api", f"it does not answer: {'; '.join(one.troubles)}", one.letter)
                    for one in clusters.values() if not one.alive)
        yield Finding("fail", "pair", "no cluster holds a SNOPair yet; give --from FILE")
        return
    pair = load_pair(document)
    namespaces = sorted({pair.metadata.namespace, *(work.namespace for work in pair.spec.workloads)})
    for letter, facts in clusters.items():
        if facts.alive:
            sitefacts.ask_about(world, meant[letter], facts, namespaces)
    yield from (Finding("warn", "pair", one) for one in advice(pair.spec))
    yield from preflight.check(pair, list(clusters.values()))
    for letter, facts in clusters.items():
        site = preflight.whose(pair, facts)
        if site is not None:
            yield from _host(world, meant[letter], site.name, facts.pod, document if pods else None, pair)


def _host(world: World, at: Place, site: str, pod: str, document: Optional[Mapping[str, Any]],
          pair: Any) -> Iterator[Finding]:
    """A look on the host itself, from the peer pod, or from one made for it where `document` is given."""
    words = ("snopair", "check", "--here", "--output=json")
    try:
        if pod == "Running":
            said = world.run(at.command("exec", POD, f"--container={CONTAINER}", "--", *words), LOOK_SECONDS, None)
        elif document is not None:
            said = world.run(at.command(*pod_words(pair, site, words)), POD_SECONDS, json.dumps(
                {"metadata": {"namespace": pair.metadata.namespace}, "spec": document["spec"]}, default=str))
        else:
            yield Finding("warn", "links", "links and ports were not looked at, for no peer runs there yet; --pods "
                          "makes a pod for it", site)
            return
    except ProgramError as error:
        if error.status != 1 or not error.output.lstrip().startswith("{"):
            yield Finding("warn", "links", f"links and ports could not be looked at: {error}", site)
            return
        said = error.output
    yield from (told(site, one) for one in json.loads(said)["findings"])


def pod_words(pair: Any, site: str, words: tuple[str, ...]) -> list[str]:
    """kubectl's words for a pod on the host's network that runs these, is given the pair on stdin, and goes."""
    node = next(one.node_name for one in pair.spec.sites if one.name == site)
    name = f"snopair-check-{secrets.token_hex(3)}"
    container = {"name": name, "image": pair.spec.peer.image, "command": [*words, "--from=-"], "stdin": True,
                 "stdinOnce": True}
    spec = {"hostNetwork": True, "nodeName": node, "restartPolicy": "Never", "containers": [container],
            "automountServiceAccountToken": False}
    return ["run", name, f"--image={pair.spec.peer.image}", "--restart=Never", "--rm", "--stdin", "--quiet",
            "--pod-running-timeout=90s", f"--overrides={json.dumps({'apiVersion': 'v1', 'spec': spec})}"]
