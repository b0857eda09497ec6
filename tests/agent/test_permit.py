"""The permit path: its states, who may change it, and what stands in the way. Real files on real file systems."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from k8sdeployment.agent.codes import Voided
from k8sdeployment.agent.parameters import is_subdomain
from k8sdeployment.agent.permit import ABSENT, FOREIGN, GRANTED, STOPPED, STOPPING, UNSEEN, WITHDRAWN, Permit

from .kernel import needs_root, run, tmpfs
from .permits import grant, permit_of


@pytest.fixture
def permit(tmp_path: Path) -> Permit:
    return permit_of(tmp_path)


def at(permit: Permit) -> Path:
    path = Path(permit.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


# -- states --------------------------------------------------------------------------------------------------------

def _directory_with_content(path: Path) -> None:
    (path / "a/b").mkdir(parents=True)
    (path / "a/c").touch()
    (path / "link").symlink_to("/nowhere")


MAKERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, ABSENT),
    "regular file": (lambda path: path.touch(), GRANTED),
    "tombstone stopping": (lambda path: path.symlink_to(STOPPING), STOPPING),
    "tombstone stopped": (lambda path: path.symlink_to(STOPPED), STOPPED),
    "tombstone unseen": (lambda path: path.symlink_to(UNSEEN), UNSEEN),
    "link to a file": (lambda path: path.symlink_to("/etc/passwd"), FOREIGN),
    "dangling link that is none of ours": (lambda path: path.symlink_to("gone"), FOREIGN),
    "link to itself": (lambda path: path.symlink_to(path.name), FOREIGN),
    "empty directory": (lambda path: path.mkdir(), FOREIGN),
    "directory with content": (_directory_with_content, FOREIGN),
    "fifo": (os.mkfifo, FOREIGN),
}


@pytest.mark.parametrize("what", MAKERS)
def test_state(permit: Permit, what: str) -> None:
    make, expected = MAKERS[what]
    make(at(permit))
    assert permit.state() == expected


@pytest.mark.parametrize("mark", [STOPPING, STOPPED])
def test_nobody_can_make_anything_through_a_tombstone(permit: Permit, mark: str) -> None:
    """As kubelet tries for a hostPath of type FileOrCreate or DirectoryOrCreate, and a runtime for a missing source."""
    path = at(permit)
    path.symlink_to(mark)
    with pytest.raises(NotADirectoryError):
        path.touch()
    with pytest.raises(FileExistsError):
        path.mkdir(parents=True, exist_ok=True)
    assert permit.state() == mark


def test_a_file_in_place_of_the_directory_is_foreign(permit: Permit) -> None:
    Path(permit.path).parent.parent.mkdir(parents=True)
    Path(permit.path).parent.touch()
    assert permit.state() == FOREIGN


def test_the_path_is_the_one_that_the_gate_names(tmp_path: Path) -> None:
    """Namespace, kind and name are all in the path: a Deployment and a StatefulSet may share a name."""
    assert permit_of(tmp_path, "db", "shop", "StatefulSet").path == f"{tmp_path}/permits/shop/statefulset/db"
    grant(permit_of(tmp_path, "db", kind="StatefulSet"))
    assert permit_of(tmp_path, "db").state() == ABSENT


@pytest.mark.parametrize("name", ["stopped", "stopping", "unseen"])
def test_tombstones_dangle_beside_a_workload_of_that_name(tmp_path: Path, name: str) -> None:
    """kubelet follows links: a tombstone that resolves would let the pod run."""
    grant(permit_of(tmp_path, name))
    other = permit_of(tmp_path)
    puts: dict[str, Callable[[], None]] = {
        STOPPING: other.withdraw, STOPPED: other.mark_stopped, UNSEEN: partial(other.withdraw, unseen=True)}
    for mark, put in puts.items():
        put()
        assert other.state() == mark
        assert not os.path.exists(other.path)


def test_no_workload_can_have_a_tombstones_name() -> None:
    assert not any(map(is_subdomain, WITHDRAWN))


# -- announcement, grant, withdrawal -------------------------------------------------------------------------------

def test_grant_needs_an_announcement(permit: Permit) -> None:
    with permit.locked(), pytest.raises(Voided):
        permit.grant()
    assert permit.state() == ABSENT


def test_grant_puts_a_regular_file_and_nothing_else_there(permit: Permit) -> None:
    grant(permit)
    assert permit.state() == GRANTED and permit.mine()
    assert os.listdir(Path(permit.path).parent) == ["app"]


@pytest.mark.parametrize("overtake", [Permit.withdraw, Permit.void, Permit.announce], ids=lambda act: act.__name__)
def test_an_overtaken_start_grants_nothing(permit: Permit, tmp_path: Path, overtake: Callable[[Permit], None]) -> None:
    """A stop, a probe's promise, or another start takes the right away, even if the start lives on as an orphan."""
    permit.announce()
    overtake(permit_of(tmp_path))
    before = permit.state()
    with permit.locked(), pytest.raises(Voided):
        permit.grant()
    assert permit.state() == before != GRANTED


def test_withdraw_marks_at_once_and_stopped_only_after_stopping(permit: Permit) -> None:
    permit.mark_stopped()
    assert permit.state() == ABSENT
    grant(permit)
    permit.mark_stopped()
    assert permit.state() == GRANTED
    permit.withdraw()
    assert permit.state() == STOPPING
    assert not permit.mine()
    permit.mark_stopped()
    assert permit.state() == STOPPED


