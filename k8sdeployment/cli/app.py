"""The group of verbs. A verb's module is loaded when the verb is called, and no other."""

import importlib
from typing import Optional

import click

from k8sdeployment.cli.codes import INTERRUPTED, MEANINGS

# Where each verb stands.
VERBS = {
    "status": "status", "move": "acting", "evict": "acting", "return": "acting", "maintenance": "acting",
    "confirm": "confirm", "drill": "drill",
    "history": "history", "init": "init", "check": "check", "gate": "gate",
    "must-gather": "must_gather", "completion": "completion", "seed": "seed",
}


class Verbs(click.Group):
    """Knows the names without loading what they mean."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of VERBS, which is the order of use."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
        """None for an unknown one: click says so, with those that are near."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"k8sdeployment.cli.{VERBS[cmd_name]}")
        found: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_verb")
        return found


def _epilog() -> str:
    return "\b\nExit codes:\n" + "\n".join(f"  {code:3}  {meaning}" for code, meaning in MEANINGS.items())


@click.group(cls=Verbs, epilog=_epilog(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=None, version=importlib.import_module("k8sdeployment").__version__,
                      prog_name="snopair")
def snopair() -> None:
    """Two single-node clusters that stand in for each other: their state, and their day-to-day work."""


def main(arguments: Optional[list[str]] = None, obj: object = None) -> int:
    """The program: its exit code. What is said goes to stdout, what went wrong to stderr."""
    try:
        found = snopair.main(arguments, prog_name="snopair", standalone_mode=False, obj=obj)
        return found if isinstance(found, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("snopair: interrupted", err=True)
        return INTERRUPTED
