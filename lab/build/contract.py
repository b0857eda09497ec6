"""The peer image for the contract tests: on each Debian release it is meant for, and with crmsh beside pcs."""

from lab import paths
from lab.build import base, images, keys
from lab.build.images import HERE, PREFIX, Recipe, Say
from lab.engine import Engine
from lab.state import held

# Debian 12 has Pacemaker 2.1, pcs 0.11 and crmsh 4; Debian 13 has Pacemaker 3, pcs 0.12 and crmsh 5.
RELEASES = (base.RELEASE, "trixie")
# The tools do not ask which fence agents there are, and all of Debian 13's would be 300 packages more.
_ARGUMENTS = {"trixie": {"FENCE_AGENTS": "fence-agents-ipmilan"}}


def build(engine: Engine, release: str, say: Say) -> str:
    """Build what is missing or out of date of one release; the image's tag."""
    with held(paths.cache_dir() / "build.lock"):
        base_key = images.ensure(engine, images.base_recipe(say, release), say)
        below = _crmsh(release, base_key)
        below_key = images.ensure(engine, below, say)
        peer = images.peer_recipe(images.PEER_FILE, below_key, say, f"{PREFIX}/peer:{release}", release,
                                  BASE=below.tag, **_ARGUMENTS.get(release, {}))
        images.ensure(engine, peer, say)
        return peer.tag


def _crmsh(release: str, base_key: str) -> Recipe:
    source = HERE / "images/crmsh"
    return Recipe(f"{PREFIX}/crmsh:{release}", source / "Containerfile", keys.content_key([source], base_key),
                  lambda context: None, {"BASE": f"{PREFIX}/base:{release}"})
