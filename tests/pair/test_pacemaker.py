"""Pacemaker's configuration as pcs commands. What pcs and Pacemaker make of them: test_contract.py."""

import pytest

from k8sdeployment.pair import corosync, fencing, guard, pacemaker, paths, timing
from k8sdeployment.pair.model import Device, SNOPair
from tests.pair.sample import pair, poisoned, quorate, site

Argv = pacemaker.Argv


def commands(of: SNOPair, *words: str) -> list[Argv]:
    """The commands that begin with the words, without `pcs -f FILE`."""
    found = [argv[3:] for argv in pacemaker.configure(of, "cib.xml")]
    return [argv for argv in found if argv[:len(words)] == words]


def test_every_command_acts_on_the_file() -> None:
    assert {argv[:3] for argv in pacemaker.configure(pair(), "cib.xml")} == {("pcs", "-f", "cib.xml")}
    assert pacemaker.push("new.xml", "old.xml") == ("pcs", "cluster", "cib-push", "new.xml", "diff-against=old.xml")


def test_no_quorum_stops_and_fencing_is_on() -> None:
    words = {word for argv in commands(pair(), "property", "set") for word in argv}
    assert {"stonith-enabled=true", "no-quorum-policy=stop", "start-failure-is-fatal=false"} <= words
    assert "load-threshold=1000%" in words, "a busy site would do one thing after the other"


def test_fencing_that_is_disabled_is_off() -> None:
    sites = [site("site-a", 11, "1s"), site("site-b", 12, "1s")]
    for one in sites:
        one["fencing"] = {}
    of = pair(sites=sites, fencing={"mode": "Disabled"})
    assert "stonith-enabled=false" in {word for argv in commands(of, "property", "set") for word in argv}
    assert not commands(of, "stonith")


def test_one_device_per_target_kept_off_it() -> None:
    for name in ("site-a", "site-b"):
        (create,) = commands(pair(), "stonith", "create", f"fence-{name}-1")
        assert f"pcmk_host_list={name}" in create
        assert commands(pair(), "constraint", "location", f"fence-{name}-1") == [
            ("constraint", "location", f"fence-{name}-1", "avoids", f"{name}=INFINITY")]


def test_the_delay_belongs_to_the_target_and_none_is_not_said() -> None:
    of = pair(sites=[site("site-a", 11, "2s"), site("site-b", 12, "0s")])
    (favoured,), (other,) = (commands(of, "stonith", "create", f"fence-{name}-1") for name in ("site-a", "site-b"))
    assert "pcmk_delay_base=site-a:2s" in favoured
    assert not [word for word in other if word.startswith("pcmk_delay_base")]


@pytest.mark.parametrize("delays, more, limit", [
    (("10s", "1s"), {}, 70), (("0s", "2500ms"), {}, 63), (("1s", "2s"), {"activeDelay": "4500ms"}, 67)])
def test_a_fence_has_the_time_of_its_wait_too(delays: tuple[str, str], more: dict[str, str], limit: int) -> None:
    """Else Pacemaker 2.1.5 gives one up that waits for longer, each time before it began."""
    of = pair(sites=[site("site-a", 11, delays[0]), site("site-b", 12, delays[1])], fencing=more)
    assert f"stonith-timeout={limit}s" in {word for argv in commands(of, "property", "set") for word in argv}


def test_the_site_that_runs_more_is_fenced_later_only_where_it_is_asked_for() -> None:
    works = [{"name": "db"}, {"name": "web"}]
    follows = pair(workloads=works, fencing={"activeDelay": "20500ms"})
    assert commands(follows, "property", "set", "priority-fencing-delay=21s")
    assert all(argv[-1] == "priority=1" for argv in commands(follows, "resource", "create"))
    assert not [argv for argv in commands(pair(workloads=works)) if "priority" in " ".join(argv)]


def test_devices_are_levels_in_their_order_each_with_the_links_word() -> None:
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    sites[0]["fencing"]["devices"].append({"agent": "fence_redfish", "parameters": {"ip": "203.0.113.99"}})
    assert commands(pair(sites=sites), "stonith", "level") == [
        ("stonith", "level", "add", "1", "site-a", "fence-site-a-1", "gone-site-a-1"),
        ("stonith", "level", "add", "2", "site-a", "fence-site-a-2", "gone-site-a-2"),
        ("stonith", "level", "add", "1", "site-b", "fence-site-b-1", "gone-site-b-1"),
    ]


