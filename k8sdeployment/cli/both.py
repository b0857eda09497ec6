"""Verbs that look at both sites at once, by a kubeconfig or context for each."""

from typing import Any

import click

from k8sdeployment.cli import reach
from k8sdeployment.cli.reach import Place
from k8sdeployment.cli.verb import Verb, reach_options

LETTERS = ("a", "b")


class BothVerb(Verb):
    """It runs where it is called; `places` says which clusters were meant."""

    def shared(self) -> list[click.Parameter]:
        """Options for one cluster, and for each of two."""
        own = [option for letter in LETTERS for option in (
            click.Option([f"--kubeconfig-{letter}"], metavar="FILE", help=f"kubeconfig of site {letter.upper()}."),
            click.Option([f"--context-{letter}"], metavar="NAME", help=f"Context of site {letter.upper()}."))]
        return [*super().shared(), *reach_options(), *own]


def places(params: dict[str, Any]) -> dict[str, Place]:
    """The clusters by a letter; takes the options out of `params`. Without any: kubectl's own current context."""
    one = reach.place(params)
    found = {}
    for letter in LETTERS:
        kubeconfig, context = params.pop(f"kubeconfig_{letter}"), params.pop(f"context_{letter}")
        if kubeconfig or context:
            found[letter] = Place(one.kubectl, kubeconfig or one.kubeconfig, context or "", one.namespace)
    for name in ("kubeconfig", "context", "namespace", "kubectl"):
        del params[name]
    return found or {LETTERS[0]: one}
