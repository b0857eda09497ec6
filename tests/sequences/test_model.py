"""The model is held against the real thing where that is cheap: a double that is wrong proves nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from k8sdeployment.agent.permit import STOPPED, Permit

from ..agent.cluster import permit_at
from ..agent.kernel import holder, needs_host, tmpfs
from ..agent.permits import grant
from . import trial
from .conftest import MakeDriver
from .host import Host
from .steps import Step
from .timeline import Timeline
from .world import World

# -- mounts as mountinfo shows them ----------------------------------------------------------------------------------


@pytest.fixture
def permit_dir(tmp_path: Path) -> Iterator[Path]:
    tmp_path.chmod(0o755)
    with tmpfs(tmp_path / "aos") as directory:
        yield directory


def _root_of(pid: int, target: Path) -> str:
    """The root field of the mount at `target` in a process's mountinfo."""
    lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    return next(fields[3] for fields in map(str.split, lines) if fields[4] == str(target))


class _Watched:
    """The model told of every change that the real file system sees."""

    def __init__(self, host: Host, patch: pytest.MonkeyPatch) -> None:
        for name, then in (("rename", host.renamed), ("unlink", host.removed), ("rmdir", host.removed)):
            patch.setattr(os, name, self._both(getattr(os, name), then))

    def _both(self, real: Callable[..., None], then: Callable[..., None]) -> Callable[..., None]:
        def both(*paths: object, **more: object) -> None:
            real(*paths, **more)
            if not more:  # shutil's descriptors are not of this file system's permits
                then(*map(str, paths))
        return both


def _withdrawn(permit: Permit) -> None:
    permit.withdraw()


def _unlinked(permit: Permit) -> None:
    os.unlink(permit.path)


def _granted_anew(permit: Permit) -> None:
    permit.withdraw()
    grant(permit)


def _moved(permit: Permit) -> None:
    os.rename(permit.path, permit.path + ".elsewhere")


@needs_host
@pytest.mark.parametrize("source,change", [
    ("file", _withdrawn), ("file", _unlinked), ("file", _granted_anew), ("file", _moved),
    ("directory", _withdrawn), ("directory", _granted_anew), ("directory", _moved)])
def test_a_mount_is_shown_as_the_kernel_shows_it(source: str, change: Callable[[Permit], None], permit_dir: Path,
                                                 tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    permit = permit_at(permit_dir)
    grant(permit)
    target = tmp_path / "permit"
    if source == "directory":
        os.unlink(permit.path)
        os.mkdir(permit.path)
        target.mkdir()
    host = World(str(_empty(tmp_path / "model"))).host
    host.directory = str(permit_dir)
    with holder(permit.path, target) as real:
        model = host.spawn(1, "app", workload="", root=host.within(permit.path))
        assert model.root == _root_of(real.pid, target)
        _Watched(host, monkeypatch)
        change(permit)
        assert model.root == _root_of(real.pid, target)


def _empty(path: Path) -> Path:
    path.mkdir()
    return path


# -- kubelet and the runtime, as docs/permit.md says they are --------------------------------------------------------

@pytest.fixture
def world(tmp_path: Path) -> World:
    """A site where the cluster ordered a start and the permit is missing yet; one replica is asked for."""
    world = World(str(_empty(tmp_path / "aos")))
    world.free = ""
    world.scale(1)
    return world


def _put(world: World, what: str) -> None:
    world.tamper(what)


@pytest.mark.parametrize("what,runs", [("unlink", False), ("directory", False), ("fifo", False), ("dangling", False),
                                       ("file", True), ("link", True)])
def test_a_new_pod_starts_on_a_file_and_on_a_link_to_one(world: World, what: str, runs: bool) -> None:
    _put(world, what)
    world.timeline.advance(10.0)
    assert bool(world.running()) == runs


@pytest.mark.parametrize("what,runs", [("unlink", True), ("directory", True), ("dangling", False), ("file", True)])
def test_a_container_restarts_unless_a_dangling_link_stands_there(world: World, what: str, runs: bool) -> None:
    _put(world, "file")
    world.timeline.advance(10.0)
    _put(world, what)
    world.crash()
    world.timeline.advance(0.05)
    assert not world.running()
    world.timeline.advance(5.0)
    assert bool(world.running()) == runs
    if what == "unlink":
        assert os.path.isdir(world.path("app")), "the runtime made a directory"


def test_without_kubelet_an_object_goes_and_its_process_stays(world: World) -> None:
    _put(world, "file")
    world.timeline.advance(10.0)
    world.kubelet.stop()
    world.force_delete()
    world.timeline.advance(60.0)
    assert world.running()
    world.scale(0)
    world.kubelet.start()
    world.timeline.advance(60.0)
    assert not world.running()


def test_a_roll_out_has_a_surge(world: World) -> None:
    _put(world, "file")
    world.timeline.advance(10.0)
    first = {process.pid for process in world.host.of("app")}
    world.roll_out(gated=True)
    both = world.timeline.advance_until(lambda: bool({one.pid for one in world.host.of("app")} - first), 10.0)
    assert both and first & {process.pid for process in world.host.of("app")}
    world.timeline.advance(20.0)
    assert world.running() and not first & set(world.host.processes)


def test_a_boot_ends_everything_and_etcd_still_asks_for_it(world: World) -> None:
    _put(world, "file")
    world.timeline.advance(10.0)
    world.reboot(2.0, 2.0, 30.0)
    assert not world.running() and not os.listdir(world.directory)
    world.timeline.advance(10.0)
    pods = list(world.objects.kinds["Pod"].values())
    assert pods[0]["status"]["phase"] == "Running", "the API shows the old status"
    world.timeline.advance(300.0)
    assert not world.violations, "nothing ran: there was no permit"


# -- time, steps and seeds -------------------------------------------------------------------------------------------

def test_clocks_are_linux_s() -> None:
    timeline = Timeline()
    timeline.boot()
    before, wall = timeline.monotonic(), timeline.wall()
    timeline.jump(-1e6)
    timeline.advance(5.0)
    assert timeline.monotonic() == before + 5.0 and timeline.wall() == wall + 5.0 - 1e6
    timeline.boot()
    assert timeline.monotonic() == 0.0


def test_a_history_is_the_same_each_time() -> None:
    """What a seed found can be looked at again, to the millisecond."""
    for index in range(3):
        site, steps = trial.drawn(1, index)
        first, second = (trial.run(site, steps) for _ in range(2))
        assert first.trace == second.trace
        assert len(first.trace) > 10


def test_a_kill_frees_the_lock_and_leaves_the_rest_undone(driver: MakeDriver) -> None:
    one = driver()
    names = one.act(Step("stop", 1)).steps
    at = next(index for index, name in enumerate(names, 1) if name.startswith("rename"))
    other = driver()
    assert other.act(Step("stop", 1, kill=at)).steps == names[:at]
    assert not os.path.lexists(other.world.path("app")), "the rename did not happen"
    assert other.act(Step("stop", 2)).code == 0
    assert os.readlink(other.world.path("app")) == STOPPED


def test_whoever_is_put_aside_goes_on_where_it_was(driver: MakeDriver) -> None:
    site = driver()
    site.take(Step("start", 1, aside=30, orphan=True))
    aside = site.waiting
    assert aside is not None and site.world.running() == []
    site.take(Step("resume", 2))
    assert site.waiting is not aside and site.world.running() == ["app"]
