"""The lab's images: how each is made, when it must be made again, and its archive for the sites' containerd."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab import hostproc, paths, shell
from lab.build import base, keys, kube, wheels
from lab.build.engine_build import build_image, image_id, image_key, save_image
from lab.engine import Engine
from lab.state import held

PREFIX = "localhost/aos-sno-pair"
BASE = f"{PREFIX}/base:{base.RELEASE}"
SITE = f"{PREFIX}/site:dev"
BMC = f"{PREFIX}/bmc:dev"
BOARD = f"{PREFIX}/board:dev"
APP = f"{PREFIX}/app:dev"
PAUSE = f"{PREFIX}/pause:dev"
PEER = f"{PREFIX}/peer:dev"
IN_SITES = (PAUSE, APP, PEER)

HERE = paths.CHECKOUT / "lab"
PEER_FILE = paths.CHECKOUT / "containers/peer/Containerfile"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """How one image is made; `fill` puts what the Containerfile copies into a fresh context directory."""

    tag: str
    containerfile: Path
    key: str
    fill: Callable[[Path], None]
    arguments: dict[str, str] = field(default_factory=lambda: {"BASE": BASE})


def build_all(engine: Engine, say: Say) -> None:
    """Build what is missing or out of date, one builder at a time."""
    with held(paths.cache_dir() / "build.lock"):
        _build_all(engine, say)


def _build_all(engine: Engine, say: Say) -> None:
    binaries = kube.binaries(say)
    base_key = ensure(engine, base_recipe(say), say)
    recipes = [_site(binaries, base_key), _bmc(base_key), _program("app", APP), _program("pause", PAUSE)]
    if PEER_FILE.exists() and (paths.CHECKOUT / "ocf/k8sdeployment").exists():
        recipes.append(peer_recipe(PEER_FILE, base_key, say))
    else:
        say("no peer image: containers/peer/Containerfile or ocf/k8sdeployment is not there")
    for recipe in recipes:
        ensure(engine, recipe, say)


def build_board(engine: Engine, say: Say) -> None:
    """Build the board's image if it is missing or out of date: few labs have one, so it is built for these alone."""
    with held(paths.cache_dir() / "build.lock"):
        ensure(engine, _board(ensure(engine, base_recipe(say), say), say), say)


def ensure(engine: Engine, recipe: Recipe, say: Say) -> str:
    """Build the image unless one with the recipe's key is there; the key."""
    if image_key(engine, recipe.tag) == recipe.key:
        return recipe.key
    say(f"building {recipe.tag}")
    with workspace(paths.cache_dir() / "work") as context:
        recipe.fill(context)
        build_image(engine, context, recipe.containerfile, recipe.tag, recipe.key, recipe.arguments)
    return recipe.key


@contextmanager
def workspace(directory: Path) -> Iterator[Path]:
    """An empty directory for one build; what a build that was killed left in it goes first, its mounts before all."""
    wipe(directory)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        wipe(directory)


def wipe(directory: Path) -> None:
    """Remove a tree; debootstrap mounts the host's /proc and /sys in its, and these must never be walked into."""
    for place in hostproc.mounts_under(directory):
        shell.run(["umount", "--lazy", place])
    if directory.exists():
        shutil.rmtree(directory)


def present(engine: Engine, tag: str) -> bool:
    """Whether the image was built; only the peer's may be missing."""
    return image_key(engine, tag) is not None


def archives(engine: Engine, say: Say) -> list[Path]:
    """The archives of the images that belong into the sites."""
    with held(paths.cache_dir() / "build.lock"):
        return [archive(engine, tag, say) for tag in IN_SITES if present(engine, tag)]