@pytest.mark.parametrize("token, patience", [("500ms", 16), ("3000ms", 18), ("3001ms", 19), ("300s", 315)])
def test_the_links_have_the_token_s_time_and_pacemaker_waits_for_longer(token: str, patience: int) -> None:
    (create,) = commands(pair(corosync={"token": token}), "stonith", "create", "gone-site-a-1")
    assert f"patience={patience}" in create
    for action in ("off", "reboot"):
        assert f"pcmk_{action}_timeout={patience + 10}s" in create and f"pcmk_{action}_retries=1" in create


def test_what_looks_for_life_knows_the_site_s_addresses_and_its_own_device() -> None:
    sites = [site("site-a", 11, "10s"), site("site-b", 12, "1s")]
    sites[0]["addresses"] = ["2001:db8::11", "2001:db8:1::11"]
    sites[1]["addresses"] = ["2001:db8::12", "2001:db8:1::12"]
    (create,) = commands(pair(sites=sites), "stonith", "create", "gone-site-b-1")
    assert "addresses=2001:db8::12,2001:db8:1::12" in create
    assert f"lied={paths.LIARS}/fence-site-b-1" in create


def test_the_links_word_is_asked_for_from_the_other_site_alone() -> None:
    for name in ("site-a", "site-b"):
        (create,) = commands(pair(), "stonith", "create", f"gone-{name}-1")
        assert f"pcmk_host_list={name}" in create and fencing.devices_of(create[2]) == [f"fence-{name}-1"]
        assert commands(pair(), "constraint", "location", f"gone-{name}-1") == [
            ("constraint", "location", f"gone-{name}-1", "avoids", f"{name}=INFINITY")]


@pytest.mark.parametrize("mode", [{"failover": {"mode": "Confirm"}}, {"fencing": {"mode": "Disabled"}}])
def test_where_nothing_is_fenced_the_links_are_not_asked(mode: dict[str, dict[str, str]]) -> None:
    assert not [argv for argv in commands(pair(**mode)) if any(word.startswith("gone-") for word in argv)]


def test_a_workload_is_watched_at_both_levels_and_where_it_should_not_run() -> None:
    (create,) = commands(pair(), "resource", "create")
    assert create[2:4] == ("web", "ocf:aos:k8sdeployment")
    text = " ".join(create)
    assert "monitor interval=10s timeout=20s" in text
    assert "monitor interval=60s timeout=30s OCF_CHECK_LEVEL=10" in text
    assert "monitor interval=20s timeout=20s role=Stopped" in text
    assert f"stop interval=0s timeout={timing.stop(pair().spec.workloads[0])}s" in text


@pytest.mark.parametrize("gate, guard", [(True, "required"), (False, "off")])
def test_the_gate_is_required_where_it_is_asked_for(gate: bool, guard: str) -> None:
    (create,) = commands(pair(workloads=[{"name": "web", "gate": gate}]), "resource", "create")
    assert f"guard={guard}" in create


def test_a_name_that_is_no_xml_name_gets_a_letter_in_front() -> None:
    (create,) = commands(pair(workloads=[{"name": "3scale"}]), "resource", "create")
    assert create[2] == "w-3scale" and "deployment=3scale" in create


def test_order_and_togetherness_are_told() -> None:
    of = pair(workloads=[{"name": "3db"}, {"name": "web", "after": ["3db"], "together": ["3db"]}])
    assert commands(of, "constraint", "order") == [("constraint", "order", "start", "w-3db", "then", "start", "web")]
    assert commands(of, "constraint", "colocation") == [
        ("constraint", "colocation", "add", "web", "with", "w-3db", "INFINITY")]


def test_the_conductor_is_told_by_an_alert_at_once() -> None:
    assert [argv[1] for argv in commands(pair(), "alert")] == ["create", "recipient"]


def test_the_password_s_file_is_named_to_ipmitool_s_wrapper_and_read_for_the_others() -> None:
    def told(agent: str) -> dict[str, str]:
        return fencing.device_parameters(
            Device.model_validate({"agent": agent, "secretRef": {"name": "bmc"}}), "fence-b-1")

    assert told("fence_idrac") == {
        "ipmitool_path": "/usr/libexec/aos/ipmitool",
        "password_script": "/usr/libexec/aos/secret --path fence-b-1 bmc password"}
    assert told("fence_redfish") == {"password_script": "/usr/libexec/aos/secret fence-b-1 bmc password"}
    assert fencing.device_parameters(Device(agent="fence_apc"), "fence-b-1") == {}


