"""Fence devices are asked in turn, again when they are due, and anew when they are told to be asked differently."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from k8sdeployment.conductor import passwords
from k8sdeployment.conductor import proof as module
from k8sdeployment.conductor.passwords import Passwords
from k8sdeployment.conductor.proof import Prover, ask
from k8sdeployment.pair.facts import Proof
from k8sdeployment.pair.model import Device
from tests.pair.sample import pair, site


class Devices:
    """Answers of the devices; `asked` counts them."""

    def __init__(self) -> None:
        self.why: str | None = None
        self.refused: str | None = None
        self.asked: list[Device] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, name: str, device: Device, new: bool) -> str | None:
        self.gate.wait(20)
        self.asked.append(device)
        return self.refused if new else self.why


def settled(prover: Prover) -> dict[str, Proof]:
    """The proofs once nobody is asked any more."""
    assert prover._running is not None
    prover._running.join(20)
    return prover.proofs()


def test_the_other_site_s_devices_are_asked_and_no_others() -> None:
    devices = Devices()
    prover = Prover(devices, lambda: 1000.0)
    prover.look(pair(), "site-a")
    assert settled(prover) == {"fence-site-b-1": Proof(True, 1000)}


def test_a_good_device_is_left_alone_and_a_bad_one_asked_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = Devices()
    monkeypatch.setattr(module, "SOON", 0.0)
    prover = Prover(devices, lambda: 1000.0)
    devices.why = "fence_ipmilan failed (1): Unable to connect"
    prover.look(pair(), "site-b")
    assert settled(prover)["fence-site-a-1"].why == "fence_ipmilan failed (1): Unable to connect"
    devices.why = None
    prover.look(pair(), "site-b")
    assert settled(prover)["fence-site-a-1"].good
    prover.look(pair(), "site-b")
    settled(prover)
    assert len(devices.asked) == 2


def test_a_device_that_changed_is_no_longer_proven() -> None:
    devices = Devices()
    prover = Prover(devices, lambda: 1000.0)
    prover.look(pair(), "site-a")
    settled(prover)
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    sites[1]["fencing"]["devices"][0]["parameters"]["ip"] = "203.0.113.99"
    devices.gate.clear()
    prover.look(pair(sites=sites), "site-a")
    assert prover.proofs() == {}
    devices.gate.set()
    assert settled(prover)["fence-site-b-1"].good and len(devices.asked) == 2


def test_an_answer_that_comes_after_the_change_proves_nothing() -> None:
    """The device of before was being asked still: neither its "on" nor its failure says anything of the new one."""
    devices = Devices()
    devices.gate.clear()
    prover = Prover(devices, lambda: 1000.0)
    prover.look(pair(), "site-a")
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    sites[1]["fencing"]["devices"][0]["parameters"]["ip"] = "203.0.113.99"
    prover.look(pair(sites=sites), "site-a")
    devices.gate.set()
    assert settled(prover) == {}
    prover.look(pair(sites=sites), "site-a")
    assert settled(prover)["fence-site-b-1"].good
    assert [device.parameters["ip"] for device in devices.asked] == ["203.0.113.12", "203.0.113.99"]


def test_a_device_that_hangs_holds_nobody_up() -> None:
    devices = Devices()
    devices.gate.clear()
    prover = Prover(devices, lambda: 1000.0)
    prover.look(pair(), "site-a")
    prover.look(pair(), "site-a")
    assert prover.proofs() == {} and devices.asked == []
    devices.gate.set()
    settled(prover)
    assert len(devices.asked) == 1


@pytest.mark.parametrize("program, why", [
    ("exit 0", None), ("exit 2", None), ("echo wrong password >&2; exit 1", "fence_test failed (1): wrong password"),
    ("read first; test \"$first\" = action=status && exit 0; exit 3", None)])
def test_an_agent_is_asked_as_pacemaker_asks_it(
        tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, program: str,
        why: str | None) -> None:
    directory = tmp_path_factory.mktemp("bin")
    (directory / "fence_test").write_text(f"#!/bin/sh\n{program}\n")
    (directory / "fence_test").chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=":")
    assert ask("fence-b-1", Device.model_validate({"agent": "fence_test"}), False) == why


def test_an_agent_that_is_not_there() -> None:
    assert ask("fence-b-1", Device.model_validate({"agent": "fence_nowhere"}), False) == (
        "fence_nowhere cannot be run: No such file or directory")


# -- passwords -------------------------------------------------------------------------------------------------------

@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Where the Secret's value is mounted, and where the proven one is kept."""
    (tmp_path / "given/bmc-site-b").mkdir(parents=True)
    (tmp_path / "given/bmc-site-b/password").write_text("old")
    return tmp_path


