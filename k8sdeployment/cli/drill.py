"""`snopair drill`: would a takeover work? Asked without disturbing anything, or seen by fencing the other site."""

import json
from typing import Optional

import click

from k8sdeployment.cli import findings, names, refusals
from k8sdeployment.cli.acting import Deed, Form, force_option
from k8sdeployment.cli.verb import PairVerb


@click.command("drill", cls=PairVerb, short_help="See whether a takeover would work; with --fence, by fencing.")
@click.argument("site", required=False, shell_complete=names.sites)
@click.option("--fence", is_flag=True, help="Fence SITE, which must run nothing, and see it return.")
@click.option("--takeover", is_flag=True, help="With --fence: SITE runs workloads; take them over, and give them back.")
@click.option("--timeout", metavar="SECONDS", type=click.IntRange(min=1), default=900, show_default=True,
              help="How long each step may take; the fenced site boots within it.")
@force_option
@click.pass_context
def drill_verb(context: click.Context, site: Optional[str], fence: bool, takeover: bool, timeout: int, force: bool,
               output: Form) -> int:
    """See whether this site would take over from SITE, the other one.

    Without --fence nothing is disturbed: fence devices are asked, the ways to them looked at. With --fence SITE loses
    its power, as in a real takeover, and each step is measured. The result is kept: `snopair status` shows it, and an
    alert tells when the last one is too long ago.
    """
    deed = Deed(context, output, timeout)
    target = refusals.site(deed.view, site) if site else refusals.other(deed.view, deed.view.site)
    if takeover and not fence:
        raise click.UsageError("--takeover goes with --fence", context)
    from k8sdeployment.cli import hostlook, rehearsal
    from k8sdeployment.cli.reading import kept_pair
    pair = kept_pair(deed.world)
    if not fence:
        return findings.report(rehearsal.look(pair.spec, target, deed.view, deed.world, hostlook.Net()), output)
    works = [work for work in deed.live.works if deed.live.view and deed.live.view.where(work.resource) == target]
    objections = list(refusals.to_drill(deed.view, deed.live, target, works if takeover else None, pair.spec))
    deed.weigh(f"fencing {target}", objections, force)
    result = rehearsal.fence(target, works, deed.patience, deed.world, pair.spec)
    if output == "json":
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        click.echo(rehearsal.told(result))
    return 0 if result["good"] else 1