def test_a_poison_pill_is_written_to_the_shared_disk_for_the_site_and_resets_it() -> None:
    """Switched off, a site would need somebody to switch it on again."""
    of = pair(**poisoned())
    (device,) = [argv for argv in commands(of, "stonith", "create") if argv[3] == "fence_sbd"]
    (gone,) = [argv for argv in commands(of, "stonith", "create") if "heard=/run/snopair-heard/site-a" in argv]
    assert gone[2] == "gone-site-a-2"
    told = {"devices=/dev/snopair-pill", "plug=site-a", "pcmk_host_list=site-a", "pcmk_off_action=reboot",
            "pcmk_on_action=monitor", "sbd_path=/usr/libexec/aos/sbd"}
    assert told <= set(device)
    sbd = of.spec.sites[0].fencing.devices[1]
    assert fencing.proof(sbd, "fence-site-a-2") == (
        "action=status\ndevices=/dev/snopair-pill\nplug=site-a\nsbd_path=/usr/libexec/aos/sbd\n")
    assert "action=reboot" in fencing.order(sbd, "fence-site-a-2", "off")


def test_a_site_that_ends_by_its_watchdog_is_waited_for_longer_than_it_may_take() -> None:
    of = pair(**quorate())
    (device,) = [argv for argv in commands(of, "stonith", "create") if argv[3] == "fence_quorum"]
    # Token and consensus, the arbitrator, the guard, its look, the watchdog, a margin.
    silence = 7 + 10 + 5 + 4 + 15 + 5
    assert timing.silence(of.spec) == silence
    limit = silence + timing.LEAVE + timing.LAST_LOOK + 10
    assert {"guarded=/run/snopair-guarded/site-a", f"silence={silence}", f"patience={timing.LEAVE}",
            f"pcmk_off_timeout={limit}s", "pcmk_off_retries=1", "pcmk_host_list=site-a"} <= set(device)
    assert ("stonith", "level", "add", "2", "site-a", "fence-site-a-2", "gone-site-a-2") in commands(
        of, "stonith", "level")
    assert fencing.proof(of.spec.sites[0].fencing.devices[1], "fence-site-a-2") == (
        "action=status\nguarded=/run/snopair-guarded/site-a\n")


def test_a_guard_is_patient_while_corosync_asks_the_arbitrator() -> None:
    """Else the site that goes on would end, too."""
    assert guard.WATCHDOG * 1000 > corosync.DEVICE_SYNC_TIMEOUT < guard.UNKNOWN * 1000


def test_an_ssh_key_is_named_by_its_file_and_the_proven_one_is_taken_by_ssh_s_wrapper() -> None:
    device = Device.model_validate({"agent": "fence_virsh", "parameters": {"ip": "203.0.113.11", "plug": "a"},
                                    "secretRef": {"name": "host", "key": "ssh-privatekey"}})
    told = {"ip": "203.0.113.11", "plug": "a", "identity_file": "/etc/aos/fencing/host/ssh-privatekey"}
    assert fencing.device_parameters(device, "fence-b-1") == {
        **told, "ssh_path": "/usr/libexec/aos/ssh fence-b-1"}
    assert fencing.device_parameters(device, "fence-b-1", new=True) == {
        **told, "ssh_path": "/usr/libexec/aos/ssh --new fence-b-1"}


def test_a_shared_key_is_named_by_the_words_with_which_fence_virt_s_wrapper_finds_it() -> None:
    device = Device.model_validate({"agent": "fence_virt", "parameters": {"ipaddr": "203.0.113.11", "plug": "a"},
                                    "secretRef": {"name": "host", "key": "virt"}})
    told = {"ipaddr": "203.0.113.11", "plug": "a"}
    assert fencing.device_parameters(device, "fence-b-1") == {**told, "key_file": "fence-b-1 host virt"}
    assert fencing.device_parameters(device, "fence-b-1", new=True) == {**told, "key_file": "--new fence-b-1 host virt"}
    assert fencing.address(device) == "203.0.113.11"


def test_a_device_is_proven_with_the_words_it_is_used_with() -> None:
    device = pair().spec.sites[0].fencing.devices[0]
    lines = fencing.proof(device, "fence-b-1").splitlines()
    assert "action=status" in lines and "ip=203.0.113.11" in lines
    assert {f"{name}={value}" for name, value in fencing.device_parameters(device, "fence-b-1").items()} < set(lines)
