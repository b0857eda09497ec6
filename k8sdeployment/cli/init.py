"""`snopair init`: everything that pairs two clusters, in one bundle."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Optional

import click

from k8sdeployment.cli.codes import CallError
from k8sdeployment.cli.describe import Words
from k8sdeployment.cli.describe import document as described
from k8sdeployment.cli.reading import load_pair, read_pair
from k8sdeployment.cli.verb import Verb

DEFAULT = "snopair-bundle"


@click.command("init", cls=Verb, short_help="Make the bundle that pairs two clusters.")
@click.option("--from", "source", metavar="FILE", help="A SNOPair that is written already (YAML or JSON; - is stdin).")
@click.option("--site", "sites", metavar="NAME=ADDRESS[,ADDRESS…]", multiple=True,
              help="A site and its addresses, one per link. Twice, in the same order of links.")
@click.option("--node", "nodes", metavar="SITE=NODE", multiple=True,
              help="The site's Kubernetes node, where it is not named like the site.")
@click.option("--fence", "fences", metavar="SITE=AGENT[,PARAMETER=VALUE…]", multiple=True,
              help="A device that takes the site's power: site-a=fence_ipmilan,ip=192.0.2.9,username=fence,lanplus=1. "
                   "Again for a second one; level=1 for each that must switch off together. No passwords here.")
@click.option("--fence-password-file", "passwords", metavar="SITE=FILE", multiple=True,
              help="File with the password or SSH key of the site's device, or of a Secret by its name, or of a "
                   "Secret's key by SECRET/KEY. A password is asked for else.")
@click.option("--fence-delay", "delays", metavar="SITE=DURATION", multiple=True,
              help="How long the other site waits before it fences this one.")
@click.option("--no-fencing", is_flag=True, help="For laboratories: a workload may run twice.")
@click.option("--workload", "workloads", metavar="[NAMESPACE/]NAME[,WORD=VALUE…]", multiple=True,
              help="A workload; words: kind, prefer, failback, grace, replicas.")
@click.option("--token", metavar="DURATION", help="This long without a sign of life, and a site counts as lost.")
@click.option("--image", metavar="IMAGE", help="The product's image, as both sites can pull it.")
@click.option("--api", metavar="HOST:PORT", help="Where each site's own API answers on its node.")
@click.option("--arbitrator", metavar="HOST[:PORT]", help="A corosync-qnetd at a third place that gives a third vote.")
@click.option("--namespace", "-n", metavar="NAME", default="aos-sno-pair", show_default=True,
              help="The pair's namespace.")
@click.option("--openshift", is_flag=True, help="Install what OpenShift wants besides.")
@click.option("--into", metavar="PATH", default=DEFAULT, show_default=True,
              help="The bundle: a directory, or an archive (.tar, .tar.gz, .tgz).")
def init_verb(source: Optional[str], into: str, passwords: tuple[str, ...], openshift: bool,
              output: Literal["text", "json"], **words: Any) -> int:
    """Make the bundle that pairs two clusters: keys, the pair, what is installed.

    Nothing is sent anywhere. Apply it with one command per site; it is told at the end.
    """
    from k8sdeployment.cli import writing
    from k8sdeployment.pair.advice import advice
    path = Path(into)
    writing.refuse_existing(path)
    document = _document(source, words) if source else described(_words(words))
    pair, files = make(document, passwords, openshift)
    writing.write(path, files)
    _report(path, sorted(files), _commands(path, [site.name for site in pair.spec.sites]),
            [*_missing(pair), *advice(pair.spec)], output)
    return 0


def make(document: Mapping[str, Any], passwords: tuple[str, ...], openshift: bool) -> tuple[Any, dict[str, str]]:
    """The pair, and the text of every file. CallError with every fault of the CR, before any password is asked for."""
    import yaml

    from k8sdeployment.cli.passwords import collect
    from k8sdeployment.pair import bundle
    pair = load_pair(document)
    keys = bundle.Keys(secrets.token_bytes(bundle.KEY_BYTES), secrets.token_urlsafe(24).encode())
    made = bundle.bundle(pair, _plain(pair, document), installed(openshift), keys, collect(pair, passwords))
    return pair, {name: yaml.safe_dump_all(documents, sort_keys=False, width=120) for name, documents in made.items()}


def _plain(pair: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    """The CR without what an API server added to it, and with the names that it may leave out."""
    metadata = document.get("metadata") or {}
    kept = {name: metadata[name] for name in ("labels", "annotations") if metadata.get(name)}
    return {"apiVersion": pair.api_version, "kind": pair.kind,
            "metadata": {"name": pair.metadata.name, "namespace": pair.metadata.namespace, **kept},
            "spec": document["spec"]}


def installed(openshift: bool) -> list[dict[str, Any]]:
    """What both sites install first."""
    from k8sdeployment.pair import admission, crd, installation
    from k8sdeployment.pair import openshift as scc
    more = [*scc.manifests(), *scc.of_the_pair()] if openshift else []
    return [*installation.manifests(), crd.manifest(), *admission.policies(), *more]


def _missing(pair: Any) -> list[str]:
    """What the bundle cannot hold, for the arbitrator alone can make it."""
    if pair.spec.quorum.arbitrator is None:
        return []
    return [f"the Secret {pair.spec.quorum.arbitrator.secret_ref.name} is not in the bundle: have the arbitrator make "
            f"it with `arbitrator-secret {pair.metadata.name}`, and apply it on both sites"]


def _words(words: Mapping[str, Any]) -> Words:
    return Words(words["sites"], words["nodes"], words["fences"], words["delays"], words["workloads"],
                 not words["no_fencing"], words["token"] or "", words["image"] or "", words["api"] or "",
                 words["namespace"], words["arbitrator"] or "")


def _document(source: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """The CR in a file. CallError when options say the same again."""
    doubled = [name for name, value in words.items() if value and name != "namespace"]
    if doubled:
        raise CallError(f"--from says what the pair is already; leave out {', '.join(map(_option, doubled))}")
    return read_pair(source)


def _option(name: str) -> str:
    singular = {"sites": "site", "nodes": "node", "fences": "fence", "delays": "fence-delay", "workloads": "workload"}
    return f"--{singular.get(name, name).replace('_', '-')}"


def _commands(path: Path, sites: list[str]) -> list[str]:
    from k8sdeployment.cli.writing import ARCHIVES, archive_mode
    first = []
    top = str(path)
    if archive_mode(path):
        top = next(path.name.removesuffix(suffix) for suffix in ARCHIVES if path.name.endswith(suffix))
        first = [f"tar -xf {path}"]
    return [*first, *(f"kubectl --context {site} apply --server-side -k {top}/{site}" for site in sites)]


def _report(path: Path, files: list[str], commands: list[str], warnings: list[str],
            output: Literal["text", "json"]) -> None:
    if output == "json":
        click.echo(json.dumps({"bundle": str(path), "files": files, "commands": commands, "warnings": warnings},
                              ensure_ascii=False))
        return
    click.echo(f"{path} holds everything for both sites, secrets too: keep it as you keep passwords.")
    click.echo("Now, with each site's own context or kubeconfig:\n")
    for command in commands:
        click.echo(f"  {command}")
    for warning in warnings:
        click.echo(f"\nWorth a thought: {warning}" if warning == warnings[0] else f"Worth a thought: {warning}")