@pytest.mark.parametrize("seen_before", [False, True])
def test_that_pods_may_run_unseen_is_marked_until_none_is_proven_to(permit: Permit, seen_before: bool) -> None:
    """Of whatever stop: the mark outlives one that fails or is killed, and what another process remembers."""
    if seen_before:
        grant(permit)
        permit.withdraw()
        permit.withdraw(unseen=True)
    else:
        at(permit).symlink_to("/etc/passwd")
        permit.withdraw()
    assert permit.state() == UNSEEN and not os.path.exists(permit.path)
    permit.withdraw()
    assert permit.state() == UNSEEN
    permit.mark_stopped()
    assert permit.state() == STOPPED


def test_mine_is_only_the_permit_of_this_start(permit: Permit, tmp_path: Path) -> None:
    grant(permit)
    other = permit_of(tmp_path)
    assert not other.mine()
    grant(other)
    assert other.mine() and not permit.mine()


def test_concluded_leaves_a_later_announcement(permit: Permit, tmp_path: Path) -> None:
    permit.announce()
    later = permit_of(tmp_path)
    later.announce()
    permit.concluded()
    with later.locked():
        assert later.announced()
    later.concluded()
    with later.locked():
        assert not later.announced()


@pytest.mark.parametrize("before,after", [(ABSENT, STOPPED), (GRANTED, GRANTED), (STOPPING, STOPPING),
                                          (STOPPED, STOPPED), (UNSEEN, UNSEEN), (FOREIGN, FOREIGN)])
def test_settle_marks_only_what_was_never_granted(permit: Permit, before: str, after: str) -> None:
    makers: dict[str, Callable[[], object]] = {
        ABSENT: lambda: None, GRANTED: lambda: at(permit).touch(), FOREIGN: lambda: at(permit).mkdir(),
        **{mark: partial(at(permit).symlink_to, mark) for mark in WITHDRAWN}}
    makers[before]()
    permit.settle()
    assert permit.state() == after


def test_settle_does_not_overtake_a_start(permit: Permit) -> None:
    permit.announce()
    permit.settle()
    assert permit.state() == ABSENT
    with permit.locked():
        permit.grant()
    assert permit.state() == GRANTED


@pytest.mark.parametrize("what", MAKERS)
def test_forget_takes_away_tombstones_alone(permit: Permit, what: str) -> None:
    make, before = MAKERS[what]
    make(at(permit))
    permit.forget()
    assert permit.state() == (ABSENT if before in WITHDRAWN else before)


# -- strays --------------------------------------------------------------------------------------------------------

STRAYS: dict[str, Callable[[Path], object]] = {
    "empty directory": lambda path: path.mkdir(),
    "directory with content": _directory_with_content,
    "fifo": os.mkfifo,
    "foreign link": lambda path: path.symlink_to("/etc/passwd"),
}


@pytest.mark.parametrize("change,expected", [(grant, GRANTED), (Permit.withdraw, STOPPING)], ids=["grant", "withdraw"])
@pytest.mark.parametrize("stray", STRAYS)
def test_a_stray_gives_way(permit: Permit, stray: str, change: Callable[[Permit], None], expected: str) -> None:
    """The runtime makes a directory at a missing mount source; no later mount and no rename must founder on it."""
    STRAYS[stray](at(permit))
    change(permit)
    assert permit.state() == (UNSEEN if stray == "foreign link" and expected == STOPPING else expected)
    assert os.listdir(Path(permit.path).parent) == ["app"]


def test_the_target_of_a_foreign_link_is_not_touched(permit: Permit, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("keep")
    at(permit).symlink_to(tmp_path / "target")
    permit.withdraw()
    grant(permit)
    assert (tmp_path / "target").read_text() == "keep"


# -- file systems that fail ----------------------------------------------------------------------------------------

@needs_root
def test_a_full_tmpfs_yields_no_half_permit_but_lets_a_stop_withdraw(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "aos", "size=4k") as directory:
        permit = permit_of(directory)
        permit.announce()  # takes the one page that there is
        with permit.locked(), pytest.raises(OSError):
            permit.grant()
        assert permit.state() == ABSENT
        permit.withdraw()
        assert permit.state() == STOPPING


@needs_root
def test_a_read_only_directory_is_readable_and_says_so_when_written(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "aos") as directory:
        permit = permit_of(directory)
        permit.withdraw()
        run("mount", "-o", "remount,ro", directory)
        assert permit.state() == STOPPING
        with pytest.raises(OSError):
            permit.withdraw()
        with pytest.raises(OSError):
            permit.announce()


@needs_root
@pytest.mark.parametrize("limit", ["nr_inodes=64", "size=64k"])
def test_a_full_file_system_does_not_keep_a_permit_in_place(tmp_path: Path, limit: str) -> None:
    """Whoever filled /run must not thereby have the site fenced."""
    with tmpfs(tmp_path / "small", limit) as directory:
        permit = permit_of(directory)
        grant(permit)
        fill(directory)
        with pytest.raises(OSError, match="No space left"):
            (directory / "one-more").write_text("x" * 4096)
        permit.withdraw()
        assert permit.state() == STOPPING
        permit.mark_stopped()
        assert permit.state() in (STOPPING, STOPPED)
        permit.withdraw()
        assert permit.state() in (STOPPING, STOPPED)
        permit.withdraw(unseen=True)
        assert permit.state() == UNSEEN


def fill(directory: Path) -> None:
    """Until neither a file nor a byte can be added."""
    for number in range(100_000):
        try:
            (directory / str(number)).write_bytes(b"x" * 4096)
        except OSError:
            return


def test_a_fifo_in_the_permits_place_is_not_waited_for(permit: Permit) -> None:
    grant(permit)
    os.unlink(permit.path)
    os.mkfifo(permit.path)
    assert not permit.mine()
