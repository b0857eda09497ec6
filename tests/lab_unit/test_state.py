"""The state directory remembers a lab, keeps its secrets to the owner and its events in order."""

import fcntl
import json
import threading
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.names import LabPlan
from lab.state import LabState, held, known_labs, parse_cut, write_private


@pytest.fixture
def state(tmp_path: Path) -> LabState:
    made = LabState("one", tmp_path)
    made.create(LabPlan("one", 4))
    return made


def test_the_index_is_remembered(state: LabState) -> None:
    assert LabState("one", state.home).plan() == LabPlan("one", 4)
    assert known_labs(state.home) == [LabPlan("one", 4)]


def test_a_lab_is_up_only_when_its_up_came_to_the_end(state: LabState) -> None:
    assert not state.complete
    state.set_complete()
    assert state.complete


def test_secrets_are_for_the_owner_alone_and_differ(state: LabState) -> None:
    first, second = (state.credentials(site) for site in LabPlan("one", 4).sites)
    assert first[1] != second[1]
    secret = state.bmc_directory(LabPlan("one", 4).site("site-a")) / "credentials.json"
    assert secret.stat().st_mode & 0o077 == 0
    assert state.directory.stat().st_mode & 0o077 == 0


def test_a_private_file_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, "new")
    assert file.stat().st_mode & 0o077 == 0


def test_cuts_are_kept_per_site(state: LabState) -> None:
    site = LabPlan("one", 4).site("site-a")
    assert state.cut_links(site) == set()
    state.set_cut(site, {2, 1})
    assert state.cut_links(site) == {1, 2}
    assert state.cut_links(LabPlan("one", 4).site("site-b")) == set()


def test_a_cut_file_with_a_link_that_is_none_is_refused() -> None:
    with pytest.raises(LabError, match="names links"):
        parse_cut("1\n3\n")


def test_events_of_many_writers_stay_whole_lines(state: LabState) -> None:
    def write() -> None:
        for number in range(50):
            state.event("note", "site-a", f"{number} {'x' * 500}")

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    events = [json.loads(line) for line in state.events_file.read_text().splitlines()]
    assert len(events) == 400
    assert set(events[0]) == {"mono", "wall", "what", "site", "detail"}


def test_removing_leaves_nothing_or_the_events_alone(state: LabState) -> None:
    state.event("note")
    state.remove(keep_logs=True)
    assert [entry.name for entry in state.directory.iterdir()] == ["events.jsonl"]
    assert state.plan() is None
    state.remove()
    assert not state.directory.exists()


def test_a_second_up_is_told_at_once(state: LabState) -> None:
    with state.lock():
        with pytest.raises(LabError, match="another up or down of the lab 'one'"):
            with state.lock():
                pytest.fail("two held one lock")
    with state.lock():
        pass


def test_a_lock_leaves_no_file(tmp_path: Path) -> None:
    with held(tmp_path / "lock"):
        assert (tmp_path / "lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_file_was_removed_by_its_holder_is_taken_on_the_new_file(tmp_path: Path) -> None:
    """Whoever waited on the old file would otherwise share the lock with whoever came later."""
    file = tmp_path / "lock"
    with held(file):
        waiter_has_it = threading.Event()
        done = threading.Event()

        def wait() -> None:
            with held(file):
                waiter_has_it.set()
                done.wait(5)

        waiter = threading.Thread(target=wait)
        waiter.start()
        assert not waiter_has_it.wait(0.1)
    assert waiter_has_it.wait(5)
    with open(file) as handle, pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    done.set()
    waiter.join()
