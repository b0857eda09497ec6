"""A device that lied is found in the log, as pacemaker-fenced 2.1.5 writes it; test_fencer.py has it write one."""

from __future__ import annotations

from k8sdeployment.pair.lies import caught


def said(device: str, code: int, action: str = "off", pid: int = 226) -> str:
    level = "error: " if code else "notice: "
    return (f"Nov 27 21:37:02.{pid} site-b pacemaker-fenced    [53] (log_async_result) \t{level}Operation '{action}' "
            f"[{pid}] targeting site-a using {device} returned {code} | call 2 from pacemaker-controld.57\n")


STDERR = ("Nov 27 21:37:02.042 site-b pacemaker-fenced    [53] (log_action) \twarning: fence_gone[226] stderr: [ the "
          "device said off, but a link to the site is still connected ]\n")


def test_a_device_whose_word_the_links_belie_is_caught() -> None:
    line = said("gone-site-a-1", 1)
    assert caught(said("fence-site-a-1", 0) + STDERR + line) == {"fence-site-a-1": line.partition(" | call")[0]}


def test_one_that_does_as_it_says_is_none_and_clears_its_name() -> None:
    assert caught(said("gone-site-a-1", 1) + said("gone-site-a-1", 0, pid=300)) == {"fence-site-a-1": ""}


def test_each_device_is_held_against_the_links_by_itself() -> None:
    lie, truth = said("gone-site-a-1", 1), said("gone-site-a-2", 0, "reboot", 300)
    found = caught(lie + truth)
    assert found["fence-site-a-1"] and found["fence-site-a-2"] == ""


def test_links_that_do_not_tell_and_what_is_switched_on_say_nothing_of_a_device() -> None:
    assert caught(said("gone-site-a-1", 2) + said("gone-site-a-1", 0, "on") + said("fence-site-a-1", 1)) == {}
