"""fence_gone: what the links and the addresses must show before a site counts as off."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8sdeployment.cli import hostlook
from k8sdeployment.pair import guard
from tests.cli.test_confirm import DOWN, LINKS

UP = LINKS.format("connected", "connected")

AGENT = Path(__file__).parents[2] / "containers/peer/fence_gone"
SENTENCE = "the device said off, but a link to the site is still connected"
ANSWERED = "the device said off, but the site's host is still alive: {} answers"
NOT_BELIEVED = "its device has lied before, and this time nothing could be seen going down: not believed"
UNHEARD = "it is not known that the site hears its poison pill: it may run on"
SILENCE = "the device said off, but Corosync does not tell whether the links to the site are down"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A corosync-cfgtool that prints `said` and ends with `code`, and notes that it was asked."""
    program = tmp_path / "corosync-cfgtool"
    program.write_text(f"#!/bin/sh\ncd {tmp_path}; echo asked >>asked; cat said; exit $(cat code)")
    program.chmod(0o755)
    (tmp_path / "code").write_text("0")
    return tmp_path


def fence(tools: Path, action: str, said: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """With its parameters as Pacemaker gives them, or as arguments."""
    (tools / "said").write_text(said)
    asked = {"action": action, "port": "site-b", "nodename": "site-b", "patience": "1", **more}
    given = "" if words else "".join(f"{name}={value}\n" for name, value in asked.items())
    env = {"PATH": f"{tools}:{os.environ['PATH']}"}
    return subprocess.run([AGENT, *words], input=given, text=True, capture_output=True, env=env, timeout=60)


@pytest.mark.parametrize("said", [DOWN, DOWN.partition("LINK ID 1")[0]])
def test_a_site_whose_links_are_all_down_may_count_as_off(tools: Path, said: str) -> None:
    assert fence(tools, "off", said).returncode == 0
    assert (tools / "asked").read_text() == "asked\n"


@pytest.mark.parametrize("said", [LINKS.format("connected", "disconnected"), LINKS.format("disconnected", "connected"),
                                  LINKS.format("connected", "connected")])
@pytest.mark.parametrize("action", ["off", "reboot"])
def test_one_link_that_is_connected_confirms_nothing(tools: Path, action: str, said: str) -> None:
    done = fence(tools, action, said)
    assert (done.returncode, done.stderr.strip()) == (1, SENTENCE)
    assert len((tools / "asked").read_text().split()) > 1, "knet needs a while to give a link up"


@pytest.mark.parametrize("said, code", [
    ("", 0),                                                        # Corosync does not answer, and it ends well
    (DOWN, 1),                                                      # it failed
    ("Local node ID 1, transport knet\n", 0),
    (LINKS.format("localhost", "localhost"), 0),                    # nothing about the other site
    (LINKS.format("disconnected", "who knows"), 0)])                # a word of a version that nobody knows yet
def test_what_does_not_tell_confirms_nothing(tools: Path, said: str, code: int) -> None:
    (tools / "code").write_text(str(code))
    done = fence(tools, "off", said)
    assert (done.returncode, done.stderr.strip()) == (2, SILENCE)


def test_it_is_as_patient_as_it_is_told(tools: Path) -> None:
    began = time.monotonic()
    assert fence(tools, "off", LINKS.format("connected", "connected"), "--action=off", "--patience=3").returncode == 1
    assert 2 < time.monotonic() - began < 20


def later(tools: Path, said: str) -> None:
    """What Corosync tells from the second look on."""
    (tools / "later").write_text(said)
    program = tools / "corosync-cfgtool"
    program.write_text(program.read_text().replace("; exit", "; cp later said; exit"))


def test_a_link_that_goes_down_meanwhile_is_seen(tools: Path) -> None:
    later(tools, DOWN)
    assert fence(tools, "off", UP).returncode == 0
    assert (tools / "asked").read_text() == "asked\nasked\n"


def test_a_corosync_that_hangs_confirms_nothing(tools: Path) -> None:
    (tools / "corosync-cfgtool").write_text("#!/bin/sh\nexec sleep 60")
    done = fence(tools, "off", "")
    assert (done.returncode, done.stderr.strip()) == (2, SILENCE)


# -- the addresses ---------------------------------------------------------------------------------------------------

@pytest.fixture
def host() -> Iterator[tuple[socket.socket, str]]:
    """An address of this machine with pcsd's port on it, for this process alone."""
    address = f"127.66.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}"
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, hostlook.PCSD))
        listener.listen()
        yield listener, address