def archive(engine: Engine, tag: str, say: Say) -> Path:
    """The image as a tar file in the cache, named after the image's id."""
    identity = image_id(engine, tag)
    directory = paths.cache_dir() / "archives"
    directory.mkdir(parents=True, exist_ok=True)
    stem = tag.rsplit("/", 1)[1].replace(":", "-")
    file = directory / f"{stem}-{identity[:12]}.tar"
    if not file.exists():
        say(f"saving {tag}")
        for old in directory.glob(f"{stem}-*.tar"):
            old.unlink()
        partial = file.with_suffix(f".{os.getpid()}")
        save_image(engine, tag, partial)
        partial.rename(file)
    return file


def base_recipe(say: Say, release: str = base.RELEASE) -> Recipe:
    """A release of Debian, for the other images to stand on."""
    def fill(context: Path) -> None:
        root = context / "root"
        base.make_root(root, say, release)
        shell.run(["tar", "-C", str(root), "--numeric-owner", "-cf", str(context / "root.tar"), "."], timeout=300)
        shutil.rmtree(root)

    sources = base.host_sources(release)
    key = keys.content_key([HERE / "build" / "base.py", HERE / "images" / "base"], *sources)
    return Recipe(f"{PREFIX}/base:{release}", HERE / "images/base/Containerfile", key, fill, {})


def _site(binaries: Path, base_key: str) -> Recipe:
    def fill(context: Path) -> None:
        (context / "kube").mkdir()
        for program in kube.PROGRAMS:
            _link_or_copy(binaries / program, context / "kube" / program)
        copy_sources(HERE / "images/site/etc", context / "etc")
        copy_sources(HERE / "sno", context / "sno")

    key = keys.content_key([HERE / "images/site", HERE / "sno"], base_key, keys.stat_key(binaries, kube.PROGRAMS))
    return Recipe(SITE, HERE / "images/site/Containerfile", key, fill)


def _bmc(base_key: str) -> Recipe:
    def fill(context: Path) -> None:
        copy_sources(HERE / "bmc", context / "bmc")

    key = keys.content_key([HERE / "images/bmc", HERE / "bmc"], base_key)
    return Recipe(BMC, HERE / "images/bmc/Containerfile", key, fill)


def _board(base_key: str, say: Say) -> Recipe:
    source = HERE / "images/board"

    def fill(context: Path) -> None:
        shutil.copytree(source, context, dirs_exist_ok=True)
        copy_sources(HERE / "bmc", context / "bmc")
        (context / "wheels").mkdir()
        wanted = (source / "requirements.txt").read_text()
        for wheel in wheels.wheels(base.RELEASE, say, wanted).glob("*.whl"):
            _link_or_copy(wheel, context / "wheels" / wheel.name)

    return Recipe(BOARD, source / "Containerfile", keys.content_key([source, HERE / "bmc"], base_key), fill)


def _program(name: str, tag: str) -> Recipe:
    source = HERE / "images" / name

    def fill(context: Path) -> None:
        shell.run([kube.go_program(), "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w",
                   "-o", str(context / "program"), str(source / "main.go")], timeout=300,
                  env={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""})

    return Recipe(tag, source / "Containerfile", keys.content_key([source]), fill, {})


def peer_recipe(containerfile: Path, base_key: str, say: Say, tag: str = PEER, release: str = base.RELEASE,
                **arguments: str) -> Recipe:
    """The product's own image; its Containerfile expects the checkout's layout in the context."""
    parts = [paths.CHECKOUT / part for part in ("containers/peer", "ocf", "k8sdeployment")]

    def fill(context: Path) -> None:
        for part in parts:
            copy_sources(part, context / part.relative_to(paths.CHECKOUT))
        # That alone, so that nothing else in setup.cfg makes the environment's layer anew.
        (context / "setup.cfg").write_text(wheels.extra())
        for wheel in wheels.wheels(release, say).glob("*.whl"):
            _link_or_copy(wheel, context / "containers/peer/wheels" / wheel.name)

    given = {"BASE": BASE, **arguments}
    key = keys.content_key(parts, base_key, wheels.requirements(), *arguments.values())
    return Recipe(tag, containerfile, key, fill, given)


def copy_sources(source: Path, target: Path) -> None:
    """A copy of a source tree without caches."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*keys.SKIPPED))


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
