"""The site's first process: boot the machine, then keep its daemons running."""

import resource

from . import config, daemons, machine, network, supervisor


def main() -> None:
    """Nothing is started before the cut state is in force."""
    site = config.load()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    machine.boot()
    network.boot(site, config.cut_links())
    supervisor.Supervisor(daemons.daemons(site), lambda: network.apply_cut(site, config.cut_links())).run()


main()
