"""Make a lab's networks, disks and containers through the Docker API, each with the lab's label."""

import json
from typing import Any

from docker.models.containers import Container
from docker.types import EndpointConfig, IPAMConfig, IPAMPool

from lab import paths
from lab.build import images
from lab.engine import Engine
from lab.names import ARBITRATOR, BMC_PORT, BOARD_HOST, LABEL, MANAGEMENT, LabPlan, Network, SitePlan
from lab.state import LabState, write_private


def labelled(engine: Engine, name: str) -> list[Container]:
    """All containers of the lab, running or not."""
    found: list[Container] = engine.client.containers.list(all=True, filters={"label": f"{LABEL}={name}"})
    return found


def containers(engine: Engine, state: LabState, plan: LabPlan) -> None:
    """Networks, then a disk, a site and a BMC each, and the arbitrator; all of them started."""
    for network in plan.networks:
        _network(engine, plan, network)
    for site in plan.sites:
        engine.client.volumes.create(site.volume, labels={LABEL: plan.name})
        _site(engine, state, site).start()
    for site in plan.sites:
        _bmc(engine, state, site).start()
    _arbitrator(engine, state, plan).start()


def _network(engine: Engine, plan: LabPlan, network: Network) -> None:
    """The links are internal: they lead nowhere but to the other site."""
    pool = IPAMPool(subnet=network.subnet, gateway=network.gateway)
    engine.client.networks.create(network.name, driver="bridge", internal=network.part != MANAGEMENT,
                                  ipam=IPAMConfig(pool_configs=[pool]), labels={LABEL: plan.name})


def _site(engine: Engine, state: LabState, site: SitePlan) -> Container:
    own = state.site_directory(site)
    binds = [f"{site.volume}:/disk", f"{own / 'sno'}:/etc/sno:ro", f"{own / 'kubernetes'}:/etc/kubernetes:ro",
             f"{paths.cache_dir() / 'archives'}:/archives:ro"]
    container = _create(engine, site.lab, site.container, images.SITE, binds, 10 + site.ordinal, privileged=True,
                        hostname=site.name, cgroupns="private",
                        tmpfs={"/run": "rw,exec,suid,dev,mode=755", "/tmp": "rw,exec,mode=1777"})
    for number in (1, 2):
        network = site.lab.network(number)
        engine.client.api.connect_container_to_network(
            site.container, network.name, ipv4_address=network.address(10 + site.ordinal), mac_address=site.mac(number))
    return container


def _arbitrator(engine: Engine, state: LabState, plan: LabPlan) -> Container:
    """As docs/quorum.md has it: the product's own image."""
    state.arbitrator_directory.mkdir(mode=0o700, exist_ok=True)
    return _create(engine, plan, plan.arbitrator_container, images.PEER,
                   [f"{state.arbitrator_directory}:/etc/corosync/qnetd"], ARBITRATOR, hostname="arbitrator",
                   command=["/usr/libexec/aos/arbitrator"])


def _bmc(engine: Engine, state: LabState, site: SitePlan) -> Container:
    own = state.bmc_directory(site)
    socket = engine_socket(engine)
    _bmc_files(state, site, socket[1])
    binds = [f"{own}:/etc/bmc", f"{socket[0]}:{socket[2]}", f"{state.events_file}:/run/lab/events.jsonl"]
    return _create(engine, site.lab, site.bmc_container, images.BMC, binds, 20 + site.ordinal,
                   hostname=f"bmc-{site.name}", tmpfs={"/run/bmc": "rw,mode=700"})


def board(engine: Engine, plan: LabPlan, binds: list[str]) -> Container:
    """The board, not started."""
    return _create(engine, plan, plan.board_container, images.BOARD, binds, BOARD_HOST, hostname="board",
                   tmpfs={"/run/board": "rw,mode=700"})


def engine_socket(engine: Engine) -> tuple[str, str, str]:
    """What to mount, the socket's path in the BMC or the board, and the mount point.

    The lab's own service may die and come back with a new socket of the same name: then the directory is mounted.
    """
    if engine.own:
        return str(engine.socket.parent), f"/run/engine/{engine.socket.name}", "/run/engine"
    return str(engine.socket), "/run/engine.sock", "/run/engine.sock"


def _bmc_files(state: LabState, site: SitePlan, socket: str) -> None:
    own = state.bmc_directory(site)
    user, password = state.credentials(site)
    write_private(own / "lan.conf", lan_conf(site, user, password))
    (own / "bmc.emu").write_text("mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\n"
                                 "mc_enable 0x20\n")
    (own / "bmc.json").write_text(json.dumps({"site": site.name, "container": site.container, "socket": socket,
                                              "lock": "/etc/bmc/power.lock"}))


def lan_conf(site: SitePlan, user: str, password: str) -> str:
    """ipmi_sim's configuration: one LAN channel, one administrator; user 1 is the nameless one and stays disabled."""
    return (f'name "{site.bmc_container}"\n'
            f'set_working_mc 0x20\n'
            f'  startlan 1\n'
            f'    addr 0.0.0.0 {BMC_PORT}\n'
            f'    priv_limit admin\n'
            f'    allowed_auths_callback none md5\n    allowed_auths_user md5\n'
            f'    allowed_auths_operator md5\n    allowed_auths_admin md5\n'
            f'    guid a05a05a05a05a05a05a05a05a05a05{site.ordinal:02x}\n'
            f'  endlan\n'
            f'  chassis_control "python3 -m bmc.chassis"\n'
            f'  user 1 false "" "" user 10 none\n'
            f'  user 2 true "{user}" "{password}" admin 10 md5\n')


def _create(engine: Engine, plan: LabPlan, name: str, image: str, binds: list[str], host: int,
            **more: Any) -> Container:
    """A container on the management network at the host's number, with its fixed MAC address."""
    network = plan.network(MANAGEMENT)
    endpoint = EndpointConfig(engine.client.api.api_version, ipv4_address=network.address(host),
                              mac_address=plan.mac(MANAGEMENT, host))
    container: Container = engine.client.containers.create(
        image, name=name, labels={LABEL: plan.name}, volumes=binds, network=network.name,
        networking_config={network.name: endpoint}, **more)
    return container
