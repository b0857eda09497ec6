"""A board on a running lab: Redfish over TLS, SSH with virsh, and fence_virt, for both sites; `down` takes it away.

No lab has one by itself. It is one more way to the sites' power, beside their BMCs and the lab's own switch; all of
them agree, for the board asks how a site is before it says anything.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from docker.models.containers import Container

from lab import certs, make, waiting
from lab.bmc import virtd
from lab.bmc.board import CLIENT, HOST, READY, REDFISH_PORT, SSH_PORT, identity
from lab.build import images
from lab.names import LabPlan
from lab.sites import Lab
from lab.state import LabState, write_private

Say = Callable[[str], None]
START_SECONDS = 60.0


@dataclass(frozen=True, repr=False)
class Board:
    """What somebody must know who fences by the board; the secrets are bytes, as they go into Secrets."""

    address: str
    user: str
    password: bytes
    authority: bytes
    key: bytes
    known_hosts: bytes
    shared: bytes

    def system(self, site: str) -> str:
        """Redfish's path of a site."""
        return f"/redfish/v1/Systems/{identity(site)}"


def start(lab: Lab, say: Say = print) -> Board:
    """The board of the lab, running; its image is built first if need be."""
    directory = lab.state.board_directory
    images.build_board(lab.engine, say)
    if not _running(lab):
        _furnish(lab.state, lab.plan)
        say("starting the board")
        _container(lab).start()
        waiting.until((directory / READY.name).exists, "the board answering", START_SECONDS, lambda: _words(lab))
    return _board(lab.plan, directory)


def _running(lab: Lab) -> bool:
    """Whether it runs already; one that ended is removed."""
    for container in make.labelled(lab.engine, lab.name):
        if container.name == lab.plan.board_container:
            container.reload()
            if container.status == "running":
                return True
            container.remove(force=True)
    return False


def _words(lab: Lab) -> str:
    words: bytes = lab.engine.client.containers.get(lab.plan.board_container).logs(tail=8)
    return words.decode(errors="replace").strip() or "it said nothing"


def _furnish(state: LabState, plan: LabPlan) -> None:
    """An authority with one certificate, and Redfish's password, made once; SSH's keys the board makes by itself."""
    directory = state.board_directory
    pki = directory / "pki"
    if not pki.exists():
        pki.mkdir(mode=0o700, parents=True)
        certs.certificate(pki, certs.Identity("ca", f"/CN={plan.board_container}"), authority=True)
        certs.certificate(pki, certs.Identity("board", f"/CN={plan.board}", (f"IP:{plan.board}",)))
        write_private(directory / "credentials.json", json.dumps({"user": "fence", "password": secrets.token_hex(8)}))
    (directory / READY.name).unlink(missing_ok=True)
    for site in plan.sites:
        state.power_lock(site).touch()


def _container(lab: Lab) -> Container:
    state, plan, engine = lab.state, lab.plan, lab.engine
    outside, socket, inside = make.engine_socket(engine)
    locks = {site.name: f"/run/locks/{site.name}" for site in plan.sites}
    (state.board_directory / "board.json").write_text(json.dumps({"socket": socket, "sites": {
        site.name: {"container": site.container, "lock": locks[site.name]} for site in plan.sites}}))
    binds = [f"{state.board_directory}:/etc/board", f"{outside}:{inside}", f"{state.events_file}:/run/lab/events.jsonl",
             *(f"{state.power_lock(site)}:{locks[site.name]}" for site in plan.sites)]
    return make.board(engine, plan, binds)


def _board(plan: LabPlan, directory: Path) -> Board:
    known = json.loads((directory / "credentials.json").read_text())
    host = (directory / f"{HOST.name}.pub").read_text().split()[:2]
    return Board(plan.board, known["user"], known["password"].encode(), (directory / "pki/ca.crt").read_bytes(),
                 (directory / CLIENT.name).read_bytes(), f"{plan.board} {' '.join(host)}\n".encode(),
                 (directory / virtd.KEY).read_bytes())


__all__ = ["REDFISH_PORT", "SSH_PORT", "Board", "start"]
