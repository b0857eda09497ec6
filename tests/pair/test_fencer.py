"""Pacemaker's own fencer with the pair's devices, levels and the links' word, in a container of the peer image."""

from __future__ import annotations

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

# The node that is left, alone; site-a is a name to fence.
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
# The links are down once the device that /tmp/real names has taken the power.
CFGTOOL = r"""#!/bin/sh
state=connected; [ "$(cat "$(cat /tmp/real)")" = off ] && state=disconnected
printf 'LINK ID 0 udp\n\tstatus:\n\t\tnodeid:          1:\t%s\n\t\tnodeid:          2:\tlocalhost\n' "$state"
"""
FIRST, SECOND = "fence-site-a-1", "fence-site-a-2"


def dummy(rank: int) -> dict[str, object]:
    """A device that switches a word in a file."""
    return {"agent": "fence_dummy", "parameters": {"type": "file", "status_file": f"/tmp/power-{rank}"}}


def commands() -> Iterator[tuple[str, ...]]:
    """What the pair says about two devices of site-a, without waiting for long."""
    sites = [site("site-a", 11, "1s"), site("site-b", 12, "0s")]
    sites[0]["fencing"] = {"devices": [dummy(1), dummy(2)], "delay": "1s"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "NOTICE", 1)
        made = pacemaker.configure(pair(sites=sites, corosync={"token": "1000ms"}), "FILE")
    for _, _, _, *words in made:
        if words[0] == "stonith" and any("site-a" in word for word in words):
            # The node site-a is in no configuration here.
            yield "pcs", *words, "--force"


class Fencer(Image):
    """The container, Pacemaker running."""

    def fence(self, real: str) -> str:
        """What a fence of site-a comes to, "0" for done, when the device with this file is the one that has effect."""
        self.run(("sh", "-c", f"printf on >/tmp/power-1; printf on >/tmp/power-2; printf on >/tmp/none; "
                              f"printf %s {real} >/tmp/real; : >{paths.LOG}"))
        return self.run(("sh", "-c", "stonith_admin --reboot site-a --timeout 60 >/dev/null 2>&1; echo $?")).strip()

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
            made.pcs(commands())
            waiting.until(lambda: "gone-site-a-2" in made.run(("stonith_admin", "--list-registered")),
                          "the devices", 60)
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


def by(fencer: Fencer, directory: Path) -> str:
    """The device that the conductor takes for the one that fenced."""
    (directory / "alerts.jsonl").write_text(line(3.0, "fencing", rc="0", task="reboot"))
    (directory / "pacemaker.log").write_text(fencer.log())
    alerts = Alerts(directory / "alerts.jsonl", directory / "pacemaker.log")
    alerts.read()
    return alerts.devices()[3.0]