def test_a_password_is_used_once_its_device_answered_to_it(secrets: Path) -> None:
    devices, used = Devices(), secrets / "proven/fence-site-b-1/password"
    prover = Prover(devices, lambda: 1000.0, Passwords(str(secrets / "given"), str(secrets / "proven")))
    prover.look(pair(), "site-a")
    assert settled(prover) == {"fence-site-b-1": Proof(True, 1000)}
    assert used.read_text() == "old" and used.stat().st_mode & 0o777 == 0o400
    (secrets / "given/bmc-site-b/password").write_text("new")
    prover.look(pair(), "site-a")  # at once, not when the device is due
    assert settled(prover)["fence-site-b-1"].good and used.read_text() == "new" and len(devices.asked) == 2


def test_a_wrong_new_password_is_told_and_the_old_one_stays(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices, used = Devices(), secrets / "proven/fence-site-b-1/password"
    prover = Prover(devices, lambda: 1000.0, Passwords(str(secrets / "given"), str(secrets / "proven")))
    prover.look(pair(), "site-a")
    settled(prover)
    (secrets / "given/bmc-site-b/password").write_text("wrong")
    devices.refused = "fence_ipmilan failed (1): wrong password"
    prover.look(pair(), "site-a")
    told = settled(prover)["fence-site-b-1"]
    assert told.good and used.read_text() == "old"
    assert told.note == ("the new password of Secret bmc-site-b is not used, for it failed: fence_ipmilan failed (1): "
                         "wrong password")
    asked = len(devices.asked)
    prover.look(pair(), "site-a")
    settled(prover)
    assert len(devices.asked) == asked, "a BMC may lock an account that fails too often"
    (secrets / "given/bmc-site-b/password").write_text("old")
    prover.look(pair(), "site-a")
    assert settled(prover)["fence-site-b-1"] == Proof(True, 1000), "set right again, and told at once"
    (secrets / "given/bmc-site-b/password").write_text("wrong")
    devices.refused = None
    monkeypatch.setattr(passwords, "RETRY", 0.0)
    prover.look(pair(), "site-a")
    assert settled(prover)["fence-site-b-1"] == Proof(True, 1000) and used.read_text() == "wrong"


def test_a_secret_that_changes_while_its_device_is_asked_is_not_kept(secrets: Path) -> None:
    class Slow(Devices):
        def __call__(self, name: str, device: Device, new: bool) -> str | None:
            (secrets / "given/bmc-site-b/password").write_text("newer")
            return super().__call__(name, device, new)

    prover = Prover(Slow(), lambda: 1000.0, Passwords(str(secrets / "given"), str(secrets / "proven")))
    prover.look(pair(), "site-a")
    told = settled(prover)["fence-site-b-1"]
    assert told.good and told.note == "its Secret changed while it was asked; the new value is asked next"
    assert not (secrets / "proven").exists()


def test_the_first_password_being_wrong_proves_nothing(secrets: Path) -> None:
    devices = Devices()
    devices.refused = "fence_ipmilan failed (1): wrong password"
    prover = Prover(devices, lambda: 1000.0, Passwords(str(secrets / "given"), str(secrets / "proven")))
    prover.look(pair(), "site-a")
    assert settled(prover)["fence-site-b-1"] == Proof(False, 1000, devices.refused)
    assert not (secrets / "proven").exists()


def test_a_full_memory_leaves_the_secrets_own(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    kept = Passwords(str(secrets / "given"), str(secrets / "proven"))
    monkeypatch.setattr(kept, "keep", full)
    prover = Prover(Devices(), lambda: 1000.0, kept)
    prover.look(pair(), "site-a")
    told = settled(prover)["fence-site-b-1"]
    assert told.good and told.note == "its password cannot be kept: No space left on device; the Secret's own is used"
