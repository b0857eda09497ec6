"""The board: a domain is never off before its site is dead, and follows a site that was switched elsewhere."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import pytest

from lab.bmc import chassis, domain
from lab.bmc.domain import STARTED, STOPPED, Power
from lab.bmc.power import BmcSwitch, PowerError, lie
from tests.lab_unit.test_bmc import Engine, engine, switch

__all__ = ["engine", "switch"]


class Refused(Exception):
    """Stands for libvirt.libvirtError."""


@dataclass
class Domain:
    """A domain whose hook is called as libvirt does; `meanwhile` happens between its state and the order."""

    power: Power
    active: bool = True
    meanwhile: list[Callable[[], None]] = field(default_factory=list)

    def isActive(self) -> int:
        return int(self.active)

    def create(self) -> None:
        self._meanwhile()
        if self.active:
            raise Refused("domain is already running")
        try:
            domain.hooked(self.power, STARTED)
        except PowerError as error:
            domain.hooked(self.power, STOPPED)
            raise Refused(str(error)) from None
        self.active = True

    def destroy(self) -> None:
        self._meanwhile()
        if not self.active:
            raise Refused("domain is not running")
        domain.hooked(self.power, STOPPED)
        self.active = False

    def _meanwhile(self) -> None:
        if self.meanwhile:
            self.meanwhile.pop(0)()


@pytest.fixture
def power(switch: BmcSwitch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Power:
    monkeypatch.setattr(domain, "FOLLOWING", tmp_path)
    monkeypatch.setattr(chassis, "EVENTS", tmp_path / "events.jsonl")
    (tmp_path / "events.jsonl").touch()
    return Power("site-a", switch)


def told(directory: Path) -> list[str]:
    return [json.loads(line)["detail"] for line in (directory / "events.jsonl").read_text().splitlines()]


def test_a_domain_is_off_when_its_site_is_dead(engine: Engine, power: Power, tmp_path: Path) -> None:
    engine.lingers = 3
    Domain(power).destroy()
    assert not engine.running and told(tmp_path) == ["off asked", "off: the site is dead"]


def test_a_domain_is_not_off_while_its_site_lives_however_long(
        engine: Engine, power: Power, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.bmc.power.DEATH_SECONDS", 0.05)
    monkeypatch.setattr(domain, "AGAIN", 0.01)
    engine.lingers = 10 ** 6
    hook = threading.Thread(target=domain.hooked, args=(power, STOPPED))
    hook.start()
    hook.join(0.5)
    assert hook.is_alive()
    engine.lingers = 0
    hook.join(10)
    assert not hook.is_alive() and not engine.running
    assert any("still lived" in line for line in told(tmp_path)) and told(tmp_path)[-1] == "off: the site is dead"


def test_a_domain_that_starts_starts_its_site(engine: Engine, power: Power, tmp_path: Path) -> None:
    power.switch.off()
    Domain(power, active=False).create()
    assert engine.running and told(tmp_path) == ["on asked", "on: the site runs"]


@pytest.mark.parametrize("on", [True, False])
def test_a_domain_follows_a_site_that_was_switched_elsewhere_and_gives_no_order(
        engine: Engine, power: Power, tmp_path: Path, on: bool) -> None:
    if not on:
        power.switch.off()
    orders, one = list(engine.orders), Domain(power, active=not on)
    domain.follow(power, one, Refused)
    assert one.active is on and engine.running is on
    assert engine.orders == orders and told(tmp_path) == [] and not (tmp_path / "site-a").exists()


def test_a_site_that_goes_off_while_its_domain_follows_is_not_started(engine: Engine, power: Power) -> None:
    one = Domain(power, active=False, meanwhile=[power.switch.off])
    domain.follow(power, one, Refused)
    assert not one.active and not engine.running and "start" not in engine.orders


def test_somebody_else_who_follows_at_the_same_moment_is_no_fault(engine: Engine, power: Power) -> None:
    one = Domain(power, active=False)
    one.meanwhile = [lambda: setattr(one, "active", True)]
    domain.follow(power, one, Refused)
    assert one.active


def test_a_domain_that_does_not_follow_is_told(power: Power) -> None:
    class Stuck(Domain):
        def create(self) -> None:
            raise Refused("no memory")

    with pytest.raises(PowerError, match="site-a does not follow its site: no memory"):
        domain.follow(power, Stuck(power, active=False), Refused)


def test_a_domain_of_a_board_that_lies_is_off_while_its_site_runs_on(
        engine: Engine, power: Power, tmp_path: Path) -> None:
    """And it follows its site again once the board tells the truth."""
    one = Domain(power)
    lie(tmp_path / "lock", True)
    domain.follow(power, one, Refused)
    one.destroy()
    domain.follow(power, one, Refused)
    assert not bool(one.active) and engine.running and told(tmp_path) == ["told a lie: stopped"]
    lie(tmp_path / "lock", False)
    domain.follow(power, one, Refused)
    assert bool(one.active) and not engine.orders
