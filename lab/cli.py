"""The lab's commands. Other modules add theirs to the group `main`."""

import importlib
import os

import sys
from typing import Optional

import click
from docker.errors import APIError
from rich.console import Console

from lab import engine as engines
from lab import paths
from lab import up as lifecycle
from lab.build import images
from lab.errors import LabError
from lab.names import FIRST_OCTET, SITES, checked_name
from lab.progress import Steps
from lab.sites import Lab
from lab.state import LabState, known_labs
from lab.status import table as status_table

out = Console(highlight=False)
site_argument = click.argument("site", type=click.Choice(SITES))


@click.group()
@click.option("--name", "-n", metavar="LAB", help="Which lab; else $AOS_LAB, else aos.")
@click.pass_context
def main(context: click.Context, name: Optional[str]) -> None:
    """Two real single-node Kubernetes sites on this machine."""
    context.obj = checked_name(name)


def attached(context: click.Context) -> Lab:
    """The lab the command was called for."""
    return Lab.attach(context.find_object(str))


@main.command()
@click.pass_obj
def up(name: str) -> None:
    """Build what is missing and start both sites."""
    with Steps(out) as steps:
        fresh = lifecycle.up(LabState(name), steps.say)
    out.print(f"The lab {name} is up ({steps.seconds:.0f} s)." if fresh else f"The lab {name} is up already.")


@main.command()
@click.option("--keep-logs", is_flag=True, help="Keep the lab's events and logs.")
@click.pass_obj
def down(name: str, keep_logs: bool) -> None:
    """Stop both sites and remove everything of theirs."""
    found = lifecycle.down(LabState(name), keep_logs)
    out.print(f"The lab {name} is down: removed {found}." if found else f"There was no lab {name}.")


@main.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Power, API, node, peer pod and workload of both sites."""
    out.print(status_table(attached(context)))


@main.command("list")
def list_labs() -> None:
    """The labs of this machine."""
    for plan in known_labs():
        words = "up" if LabState(plan.name).complete else "not completely up"
        out.print(f"{plan.name}: {words}, networks 10.{FIRST_OCTET + plan.index}.x")


@main.command()
def build() -> None:
    """Build everything the sites are made of; `up` does so by itself."""
    with Steps(out) as steps:
        with engines.borrowed(paths.cache_dir() / "engine") as engine:
            images.build_all(engine, steps.say)
            images.archives(engine, steps.say)


@main.command()
@click.pass_context
def load(context: click.Context) -> None:
    """Rebuild what changed and import it into both running sites."""
    with Steps(out) as steps:
        lifecycle.load(attached(context), steps.say)


@main.command()
@click.argument("order", type=click.Choice(["on", "off", "reset"]))
@site_argument
@click.pass_context
def power(context: click.Context, order: str, site: str) -> None:
    """Switch a site's power; off kills it at once."""
    attached(context).sites[site].power(order)


@main.command()
@click.argument("link", type=int, required=False)
@click.pass_context
def cut(context: click.Context, link: Optional[int]) -> None:
    """Cut LINK (1 or 2) between the sites, or both."""
    attached(context).cut(link)


@main.command()
@click.argument("link", type=int, required=False)
@click.pass_context
def heal(context: click.Context, link: Optional[int]) -> None:
    """Mend LINK (1 or 2) between the sites, or both."""
    attached(context).heal(link)


def _daemon_command(name: str, words: str) -> None:
    @main.command(name, help=f"Stop (at once) or start {words} of a site, nothing else.")
    @click.argument("order", type=click.Choice(["start", "stop"]))
    @site_argument
    @click.pass_context
    def command(context: click.Context, order: str, site: str) -> None:
        getattr(attached(context).sites[site], name)(order)


for _name, _words in (("api", "the API server"), ("kubelet", "the kubelet"), ("containerd", "containerd")):
    _daemon_command(_name, _words)


@main.command()
@site_argument
@click.pass_context
def shell(context: click.Context, site: str) -> None:
    """A shell inside a site."""
    _become(attached(context).sites[site].inside(["TERM=" + os.environ.get("TERM", "dumb"), "bash", "-l"]))


@main.command(context_settings={"ignore_unknown_options": True})
@site_argument
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def run(context: click.Context, site: str, argv: tuple[str, ...]) -> None:
    """Run a program inside a site."""
    _become(attached(context).sites[site].inside(argv))


@main.command(context_settings={"ignore_unknown_options": True})
@site_argument
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def kubectl(context: click.Context, site: str, argv: tuple[str, ...]) -> None:
    """kubectl as administrator inside a site."""
    _become(attached(context).sites[site].inside(["kubectl", *argv]))


@main.command(context_settings={"ignore_unknown_options": True})
@site_argument
@click.option("--container", "-c", default="pacemaker", show_default=True, help="Which container of the peer pod.")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def peer(context: click.Context, site: str, container: str, argv: tuple[str, ...]) -> None:
    """Run a program in a site's peer pod; the API server is not needed."""
    _become(attached(context).sites[site].inside(["python3", "-m", "sno.podexec", container, *argv]))


def _become(argv: list[str]) -> None:
    sys.stdout.flush()
    os.execvp(argv[0], argv)


@main.command()
@site_argument
@click.argument("daemon")
@click.option("--lines", "-l", default=40, show_default=True)
@click.pass_context
def logs(context: click.Context, site: str, daemon: str, lines: int) -> None:
    """The last lines of a site's DAEMON (etcd, kubelet, kube-apiserver, containerd …), powered off or not."""
    click.echo(attached(context).sites[site].log(daemon, lines))


@main.command()
@click.pass_context
def env(context: click.Context) -> None:
    """Shell lines for testcontainers, docker and kubectl to use this lab: eval "$(lab/lab env)"."""
    lab = attached(context)
    click.echo(f"export AOS_LAB={lab.name}\nexport DOCKER_HOST={lab.engine.url}\n"
               "export TESTCONTAINERS_RYUK_DISABLED=true")
    for site in lab.sites.values():
        click.echo(f"export KUBECONFIG_{site.name.upper().replace('-', '_')}={site.host_kubeconfig}")


def _extend() -> None:
    """Commands of other modules; a broken one must not take `down` away from whoever needs it."""
    for module in ("lab.oracle_cli",):
        try:
            importlib.import_module(module)
        except ImportError as error:
            click.echo(f"lab: without the commands of {module}: {error}", err=True)


_extend()


def entry() -> None:
    """The program: an expected error is one sentence and exit code 1."""
    try:
        main(prog_name="lab")
    except LabError as error:
        click.echo(f"lab: {error}", err=True)
        sys.exit(1)
    except APIError as error:
        click.echo(f"lab: the container engine refused: {error.explanation}", err=True)
        sys.exit(1)
