"""Verbs that change a pair: what they call, how they wait, and what they refuse with which words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import pytest
from click.testing import CliRunner, Result

from k8sdeployment.cli import codes
from k8sdeployment.cli.app import snopair
from k8sdeployment.cli.world import ProgramError
from k8sdeployment.pair import cib, roll
from tests.cli.tools import Tools, world
from tests.cli.test_view import status


def call(tmp_path: Path, tools: Tools, *words: str, said: Optional[dict[str, Any]] = None) -> Result:
    file = tmp_path / "status.json"
    file.write_text(json.dumps(status() if said is None else said))
    return CliRunner().invoke(snopair, list(words), obj=world(tools, file))


def not_ready(name: str, reason: str) -> dict[str, Any]:
    found = status()
    for work in found["workloads"]:
        if work["name"] == name:
            work["takeover"] = {"ready": False, "reason": reason}
    return found


# -- move ----------------------------------------------------------------------------------------------------------

def test_a_move_is_pcs_own_and_waits_until_it_runs_there(tmp_path: Path) -> None:
    # db goes back to site-b by itself; with manual failback it can be moved.
    tools = Manual("running", "running", "running", "unclean", "standby")
    done = call(tmp_path, tools, "move", "shop/db", "site-a", "--timeout", "60", "-o", "json")
    assert done.exit_code == 0, done.output
    assert tools.calls == [("pcs", "resource", "move", "db", "site-a", "--wait=60")]
    told = json.loads(done.stdout)
    assert (told["done"], told["workload"], told["origin"], told["site"]) == (True, "db", "site-b", "site-a")


class Manual(Tools):
    """A pair in which db has manual failback."""

    def __call__(self, argv: Sequence[str], seconds: float, given: Optional[str] = None) -> str:
        found = super().__call__(argv, seconds, given)
        return found.replace('name="resource-stickiness" value="1"', 'name="resource-stickiness" value="1000"')


BAN = '<rsc_location id="cli-prefer-db" rsc="db" node="site-a" score="INFINITY"/>'


class LeftBehind(Manual):
    """pcs is cut short after it made its constraint; `kept`: one of a person's was there before."""

    def __init__(self, kept: bool = False) -> None:
        super().__init__("running")
        self._banned = kept

    def __call__(self, argv: Sequence[str], seconds: float, given: Optional[str] = None) -> str:
        if argv[0] == "pcs":
            self.calls.append(tuple(argv))
            self._banned = True
            raise ProgramError("pcs did not answer within 65 s")
        found = super().__call__(argv, seconds, given)
        return found.replace("</constraints>", f"{BAN}</constraints>") if self._banned else found


def test_a_move_that_was_cut_short_leaves_no_constraint(tmp_path: Path) -> None:
    tools = LeftBehind()
    done = call(tmp_path, tools, "move", "db", "--timeout", "5")
    assert done.exit_code == codes.LATE and "is not done after 5 s" in done.stderr
    assert tools.calls[1:] == [("cibadmin", "--delete", "--xml-text", '<rsc_location id="cli-prefer-db"/>')]


def test_a_persons_own_constraint_stays(tmp_path: Path) -> None:
    tools = LeftBehind(kept=True)
    call(tmp_path, tools, "move", "db", "--timeout", "5")
    assert len(tools.calls) == 1


def test_what_pcs_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    def refuse(argv: Sequence[str]) -> str:
        raise ProgramError("pcs failed (1): Error: it is not so", status=1)
    done = call(tmp_path, Tools("running", answer=refuse), "move", "web")
    assert done.exit_code == codes.FAILED
    assert done.stderr.splitlines()[-1] == "snopair: web was not moved: pcs failed (1): Error: it is not so"


