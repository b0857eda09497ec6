"""The host's unit that hands over before a shutdown, and the same in a MachineConfig. tests/lab runs its lines."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

HOST = Path(__file__).parents[2] / "deploy" / "host"
UNIT = HOST / "aos-handover.service"


def test_the_machine_config_holds_the_same_unit() -> None:
    config = yaml.safe_load((HOST / "machineconfig.yaml").read_text())
    (unit,) = config["spec"]["config"]["systemd"]["units"]
    assert (unit["name"], unit["enabled"], unit["contents"]) == (UNIT.name, True, UNIT.read_text())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze, of the package systemd")
def test_systemd_takes_the_unit() -> None:
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", UNIT], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, said) == (0, [])
