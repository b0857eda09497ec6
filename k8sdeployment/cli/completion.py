"""`snopair completion`: what a shell needs to complete this program's words. Made by click."""

from typing import Literal

import click
from click.shell_completion import get_completion_class

from k8sdeployment.cli.codes import CallError
from k8sdeployment.cli.verb import Verb

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", cls=Verb, short_help="Complete words in bash, zsh or fish.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion_verb(context: click.Context, /, shell: str, output: Literal["text", "json"]) -> int:
    """Print the script that completes `snopair` in a shell: source <(snopair completion bash)."""
    made = get_completion_class(shell)
    root = context.find_root()
    if made is None:
        raise CallError(f"click knows no completion for {shell}")
    text = made(root.command, {}, "snopair", "_SNOPAIR_COMPLETE").source()
    if output == "json":
        import json
        text = json.dumps({"shell": shell, "script": text})
    click.echo(text)
    return 0