@pytest.mark.parametrize("situation, words, sentence", [
    ("running", ["move", "db"], "moving db to site-a is refused: db prefers site-b and goes back by itself (failback "
     "Automatic): set failback to Manual, or preferredSite to site-a, or evict site-b"),
    ("standby", ["move", "web"], "moving web to site-b is refused: site-b is standby and takes nothing"),
    ("offline", ["move", "web", "site-b"], "moving web to site-b is refused: site-b is offline and takes nothing"),
    ("unclean", ["move", "db", "site-a"], "moving db to site-a is refused: db runs nowhere (the cluster waits until "
     "site-b, which was lost, is fenced, or `snopair confirm site-b`), so there is nothing to move"),
    ("maintenance", ["move", "web"], "moving web to site-b is refused: the cluster is in maintenance mode and moves "
     "nothing: somebody set maintenance mode; `snopair maintenance off` ends it"),
    ("maintenance", ["evict", "site-b"], "evicting site-b is refused: the cluster is in maintenance mode and moves "
     "nothing: somebody set maintenance mode; `snopair maintenance off` ends it"),
])
def test_what_no_force_could_do_is_refused_with_force_too(
        tmp_path: Path, situation: str, words: list[str], sentence: str) -> None:
    for force in ([], ["--force"]):
        tools = Tools(situation)
        done = call(tmp_path, tools, *words, *force)
        assert (done.exit_code, done.stderr) == (codes.REFUSED, f"snopair: {sentence}\n")
        assert tools.calls == []


NO_IMAGE = "site-b could not take web now: no image app:2"
STOPS = "web stops on site-a and may not start on site-b"


@pytest.mark.parametrize("words, sentence", [
    (["move", "web"], f"moving web to site-b is refused: {NO_IMAGE}. With --force: {STOPS}"),
    (["evict", "site-a"], f"evicting site-a is refused: {NO_IMAGE}. With --force: {STOPS}"),
])
def test_a_takeover_that_is_not_ready_is_refused_until_forced(tmp_path: Path, words: list[str], sentence: str) -> None:
    tools, said = Tools("running"), not_ready("web", "no image app:2")
    done = call(tmp_path, tools, *words, said=said)
    assert (done.exit_code, done.stderr, tools.calls) == (codes.REFUSED, f"snopair: {sentence}\n", [])
    told = json.loads(call(tmp_path, tools, *words, "-o", "json", said=said).stdout)
    assert told["exitCode"] == codes.REFUSED and told["reasons"] == [NO_IMAGE] and told["consequence"]
    forced = call(tmp_path, tools, *words, "--force", "--timeout", "1", said=said)
    assert f"forced: {STOPS}" in forced.stderr and tools.calls


def test_a_silent_conductor_is_no_consent(tmp_path: Path) -> None:
    done = call(tmp_path, Tools("running"), "move", "web", said={})
    assert done.exit_code == codes.REFUSED and "the conductor has not judged it" in done.stderr


def test_already_there(tmp_path: Path) -> None:
    tools = Tools("running")
    done = call(tmp_path, tools, "move", "default/web", "site-a")
    assert (done.exit_code, done.stdout, tools.calls) == (0, "web runs on site-a already\n", [])


@pytest.mark.parametrize("words, sentence", [
    (["move", "wbe"], "there is no workload wbe in this pair; it has default/web, shop/db, default/7seg"),
    (["move", "default/db"], "there is no workload default/db in this pair; it has default/web, shop/db, default/7seg"),
    (["move", "web", "berlin"], "there is no site berlin in this pair; its sites are site-a and site-b"),
    (["evict", "berlin"], "there is no site berlin in this pair; its sites are site-a and site-b"),
])
def test_unknown_names_are_answered_with_the_known_ones(tmp_path: Path, words: list[str], sentence: str) -> None:
    done = call(tmp_path, Tools("running"), *words)
    assert (done.exit_code, done.stderr) == (codes.USAGE, f"snopair: {sentence}\n")


def test_without_pacemaker_nothing_is_done(tmp_path: Path) -> None:
    for words in (["move", "web"], ["evict", "site-a"], ["return", "site-a"], ["maintenance", "on"]):
        done = call(tmp_path, Tools("dead"), *words)
        assert done.exit_code == codes.UNKNOWN and "Connection refused" in done.stderr


# -- evict, return -------------------------------------------------------------------------------------------------

def test_an_eviction_waits_until_all_runs_elsewhere(tmp_path: Path) -> None:
    tools = Tools("running", "running", "standby")
    done = call(tmp_path, tools, "evict", "site-b")
    assert done.exit_code == 0 and "site-b is empty and stays so until `snopair return site-b` (db;" in done.stdout
    assert tools.calls == [("crm_attribute", "--node", "site-b", "--name", "standby", "--update", "on")]
    assert "site-b is online" in done.stderr


def test_both_sites_are_not_evicted_unless_forced(tmp_path: Path) -> None:
    tools = Tools("standby")
    done = call(tmp_path, tools, "evict", "site-a")
    assert done.exit_code == codes.REFUSED and tools.calls == []
    assert done.stderr.count("site-b is standby and takes nothing") == 1, "one reason for all that would stop"
    assert "web stops, and runs nowhere until a site takes it again" in done.stderr


