"""What all verbs share: `--output`, errors as one sentence or as JSON, the way into the peer pod."""

import json
from collections.abc import Iterator
from typing import Any

import click

from k8sdeployment.cli import reach
from k8sdeployment.cli.codes import Refusal, SnopairError
from k8sdeployment.cli.world import World

_REACH = ("kubeconfig", "context", "namespace", "kubectl")


class Verb(click.Command):
    """A verb that runs where it is called."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(self.shared())

    def shared(self) -> list[click.Parameter]:
        """The options that it has beside its own."""
        return [click.Option(["--output", "-o"], type=click.Choice(["text", "json"]), default="text",
                             show_default=True, help="For people or for programs.")]

    def invoke(self, ctx: click.Context) -> None:
        """Run it; its exit code becomes the program's."""
        try:
            code = self.perform(ctx)
        except SnopairError as error:
            _tell(error, ctx.params.get("output") == "json")
            code = error.code
        ctx.exit(code)

    def perform(self, ctx: click.Context) -> int:
        """The exit code."""
        found: int = super().invoke(ctx) or 0
        return found


class PairVerb(Verb):
    """A verb that runs in the peer pod, and is handed there when it is called elsewhere."""

    def shared(self) -> list[click.Parameter]:
        """And those that say which pod is meant."""
        return [*super().shared(), *reach_options()]

    def perform(self, ctx: click.Context) -> int:
        """Here or there."""
        at, world = reach.place(ctx.params), world_of(ctx)
        for name in _REACH:
            del ctx.params[name]
        if at.named or not world.here():
            return reach.forward(world, at, [str(ctx.info_name), *self.words(ctx.params)])
        return super().perform(ctx)

    def words(self, params: dict[str, Any]) -> Iterator[str]:
        """The call again, without what says where."""
        arguments = []
        for one in self.params:
            value = params.get(str(one.name))
            if value is None or value is False or value == one.default:
                continue
            if isinstance(one, click.Argument):
                arguments.append(str(value))
            elif one.name in params:
                yield one.opts[0] if value is True else f"{one.opts[0]}={value}"
        if arguments:
            yield from ("--", *arguments)


def reach_options() -> list[click.Parameter]:
    """Which cluster is meant."""
    return [
        click.Option(["--kubeconfig"], metavar="FILE", help="kubectl's configuration file."),
        click.Option(["--context"], metavar="NAME", help="Context in it: the site to ask."),
        click.Option(["--namespace", "-n"], metavar="NAME", default=reach.NAMESPACE, show_default=True,
                     help="The pair's namespace."),
        click.Option(["--kubectl"], metavar="PROGRAM", default="kubectl", show_default=True, envvar="SNOPAIR_KUBECTL",
                     help="Program to reach the cluster with; oc does as well."),
    ]


def world_of(ctx: click.Context) -> World:
    """The surroundings of this call."""
    return ctx.ensure_object(World)


def _tell(error: SnopairError, as_json: bool) -> None:
    if as_json:
        more = {"reasons": error.reasons, "consequence": error.consequence} if isinstance(error, Refusal) else {}
        click.echo(json.dumps({"error": str(error), "exitCode": error.code, **more}, ensure_ascii=False))
    else:
        click.echo(f"snopair: {error}", err=True)
