"""A BMC's orders and its truthfulness, against an engine that is a real HTTP server on a Unix socket."""

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from lab.bmc import chassis
from lab.bmc.power import BmcSwitch, PowerError, Switch, lie


class Engine(socketserver.ThreadingUnixStreamServer):
    """One container; `lingers` is how many looks it still says Running after a kill."""

    def __init__(self, path: str) -> None:
        super().__init__(path, _Requests)
        self.running = True
        self.lingers = 0
        self.dying = False
        self.orders: list[str] = []


class _Requests(BaseHTTPRequestHandler):
    server: Engine

    def do_POST(self) -> None:
        self.server.orders.append(self.path.rpartition("/")[2].partition("?")[0])
        if self.server.orders[-1] == "kill":
            self.server.dying = True
        else:
            self.server.running, self.server.dying = True, False
        self._answer(204, b"")

    def do_GET(self) -> None:
        if self.server.dying:
            self.server.lingers -= 1
            self.server.running = self.server.lingers >= 0
        self._answer(200, json.dumps({"State": {"Running": self.server.running}}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to say."""

    def address_string(self) -> str:
        return "unix"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    server = Engine(str(tmp_path / "engine.sock"))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def switch(engine: Engine, tmp_path: Path) -> BmcSwitch:
    return BmcSwitch(str(tmp_path / "engine.sock"), "lab-site-a", tmp_path / "lock")


def test_off_returns_only_when_the_site_is_dead(engine: Engine, switch: BmcSwitch) -> None:
    engine.lingers = 3
    switch.off()
    assert not engine.running


def test_a_site_that_does_not_die_is_never_called_off(engine: Engine, switch: BmcSwitch,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    engine.lingers = 10 ** 6
    monkeypatch.setattr("lab.bmc.power.DEATH_SECONDS", 0.2)
    with pytest.raises(PowerError, match="still lived"):
        switch.off()


def test_without_an_engine_nothing_is_claimed(tmp_path: Path) -> None:
    absent = Switch(str(tmp_path / "none.sock"), "lab-site-a", tmp_path / "lock")
    with pytest.raises(PowerError, match="does not answer"):
        absent.off()
    with pytest.raises(PowerError, match="does not answer"):
        absent.is_on()


def test_a_start_that_is_no_longer_wanted_does_not_happen(engine: Engine, switch: BmcSwitch) -> None:
    """Off came between the order to start and the start: the site must stay off."""
    switch.off()
    switch.on(lambda: False)
    assert engine.orders == ["kill"]
    assert not switch.is_on()


@pytest.mark.parametrize("parameters, expected", [
    (["power", "0"], ["off"]), (["power", "1"], ["on"]), (["power", "2"], ["reset"]), (["reset", "1"], ["reset"]),
    (["shutdown", "1"], ["off"]), (["boot", "disk"], []), (["identify", "1"], []),
])
def test_what_ipmi_sim_sets_becomes_an_order(parameters: list[str], expected: list[str]) -> None:
    assert chassis.orders(parameters) == expected


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The BMC's own files."""
    monkeypatch.setattr(chassis, "PENDING", tmp_path / "pending")
    monkeypatch.setattr(chassis, "EVENTS", tmp_path / "events.jsonl")
    (tmp_path / "events.jsonl").touch()
    return tmp_path


def test_power_is_read_from_the_engine(engine: Engine, switch: BmcSwitch, board: Path) -> None:
    assert chassis.read(["power", "boot", "identify"], switch) == ["power:1", "boot:default", "identify:0"]
    switch.off()
    assert chassis.read(["power"], switch) == ["power:0"]


def test_power_is_on_while_a_start_is_under_way_but_not_for_ever(switch: BmcSwitch, board: Path) -> None:
    switch.off()
    (board / "pending").write_text("99999999999 1")
    assert chassis.read(["power"], switch) == ["power:1"]
    (board / "pending").write_text("0 1")
    assert chassis.read(["power"], switch) == ["power:0"]


def test_off_takes_a_pending_start_back_and_is_told_in_the_events(
        engine: Engine, switch: BmcSwitch, board: Path) -> None:
    (board / "pending").write_text("99999999999 1")
    chassis.obey("off", switch, "site-a")
    assert chassis.read(["power"], switch) == ["power:0"]
    details = [json.loads(line)["detail"] for line in (board / "events.jsonl").read_text().splitlines()]
    assert details == ["off asked", "off: the site is dead"]


def test_a_chassis_that_is_off_cannot_be_reset(engine: Engine, switch: BmcSwitch, board: Path) -> None:
    switch.off()
    with pytest.raises(PowerError, match="off cannot be reset"):
        chassis.obey("reset", switch, "site-a")
    assert engine.orders == ["kill"]


def test_a_bmc_that_lies_switches_nothing_and_says_what_it_was_told(
        engine: Engine, switch: BmcSwitch, board: Path, tmp_path: Path) -> None:
    lie(tmp_path / "lock", True)
    assert chassis.read(["power"], switch) == ["power:1"]
    chassis.obey("off", switch, "site-a")
    assert chassis.read(["power"], switch) == ["power:0"] and engine.running and not engine.orders
    assert "asked" not in chassis.EVENTS.read_text(), "no order that was carried out"
    lie(tmp_path / "lock", False)
    assert chassis.read(["power"], switch) == ["power:1"]
    chassis.obey("off", switch, "site-a")
    assert not engine.running
