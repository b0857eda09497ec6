"""The whole process as Pacemaker runs it: codes, reasons, streams and time, with an API that is away or not there."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from k8sdeployment.agent.main import main
from k8sdeployment.agent.metadata import xml
from k8sdeployment.agent.parameters import PARAMETERS

from .cluster import TIMEOUT, Result, act, environment, write_kubeconfig
from .kernel import interpreters, needs_root
from .tls import Authority

ACTIONS = ["monitor", "start", "stop", "validate-all"]
INTERVAL = "OCF_RESKEY_CRM_meta_interval"


@pytest.fixture(params=interpreters(), ids=lambda path: Path(path).name)
def python(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig of an API whose port is closed."""
    directory = tmp_path_factory.mktemp("away")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return write_kubeconfig(directory / "kubeconfig", Authority(directory), port)


def run(installed: Path, action: str, env: dict[str, str], *more: str) -> Result:
    return act(interpreters()[0], installed, action, env, *more)


# -- metadata ------------------------------------------------------------------------------------------------------

def test_metadata_needs_no_environment(python: str, installed: Path) -> None:
    assert act(python, installed, "meta-data", {}) == Result(0, xml(), "")


@needs_root
def test_metadata_for_nobody_in_particular(installed: Path) -> None:
    before = ("/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert act(interpreters()[0], installed, "meta-data", {}, before=before).out == xml()


def test_metadata_from_the_checkout_and_by_a_link(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(installed)
    assert run(tmp_path / "link", "meta-data", {}).out == xml()
    checkout = Path(__file__).parents[2] / "ocf/k8sdeployment"
    assert run(checkout, "meta-data", {}).out == xml()


def test_the_executable_runs_by_itself(installed: Path) -> None:
    first = installed.read_text().splitlines()[0]
    assert first.startswith("#!/usr/bin/python3 -") and set("IS") <= set(first.rpartition("-")[2])
    assert installed.stat().st_mode & 0o111


# -- actions that are none -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("action", ["promote", "demote", "migrate_to", "migrate_from", "notify", "reload",
                                    "reload-agent", "usage", "Monitor", "monitor ", "--help", ""])
def test_an_unknown_action_is_unimplemented(installed: Path, action: str) -> None:
    assert run(installed, action, environment()).code == 3


def test_further_arguments_are_ignored(installed: Path) -> None:
    assert run(installed, "meta-data", {}, "x", "--help", "-1").out == xml()
    assert run(installed, "validate-all", environment(), "--bad").code == 0


# -- parameters ----------------------------------------------------------------------------------------------------

def test_validate_all_needs_neither_environment_nor_api(python: str, installed: Path) -> None:
    assert act(python, installed, "validate-all", {"OCF_RESKEY_deployment": "app"}) == Result(0, "", "")


WRONG = {"deployment": "-", "namespace": "-", "kind": "Pod", "replica_min": "x", "replica_max": "x", "kubeconfig": "x",
         "api_grace": "1", "unavailable_grace": "x", "guard": "x", "permit_dir": "x", "drift": "x", "local_stop": "x"}


@pytest.mark.parametrize("action,code", [("validate-all", 6), ("start", 6), ("monitor", 1), ("stop", 1)])
def test_every_fault_is_named_in_one_line(installed: Path, action: str, code: int) -> None:
    assert set(WRONG) == {parameter.name for parameter in PARAMETERS} - {"context"}
    result = run(installed, action, environment(**WRONG) | {INTERVAL: "10000"})
    assert (result.code, result.out) == (code, "")
    for name in WRONG:
        assert f"{name}=" in result.reason
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("action,code", [("validate-all", 6), ("start", 6), ("monitor", 1), ("stop", 1)])
def test_without_any_parameter(installed: Path, action: str, code: int) -> None:
    result = run(installed, action, {})
    assert result.code == code and "deployment is missing" in result.reason


@pytest.mark.parametrize("action,code", [("validate-all", 6), ("start", 6), ("monitor", 1), ("stop", 1)])
def test_another_version_of_the_ocf_api(installed: Path, action: str, code: int) -> None:
    result = run(installed, action, environment() | {"OCF_RA_VERSION_MAJOR": "2"})
    assert result.code == code and "OCF_RA_VERSION_MAJOR='2'" in result.reason


def test_the_reason_has_the_given_prefix(installed: Path) -> None:
    env = environment(guard="x") | {"OCF_EXIT_REASON_PREFIX": "why>>"}
    assert run(installed, "validate-all", env).err.startswith("why>>guard=")
    del env["OCF_EXIT_REASON_PREFIX"]
    assert run(installed, "validate-all", env).err.startswith("ocf-exit-reason:guard=")