@pytest.fixture
def mute(host: tuple[socket.socket, str]) -> Iterator[str]:
    """An address that drops what it is sent: the kernel does so once nobody takes what waits for a listener."""
    waiting = []
    host[0].listen(0)
    try:
        for _ in range(4):
            one = socket.socket()
            waiting.append(one)
            one.setblocking(False)
            one.connect_ex(host[0].getsockname())
        yield host[1]
    finally:
        for one in waiting:
            one.close()


def test_a_host_that_accepts_is_alive_though_the_links_are_down(tools: Path, host: tuple[object, str]) -> None:
    """Its Corosync hangs, or was killed."""
    done = fence(tools, "off", DOWN, addresses=host[1])
    assert (done.returncode, done.stderr.strip()) == (1, ANSWERED.format(host[1]))
    assert len((tools / "asked").read_text().split()) > 1, "a machine that is switched off needs its time, too"


def test_it_does_not_make_a_host_mute_by_asking(tools: Path, host: tuple[object, str]) -> None:
    """Nobody takes what waits for a pcsd that hangs; what it has room for must last for all devices."""
    began = time.monotonic()
    assert fence(tools, "off", DOWN, addresses=host[1], patience="3").returncode == 1
    assert len((tools / "asked").read_text().split()) <= 1 + time.monotonic() - began


@pytest.mark.parametrize("address", ["127.65.0.1", "::1"])
def test_a_host_that_refuses_is_alive_too(tools: Path, address: str) -> None:
    if ":" in address and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    done = fence(tools, "off", DOWN, addresses=address)
    assert (done.returncode, done.stderr.strip()) == (1, ANSWERED.format(address))


def test_one_address_of_many_is_enough(tools: Path, mute: str) -> None:
    done = fence(tools, "off", DOWN, addresses=f"{mute},127.65.0.1")
    assert (done.returncode, done.stderr.strip()) == (1, ANSWERED.format("127.65.0.1"))


@pytest.mark.parametrize("unreachable", ["", ",255.255.255.255", ",ff00::1", ",no address"])
def test_a_site_that_is_silent_everywhere_is_off_after_one_short_look(
        tools: Path, mute: str, unreachable: str) -> None:
    began = time.monotonic()
    assert fence(tools, "off", DOWN, addresses=f"{mute},{mute}{unreachable}").returncode == 0
    assert time.monotonic() - began < 3 and (tools / "asked").read_text() == "asked\n"


def test_a_host_that_answers_tells_more_than_a_corosync_that_does_not(tools: Path, mute: str) -> None:
    assert fence(tools, "off", "", addresses="127.65.0.1").returncode == 1
    assert fence(tools, "off", "", addresses=mute).returncode == 2


def test_a_link_that_is_connected_is_named_before_any_address(tools: Path) -> None:
    done = fence(tools, "off", UP, addresses="127.65.0.1")
    assert (done.returncode, done.stderr.strip()) == (1, SENTENCE)


# -- a device that has lied before -----------------------------------------------------------------------------------

@pytest.fixture
def liar(tools: Path) -> str:
    marker = tools / "fence-site-b-1"
    marker.touch()
    return str(marker)


@pytest.mark.parametrize("first", [DOWN, ""])
def test_a_liar_is_not_believed_where_nothing_was_seen_going_down(tools: Path, liar: str, first: str) -> None:
    """All links are cut, or Corosync did not tell before."""
    later(tools, DOWN)
    done = fence(tools, "off", first, lied=liar)
    assert (done.returncode, done.stderr.strip()) == (2, NOT_BELIEVED)


def test_one_liar_of_a_level_is_enough(tools: Path, liar: str) -> None:
    for lied in (f"{liar},{tools}/fence-site-b-2", f"{tools}/fence-site-b-2,{liar}"):
        assert fence(tools, "off", DOWN, lied=lied).stderr.strip() == NOT_BELIEVED


