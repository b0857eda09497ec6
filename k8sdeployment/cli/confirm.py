"""The verb `confirm`: a person's word that a site is off, where no device can say so or none may act on it."""

import click

from k8sdeployment.cli import deeds, names, refusals
from k8sdeployment.cli.acting import Deed, Form, timeout_option
from k8sdeployment.cli.reading import kept_pair
from k8sdeployment.cli.refusals import Objection
from k8sdeployment.cli.verb import PairVerb


@click.command("confirm", cls=PairVerb, short_help="Say that a lost site is off, so that the other one takes over.")
@click.argument("site", shell_complete=names.sites)
@click.option("--fence", is_flag=True, help="Switch it off by its fence devices first.")
@timeout_option
@click.pass_context
def confirm_verb(context: click.Context, site: str, fence: bool, timeout: int, output: Form) -> int:
    """Say that SITE is off, so that this site takes over what ran there.

    You answer for it: if SITE runs on, its workloads run twice. Go there, or see it dark. Refused while a link or a
    fence device shows that it is alive. It asks nothing back, so it works without a terminal. Until it is said, nothing
    that fails here is started again.
    """
    deed = Deed(context, output, timeout)
    name = refusals.site(deed.view, site)
    known = deed.view.site_named(name)
    assert deed.live.view is not None and known is not None
    if known.state == "offline" and deed.live.view.quorate:
        return deed.done(f"{name} is known to be off, or left in order: there is nothing to confirm", site=name,
                         seconds=0.0)
    what = f"confirming that {name} is off"
    refusals.insist(what, list(refusals.to_confirm(deed.view, name)), False)
    # Loaded when it is needed: the model takes longer than the rest of the program.
    from k8sdeployment.cli import hostlook
    from k8sdeployment.cli import lifesigns as life
    from k8sdeployment.pair import timing
    spec = kept_pair(deed.world).spec
    target = spec.site(name)

    def alive() -> list[Objection]:
        """Why it is alive, as the links show it now."""
        return [Objection(one) for one in life.on_links(target, deed.world, hostlook.Net())]

    if fence:
        deed.say(f"  0.0 s  {life.switch_off(target, deed.world)}")
        # The links need a while to notice.
        begin = deed.world.monotonic()
        while alive() and deed.world.monotonic() - begin < timing.gone(spec):
            deed.world.wait(deeds.PAUSE)
    refusals.insist(what, alive(), False)
    powers = life.powers(target, deed.world)
    refusals.insist(what, [Objection(f"{one.name} says that its power is on: switch it off there, or with --fence")
                           for one in powers if one.on], False)
    for one in powers:
        deed.say(f"  0.0 s  {one.name}: {one}")
    seconds = deeds.confirm(name, lambda: refusals.insist(what, alive(), False), deed.patience)
    return deed.done(f"{name} counts as off by your word ({seconds:.1f} s)", site=name, seconds=round(seconds, 1))
