"""What runs inside a site: its packet filter, the daemons' command lines, the supervisor's obedience."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.sno import config, daemons, network, supervisor
from lab.sno.daemons import Daemon

SITE = config.SiteConfig("site-a", "10.91.9.11", {1: "10.91.1.12", 2: "10.91.2.12"})


def test_a_cut_drops_what_the_peer_sends_on_that_link_and_nothing_else() -> None:
    rules = network.cut_rules(SITE, {2})
    assert "-A PREROUTING -s 10.91.2.12/32 -j DROP" in rules
    assert "10.91.1.12" not in rules
    assert "10.91.9" not in rules


def test_no_cut_means_no_rule_but_the_whole_table_is_replaced() -> None:
    rules = network.cut_rules(SITE, set())
    assert "DROP" not in rules
    assert rules.startswith("*raw\n") and rules.endswith("COMMIT\n")


def test_the_cut_file_is_read(tmp_path: Path) -> None:
    assert config.cut_links(tmp_path) == set()
    (tmp_path / "cut").write_text("1\n2\n")
    assert config.cut_links(tmp_path) == {1, 2}


def test_the_configuration_is_read(tmp_path: Path) -> None:
    (tmp_path / "site.json").write_text(json.dumps(
        {"name": "site-a", "management": "10.91.9.11", "peers": {"1": "10.91.1.12", "2": "10.91.2.12"}}))
    assert config.load(tmp_path) == SITE


def test_no_daemon_has_a_secret_in_its_command_line() -> None:
    words = [word for daemon in daemons.daemons(SITE) for word in daemon.argv]
    assert not [word for word in words if "token" in word or "password" in word]


def test_the_api_server_authorizes_by_node_and_roles() -> None:
    apiserver = next(daemon for daemon in daemons.daemons(SITE) if daemon.name == "kube-apiserver")
    assert "--authorization-mode=Node,RBAC" in apiserver.argv


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., supervisor.Supervisor]]:
    """Makes supervisors whose logs go to a temporary place; ends what they started."""
    monkeypatch.setattr(supervisor, "LOGS", tmp_path)
    monkeypatch.setattr(supervisor, "RESTART_SECONDS", 0.05)
    made: list[supervisor.Supervisor] = []

    def make(*list_of: Daemon, recut: Callable[[], None] = lambda: None) -> supervisor.Supervisor:
        made.append(supervisor.Supervisor(list_of, recut))
        return made[-1]

    yield make
    for one in made:
        for name in one.slots:
            one.obey(["stop", name])


SLEEPER = Daemon("sleeper", ("sleep", "60"))


def test_stop_answers_when_the_daemon_is_dead_and_it_stays_so(board: Callable[..., supervisor.Supervisor]) -> None:
    site = board(SLEEPER)
    site._start_due()
    pid = site.slots["sleeper"].pid
    assert pid is not None and Path(f"/proc/{pid}").exists()
    assert site.obey(["stop", "sleeper"]) == "done"
    assert not Path(f"/proc/{pid}").exists()
    site._start_due()
    assert site.slots["sleeper"].pid is None


def test_start_brings_a_stopped_daemon_back_without_its_conditions(board: Callable[..., supervisor.Supervisor]) -> None:
    site = board(SLEEPER)
    site._start_due()
    site.obey(["stop", "sleeper"])
    site.slots["sleeper"].daemon = Daemon("sleeper", SLEEPER.argv, ("unix:/nowhere",))
    site.obey(["start", "sleeper"])
    site._start_due()
    assert site.slots["sleeper"].pid is not None


def test_at_boot_a_daemon_waits_for_what_it_needs(board: Callable[..., supervisor.Supervisor], tmp_path: Path) -> None:
    address = tmp_path / "socket"
    site = board(Daemon("later", SLEEPER.argv, (f"unix:{address}",)))
    site._start_due()
    assert site.slots["later"].pid is None
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        site._start_due()
    assert site.slots["later"].pid is not None


def test_a_daemon_that_ends_is_started_again(board: Callable[..., supervisor.Supervisor], tmp_path: Path) -> None:
    site = board(Daemon("brief", ("true",)))
    deadline = time.monotonic() + 5
    while site.slots["brief"].starts < 3 and time.monotonic() < deadline:
        site._start_due()
        time.sleep(0.02)
        site._reap()
    assert site.slots["brief"].starts >= 3
    assert "supervisor: ended, 0" in (tmp_path / "brief.log").read_text()


def test_a_program_that_is_missing_does_not_end_the_site(board: Callable[..., supervisor.Supervisor],
                                                         tmp_path: Path) -> None:
    site = board(Daemon("ghost", ("/no/such/program",)))
    site._start_due()
    assert site.slots["ghost"].pid is None
    assert "cannot be started" in (tmp_path / "ghost.log").read_text()


def test_a_refused_cut_is_an_error_and_not_the_end(board: Callable[..., supervisor.Supervisor]) -> None:
    def refuse() -> None:
        raise subprocess.CalledProcessError(1, ["iptables-restore"])

    assert board(SLEEPER, recut=refuse).obey(["recut"]).startswith("error: the cut state")


@pytest.mark.parametrize("words", [[], ["stop"], ["stop", "nobody"], ["restart", "sleeper"]])
def test_an_unknown_order_is_answered_with_the_known_ones(board: Callable[..., supervisor.Supervisor],
                                                          words: list[str]) -> None:
    assert "start DAEMON" in board(SLEEPER).obey(words)


def test_a_port_that_listens_but_does_not_serve_is_no_tls() -> None:
    """kube-apiserver opens its port two seconds before it answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        assert supervisor.accepts(f"tcp:{place}")
        assert not supervisor.accepts(f"tls:{place}")
    assert not supervisor.accepts(f"tcp:{place}")


def test_children_of_others_are_reaped_too(board: Callable[..., supervisor.Supervisor]) -> None:
    pid = os.posix_spawnp("true", ["true"], os.environ)
    site = board(SLEEPER)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        site._reap()
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()