def test_a_liar_is_believed_when_the_links_are_seen_going_down(tools: Path, liar: str) -> None:
    later(tools, DOWN)
    assert fence(tools, "off", UP, lied=liar).returncode == 0


def test_what_still_shows_life_is_the_liar_s_next_lie(tools: Path, liar: str) -> None:
    done = fence(tools, "off", UP, lied=liar)
    assert (done.returncode, done.stderr.strip()) == (1, SENTENCE)


def test_a_liar_is_believed_while_a_drill_vouches_for_life_before(tools: Path, liar: str) -> None:
    """Else it could never show that it was mended: most devices answer when the links are down already."""
    vouch = "import fcntl, sys; mark = open(sys.argv[1]); fcntl.flock(mark, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", vouch, liar], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as drill:
        assert drill.stdout and drill.stdout.readline()
        assert fence(tools, "off", DOWN, lied=liar).returncode == 0
        assert fence(tools, "off", UP, lied=liar).returncode == 1, "whoever vouches says nothing about its end"
        drill.kill()
        drill.wait()
    assert fence(tools, "off", DOWN, lied=liar).stderr.strip() == NOT_BELIEVED


def test_a_device_that_never_lied_is_believed_in_silence(tools: Path) -> None:
    assert fence(tools, "off", DOWN, lied=str(tools / "fence-site-b-2")).returncode == 0


# -- behind a poison pill ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("age", [0, guard.STALE - 20])
def test_a_pill_that_is_known_to_be_heard_is_believed_in_silence_alone(tools: Path, age: int) -> None:
    heard = tools / "site-b"
    heard.write_text(f"{time.monotonic() - age:.0f}\n")
    assert fence(tools, "off", DOWN, heard=str(heard)).returncode == 0
    assert fence(tools, "off", UP, heard=str(heard)).returncode == 1


@pytest.mark.parametrize("word", [None, "", "soon", -guard.STALE - 5, 60])
def test_a_pill_that_may_not_be_heard_confirms_nothing(tools: Path, word: str | int | None) -> None:
    """Nobody knows it, or somebody knew it long ago, or before a boot. It is no lie of the device."""
    heard = tools / "site-b"
    if word is not None:
        heard.write_text(word if isinstance(word, str) else f"{time.monotonic() + word:.0f}\n")
    done = fence(tools, "off", DOWN, heard=str(heard))
    assert (done.returncode, done.stderr.strip()) == (2, UNHEARD)
    assert f"\nSTALE = {guard.STALE}\n" in AGENT.read_text()


# -- how it is asked -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("action", ["on", "monitor", "status", "start", "stop", "validate-all"])
def test_nothing_else_is_its_business(tools: Path, action: str) -> None:
    assert fence(tools, action, UP).returncode == 0
    assert not (tools / "asked").exists()


@pytest.mark.parametrize("words", [("--action=list",), ("-o", "offf"), ("--action=",), ("--patience=soon",),
                                   ("--patience=inf",)])
def test_what_it_does_not_know_confirms_nothing(tools: Path, words: tuple[str, ...]) -> None:
    done = fence(tools, "", DOWN, *words)
    assert done.returncode == 2 and done.stderr
    assert not (tools / "asked").exists()


@pytest.mark.parametrize("words", [("--patience=0",), ("-o", "off", "--patience=0"), ("-ooff", "--patience=0"),
                                   ("--action=reboot", "--patience=0")])
def test_the_action_is_off_where_none_is_named(tools: Path, words: tuple[str, ...]) -> None:
    assert fence(tools, "", UP, *words).returncode == 1
    assert fence(tools, "", DOWN, *words).returncode == 0


def test_its_own_failure_is_no_lie_of_the_device(tools: Path) -> None:
    """Python alone would end with 1."""
    env = {"PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run([AGENT], input=b"action=off\nport=\xff\xfe\n", capture_output=True, env=env, timeout=60)
    assert done.returncode == 2


def test_its_metadata_is_xml_with_what_pacemaker_and_pcs_want(tools: Path) -> None:
    said = ElementTree.fromstring(fence(tools, "", "", "-o", "metadata").stdout)
    assert {one.get("name") for one in said.iter("action")} >= {"off", "reboot", "monitor"}
    assert {one.get("name") for one in said.iter("parameter")} == {
        "action", "port", "patience", "addresses", "lied", "heard"}
