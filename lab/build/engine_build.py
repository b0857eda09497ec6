"""Building and saving images: buildah where podman is, the Docker API where a Docker daemon is."""

import contextlib
import json
from pathlib import Path
from typing import Optional

from docker.errors import APIError, ImageNotFound

from lab import hostproc, shell
from lab.engine import Engine
from lab.errors import LabError

KEY_LABEL = "aos-key"
BUILD_SECONDS = 1800.0


def image_key(engine: Engine, tag: str) -> Optional[str]:
    """The key an image was built with; None when there is no such image."""
    try:
        labels: dict[str, str] = engine.client.images.get(tag).labels
    except ImageNotFound:
        return None
    return labels.get(KEY_LABEL)


def image_id(engine: Engine, tag: str) -> str:
    """The hex digits of an image's id; LabError when it was not built yet."""
    try:
        identity = engine.client.images.get(tag).id or ""
    except ImageNotFound:
        raise LabError(f"there is no image {tag}; build it with `lab/lab build`") from None
    return identity.removeprefix("sha256:")


def build_image(engine: Engine, context: Path, containerfile: Path, tag: str, key: str,
                arguments: dict[str, str]) -> None:
    """Build one image with the host's network; LabError quotes the builder's last words."""
    if engine.podman:
        _remove_working_containers(engine)
        _buildah(context, containerfile, tag, key, arguments)
    else:
        _docker(engine, context, containerfile, tag, key, arguments)
    _remove_superseded(engine)


def _remove_superseded(engine: Engine) -> None:
    """Images of ours that lost their tag; one that a lab still runs on, or others stand on, is kept by the engine."""
    for image in engine.client.images.list(filters={"dangling": True, "label": KEY_LABEL}):
        with contextlib.suppress(APIError):
            engine.client.images.remove(str(image.id))


def _remove_working_containers(engine: Engine) -> None:
    """What interrupted builds on images of ours left behind; nothing while anyone builds, for it could be theirs."""
    if hostproc.running("buildah"):
        return
    for container in json.loads(shell.run(["buildah", "containers", "--json"])) or []:
        with contextlib.suppress(ImageNotFound):
            if KEY_LABEL in engine.client.images.get(container["imageid"]).labels:
                shell.run(["buildah", "rm", container["id"]])


def _buildah(context: Path, containerfile: Path, tag: str, key: str, arguments: dict[str, str]) -> None:
    options = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    shell.run(["buildah", "bud", "--isolation", "chroot", "--network", "host", "--pull=never", "--layers",
               "--label", f"{KEY_LABEL}={key}", *options, "-f", str(containerfile), "-t", tag, str(context)],
              timeout=BUILD_SECONDS)


def _docker(engine: Engine, context: Path, containerfile: Path, tag: str, key: str, arguments: dict[str, str]) -> None:
    """The docker program rather than the API: only BuildKit knows COPY --chmod."""
    options = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    shell.run(["docker", "build", "--network", "host", "--label", f"{KEY_LABEL}={key}", *options,
               "-f", str(containerfile), "-t", tag, str(context)],
              timeout=BUILD_SECONDS, env={"DOCKER_BUILDKIT": "1", "DOCKER_HOST": engine.url})


def save_image(engine: Engine, tag: str, file: Path) -> None:
    """Write the image as an archive that containerd imports under the same name."""
    image = engine.client.images.get(tag)
    with open(file, "wb") as target:
        for part in image.save(named=tag):
            target.write(part)