# -- an API that is not there --------------------------------------------------------------------------------------

@pytest.mark.parametrize("action,code", [("monitor", 1), ("start", 5), ("stop", 1), ("validate-all", 5)])
@pytest.mark.parametrize("kubeconfig", ["/none/kubeconfig", ""], ids=["missing kubeconfig", "no pod"])
def test_no_way_to_the_api(installed: Path, action: str, code: int, kubeconfig: str) -> None:
    env = environment(kubeconfig, guard="off") | {TIMEOUT: "1000", "OCF_CHECK_LEVEL": "10"}
    result = run(installed, action, env)
    assert (result.code, result.out) == (code, "")
    assert (kubeconfig or "KUBERNETES_SERVICE_HOST") in result.reason and "Traceback" not in result.err


@pytest.mark.parametrize("more", [{}, {INTERVAL: "10000"}], ids=["probe", "recurring"])
@pytest.mark.parametrize("level", ["", "10"])
def test_a_monitor_without_api_fails_within_its_time(python: str, installed: Path, away: Path, level: str,
                                                     more: dict[str, str], tmp_path: Path) -> None:
    env = environment(away, guard="off") | {TIMEOUT: "1000", "OCF_CHECK_LEVEL": level, "HA_RSCTMP": str(tmp_path)}
    began = time.monotonic()
    result = act(python, installed, "monitor", env | more)
    assert time.monotonic() - began < 3.0
    assert (result.code, result.out) == (1, "")
    assert "Connection refused" in result.reason and "SECRET" not in result.err


@pytest.mark.parametrize("action", ["start", "stop"])
def test_an_action_without_api_fails_within_its_time(installed: Path, away: Path, action: str) -> None:
    began = time.monotonic()
    result = run(installed, action, environment(away, guard="off") | {TIMEOUT: "1500"})
    assert 0.6 < time.monotonic() - began < 3.0, "it tries for most of its time, and no longer"
    assert result.code == 1 and "Connection refused" in result.reason


@pytest.mark.parametrize("level,code", [("0", 0), ("", 0), ("9", 0), ("10", 1), ("15", 1), ("deep", 0), ("-10", 0)])
def test_levels(installed: Path, away: Path, level: str, code: int) -> None:
    result = run(installed, "validate-all", environment(away, guard="off") | {TIMEOUT: "1000",
                                                                              "OCF_CHECK_LEVEL": level})
    assert result.code == code
    assert ("WARNING" in result.err) == (level in ("deep", "-10"))


@pytest.mark.parametrize("action,code", [("monitor", 1), ("start", 5), ("stop", 1)])
def test_guard_required_where_nothing_can_be_proven(installed: Path, away: Path, tmp_path: Path, action: str,
                                                    code: int) -> None:
    """The permit directory is no tmpfs: a permit there would outlive a boot."""
    env = environment(away, "/usr/share", guard="required") | {TIMEOUT: "1000", "HA_RSCTMP": str(tmp_path)}
    result = run(installed, action, env)
    assert result.code == code and result.reason
    assert action == "stop" or "not on a tmpfs" in result.reason


def test_missing_state_directory_is_no_fault(installed: Path, away: Path) -> None:
    env = environment(away, guard="off") | {TIMEOUT: "1000", "HA_RSCTMP": "/proc/none", INTERVAL: "10000"}
    assert "Connection refused" in run(installed, "monitor", env).reason


# -- whatever happens inside ---------------------------------------------------------------------------------------

class Exploding(Mapping[str, str]):
    """An environment that raises when a parameter is read: any fault in the agent's own code."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __getitem__(self, key: str) -> str:
        if key == "OCF_RESKEY_deployment":
            raise self.error
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("error", [SystemExit(2), SystemExit(5), SystemExit(0), KeyboardInterrupt(),
                                   RuntimeError("x"), MemoryError(), RecursionError()], ids=repr)
def test_any_exception_is_a_generic_error(action: str, error: BaseException,
                                          capfd: pytest.CaptureFixture[str]) -> None:
    """Python exits with 2 by itself, which a probe would be understood to mean "not running"."""
    assert main(["k8sdeployment", action], Exploding(error)) == 1
    out, err = capfd.readouterr()
    assert out == "" and f"ocf-exit-reason:unexpected {type(error).__name__}" in err
    assert "Traceback" in err, "the log has the details"


def test_no_arguments_at_all() -> None:
    assert main(["k8sdeployment"], {}) == main([], {}) == 3


def test_this_interpreter_is_not_what_is_tested() -> None:
    """The agent runs on the system's python3: at least one interpreter of those is not pytest's own."""
    assert any(path != sys.executable for path in interpreters())
