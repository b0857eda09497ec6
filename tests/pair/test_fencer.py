"""Pacemaker's own fencer with the pair's devices, levels and the links' word, in a container of the peer image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8sdeployment.conductor.alerts import Alerts
from k8sdeployment.pair import pacemaker, paths, timing
from k8sdeployment.pair.lies import caught
from lab import waiting
from lab.build import images
from lab.engine import borrowed
from lab.paths import cache_dir
from tests.conductor.test_alerts import line
from tests.pair.sample import pair, site
from tests.pair.test_contract import Image

pytestmark = [pytest.mark.contract, pytest.mark.lab]

# The node that is left, alone; site-a and site-c are names to fence.
COROSYNC = """\
totem {
    version: 2
    cluster_name: contract
    transport: knet
}
nodelist {
    node {
        name: site-b
        nodeid: 2
        ring0_addr: 127.0.0.1
    }
}
quorum {
    provider: corosync_votequorum
}
"""
# The links are down once all devices that /tmp/real names have taken the power.
CFGTOOL = r"""#!/bin/sh
state=disconnected; for one in $(cat /tmp/real); do [ "$(cat "$one")" = off ] || state=connected; done
printf 'LINK ID 0 udp\n\tstatus:\n\t\tnodeid:          1:\t%s\n\t\tnodeid:          2:\tlocalhost\n' "$state"
"""
# fence_dummy itself, unless nobody answers at the device whose file /tmp/dead names.
DUMMY = r"""#!/bin/sh
[ $# -gt 0 ] && exec /usr/sbin/fence_dummy.real "$@"
words=$(cat); [ -s /tmp/dead ] && printf '%s\n' "$words" | grep -qxFf /tmp/dead && exit 1
printf '%s\n' "$words" | exec /usr/sbin/fence_dummy.real
"""
FIRST, SECOND = "fence-site-a-1", "fence-site-a-2"
# site-c has two power supplies, each on an outlet of its own, and a third device that takes both.
LEFT, RIGHT, WHOLE = "fence-site-c-1", "fence-site-c-2", "fence-site-c-3"
SUPPLIES = "/tmp/power-1 /tmp/power-2"
_DONE = re.compile(r"Operation '(\w+)' \[\d+\] targeting site-c using (\S+) returned (\d+)")


def dummy(rank: int) -> dict[str, object]:
    """A device that switches a word in a file."""
    return {"agent": "fence_dummy", "parameters": {"type": "file", "status_file": f"/tmp/power-{rank}"}}


def commands(name: str, *devices: dict[str, object]) -> Iterator[tuple[str, ...]]:
    """What the pair says about the devices of a site of that name, without waiting for long."""
    sites = [site(name, 11, "1s"), site("site-b", 12, "0s")]
    sites[0]["fencing"] = {"devices": list(devices), "delay": "1s"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "NOTICE", 1)
        made = pacemaker.configure(
            pair(sites=sites, corosync={"token": "1000ms"}, workloads=[{"name": "web"}]), "FILE")
    for _, _, _, *words in made:
        if words[0] == "stonith" and any(name in word for word in words):
            # No node of that name is in the configuration here.
            yield "pcs", *words, "--force"


class Fencer(Image):
    """The container, Pacemaker running."""

    def fence(self, real: str, target: str = "site-a", dead: str = "") -> str:
        """What a fence of a site comes to, "0" for done, when the devices with the files `real` have effect, and nobody
        answers at those with the files `dead`."""
        self.run(("sh", "-c", "for one in power-1 power-2 power-3 none; do printf on >/tmp/$one; done; "
                              f"printf %s '{real}' >/tmp/real; : >/tmp/dead; : >{paths.LOG}; "
                              f"for one in {dead}; do echo status_file=$one >>/tmp/dead; done"))
        return self.run(("sh", "-c", f"stonith_admin --reboot {target} --timeout 60 >/dev/null 2>&1; echo $?")).strip()

    def done(self) -> list[tuple[str, str, str]]:
        """Action, device and code of what was done to site-c, in order; of one that failed again and again, once."""
        return list(dict.fromkeys(_DONE.findall(self.log())))

    def log(self) -> str:
        """Pacemaker's own, of that fence."""
        return self.run(("cat", paths.LOG))


@pytest.fixture(scope="module")
def fencer() -> Iterator[Fencer]:
    with borrowed(cache_dir() / "contract-engine") as engine:
        images.build_all(engine, print)
        container = engine.client.containers.run(
            images.PEER, ["sleep", "600"], detach=True, network_mode="none", hostname="site-b")
        try:
            made = Fencer(container)
            made.write("/etc/corosync/corosync.conf", COROSYNC)
            made.run(("sh", "-c", "corosync -f >/dev/null 2>&1 & /usr/libexec/aos/pacemaker >/dev/null 2>&1 &"))
            waiting.until(lambda: "Online: [ site-b ]" in made.run(("sh", "-c", "crm_mon -1 2>&1 || true")),
                          "Pacemaker", 90)
            made.write("/tmp/cfgtool", CFGTOOL)
            made.run(("install", "-m", "755", "/tmp/cfgtool", "/usr/sbin/corosync-cfgtool"))
            made.write("/tmp/dummy", DUMMY)
            made.run(("mv", "/usr/sbin/fence_dummy", "/usr/sbin/fence_dummy.real"), ("touch", "/tmp/dead"),
                     ("install", "-m", "755", "/tmp/dummy", "/usr/sbin/fence_dummy"))
            made.pcs(commands("site-a", dummy(1), dummy(2)))
            made.pcs(commands("site-c", {**dummy(1), "level": 1}, {**dummy(2), "level": 1}, {**dummy(3), "level": 2}))
            waiting.until(lambda: {"gone-site-a-2", "gone-site-c-3"} <= set(
                made.run(("stonith_admin", "--list-registered")).split()), "the devices", 60)
            yield made
        finally:
            container.remove(force=True)


def test_a_device_that_lies_fences_nobody(fencer: Fencer) -> None:
    assert fencer.fence("/tmp/none") != "0"
    found = caught(fencer.log())
    assert set(found) == {FIRST, SECOND} and all(found.values())
    assert "stderr: [ the device said off, but a link to the site is still connected ]" in fencer.log()


def test_after_a_device_that_lies_the_next_one_fences_and_is_named(fencer: Fencer, tmp_path: Path) -> None:
    """Each device needs a word of the links for itself: Pacemaker asks nothing twice for one fence."""
    assert fencer.fence("/tmp/power-2") == "0"
    found = caught(fencer.log())
    assert found[FIRST] and found[SECOND] == ""
    assert by(fencer, tmp_path) == SECOND


def test_a_device_that_does_what_it_says_is_asked_once_and_named(fencer: Fencer, tmp_path: Path) -> None:
    assert fencer.fence("/tmp/power-1") == "0"
    assert caught(fencer.log()) == {FIRST: ""}
    assert by(fencer, tmp_path) == FIRST
    assert fencer.run(("cat", "/tmp/power-1")) == "on", "it is switched on again once the links agreed"


def test_a_device_that_lied_before_is_not_believed_where_all_is_silent_already(fencer: Fencer) -> None:
    """The next one, which never lied, is."""
    fencer.run(("sh", "-c", f"mkdir -p {paths.LIARS}; : >{paths.LIARS}/{FIRST}; printf off >/tmp/cut"))
    try:
        assert fencer.fence("/tmp/cut") == "0"
        assert caught(fencer.log()) == {SECOND: ""}
        assert ("stderr: [ its device has lied before, and this time nothing could be seen going down: not believed ]"
                in fencer.log())
    finally:
        fencer.run(("rm", "-r", paths.LIARS))


# -- two devices of one level ----------------------------------------------------------------------------------------

def test_both_supplies_go_off_before_either_comes_back_and_both_are_named(fencer: Fencer, tmp_path: Path) -> None:
    """The wait before the fence is waited once."""
    assert fencer.fence(SUPPLIES, "site-c") == "0"
    look = "gone-site-c-1.2"
    assert [(action, name) for action, name, _ in fencer.done()] == [
        (action, name) for action in ("off", "on") for name in (LEFT, RIGHT, look)]
    assert fencer.log().count("Delaying 'off' action targeting site-c") == 1
    assert caught(fencer.log()) == {LEFT: "", RIGHT: ""}
    assert by(fencer, tmp_path, "site-c") == f"{LEFT} and {RIGHT}"
    assert fencer.run(("cat", "/tmp/power-1", "/tmp/power-2")) == "onon"


@pytest.mark.parametrize("dead", ["/tmp/power-1", "/tmp/power-2"])
def test_one_dead_device_fails_its_level_and_the_next_level_fences(fencer: Fencer, tmp_path: Path, dead: str) -> None:
    assert fencer.fence("/tmp/power-3", "site-c", dead) == "0"
    assert "gone-site-c-1.2" not in {name for _, name, _ in fencer.done()}, "nobody asks what only one has confirmed"
    assert caught(fencer.log()) == {WHOLE: ""} and by(fencer, tmp_path, "site-c") == WHOLE


def test_one_dead_device_of_the_last_level_confirms_nothing(fencer: Fencer) -> None:
    """Not even where what is left of the level took all the power."""
    assert fencer.fence("/tmp/power-1", "site-c", "/tmp/power-2 /tmp/power-3") != "0"
    assert fencer.run(("cat", "/tmp/power-1")) == "off"
    assert caught(fencer.log()) == {} and ("off", LEFT, "0") in fencer.done()


def test_a_level_that_lied_has_all_its_devices_named(fencer: Fencer, tmp_path: Path) -> None:
    assert fencer.fence("/tmp/power-3", "site-c") == "0"
    found = caught(fencer.log())
    assert found[LEFT] == found[RIGHT] != "" and found[WHOLE] == ""
    assert by(fencer, tmp_path, "site-c") == WHOLE


def by(fencer: Fencer, directory: Path, target: str = "site-a") -> str:
    """The device that the conductor takes for the one that fenced."""
    (directory / "alerts.jsonl").write_text(line(3.0, "fencing", rc="0", task="reboot", node=target))
    (directory / "pacemaker.log").write_text(fencer.log())
    alerts = Alerts(directory / "alerts.jsonl", directory / "pacemaker.log")
    alerts.read()
    return alerts.devices()[3.0]