def test_an_eviction_that_does_not_end_says_what_is_left(tmp_path: Path) -> None:
    done = call(tmp_path, Tools("running"), "evict", "site-b", "--timeout", "90")
    assert done.exit_code == codes.LATE
    assert done.stderr.splitlines()[-1] == (
        "snopair: the eviction of site-b was begun and is not done after 90 s: site-b is online")


def test_a_return(tmp_path: Path) -> None:
    tools = Tools("standby", "standby", "running")
    done = call(tmp_path, tools, "return", "site-b")
    assert done.exit_code == 0 and done.stdout.startswith("site-b takes workloads again")
    assert tools.calls == [("crm_attribute", "--node", "site-b", "--name", "standby", "--delete")]
    tools = Tools("running")
    done = call(tmp_path, tools, "return", "site-b")
    assert (done.stdout, tools.calls) == ("site-b was not evicted: it is online\n", [])


# -- maintenance ---------------------------------------------------------------------------------------------------

def test_maintenance(tmp_path: Path) -> None:
    tools = Tools("running", "maintenance")
    assert call(tmp_path, tools, "maintenance", "on").exit_code == 0
    back = Tools("maintenance", "running")
    assert call(tmp_path, back, "maintenance", "off").exit_code == 0
    assert [one[-1] for one in tools.calls + back.calls] == ["true", "false"]
    assert "already" in call(tmp_path, Tools("running"), "maintenance", "off").stdout


class Locked(Tools):
    """A pair in which site-b renews its peer."""

    def __call__(self, argv: Sequence[str], seconds: float, given: Optional[str] = None) -> str:
        lock = roll.Lock(False, "site-b", "uid", False)
        nvpair = f'<nvpair id="x" name="{cib.ROLL}" value="{lock}"/></cluster_property_set>'
        return super().__call__(argv, seconds, given).replace("</cluster_property_set>", nvpair, 1)


def test_a_peer_that_is_being_renewed_is_not_disturbed(tmp_path: Path) -> None:
    tools = Locked("maintenance")
    done = call(tmp_path, tools, "maintenance", "off")
    assert done.exit_code == codes.REFUSED and tools.calls == []
    assert done.stderr == ("snopair: maintenance off is refused: site-b renews its peer under this maintenance. With "
                           "--force: site-b is fenced if its peer is away at that moment\n")
    tools = Locked("running")
    assert call(tmp_path, tools, "maintenance", "on", "--force").exit_code == codes.REFUSED and tools.calls == []


def test_ending_maintenance_with_a_lost_site_says_that_it_will_be_fenced(tmp_path: Path) -> None:
    class Lost(Tools):
        def __call__(self, argv: Sequence[str], seconds: float, given: Optional[str] = None) -> str:
            found = super().__call__(argv, seconds, given)
            return found.replace('maintenance-mode="false"', 'maintenance-mode="true"')
    tools = Lost("unclean")
    done = call(tmp_path, tools, "maintenance", "off")
    assert done.exit_code == codes.REFUSED and tools.calls == []
    assert "site-b is fenced at once" in done.stderr
    assert call(tmp_path, Tools("unclean"), "maintenance", "on").exit_code == codes.REFUSED


# -- history -------------------------------------------------------------------------------------------------------

def test_history(tmp_path: Path) -> None:
    one = {"workload": "web", "origin": "site-b", "target": "site-a", "detected": "2026-11-27T07:00:00Z",
           "fencedBy": "fence-site-b-1", "fencedSeconds": 2, "startedSeconds": 2.4, "availableSeconds": 5.7}
    done = call(tmp_path, Tools("dead"), "history", said=status(recoveries=[one]))
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1].split() == [
        "2026-11-27", "07:00:00Z", "web", "site-b", "site-a", "fence-site-b-1", "2.0", "s", "2.4", "s", "5.7", "s"]
    told = json.loads(call(tmp_path, Tools("dead"), "history", "-o", "json", said=status(recoveries=[one])).stdout)
    assert told["site"] == "site-a" and told["recoveries"][0]["availableSeconds"] == 5.7
    assert call(tmp_path, Tools("dead"), "history").stdout == "site-a has no failover on record.\n"
    assert call(tmp_path, Tools("dead"), "history", said={}).exit_code == codes.UNKNOWN
