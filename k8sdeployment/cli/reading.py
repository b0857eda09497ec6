"""Reading a SNOPair from a file that a person wrote."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k8sdeployment.cli.codes import CallError, CannotTell
from k8sdeployment.cli.world import World

if TYPE_CHECKING:
    from k8sdeployment.pair.model import SNOPair


def read_pair(source: str) -> dict[str, Any]:
    """The one SNOPair in a file of YAML or JSON; `-` is stdin. CallError when there is not just one."""
    import yaml
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        found = [one for one in yaml.safe_load_all(text) if one]
    except (OSError, UnicodeDecodeError) as error:
        raise CallError(f"{source} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        raise CallError(f"{source} is no YAML: {' '.join(str(error).split())}") from error
    pairs = [one for one in found if isinstance(one, dict) and one.get("kind", "SNOPair") == "SNOPair"]
    if len(pairs) != 1:
        raise CallError(f"{source} holds {len(pairs) or 'no'} SNOPairs; it must hold one")
    return pairs[0]


def kept_pair(world: World) -> "SNOPair":
    """The pair as the conductor of this site keeps it, for the API may be away. CannotTell where it keeps none."""
    if not world.pair.exists():
        raise CannotTell(f"the pair is not known here: {world.pair} is not there; call it in the conductor's container")
    return load_pair(read_pair(str(world.pair)))


def load_pair(document: Mapping[str, Any]) -> "SNOPair":
    """The pair as values. CallError with every fault, in the model's own sentences."""
    from k8sdeployment.pair import cr
    try:
        return cr.load(document)
    except cr.PairError as error:
        raise CallError("no pair can be built of this:\n" + "\n".join(f"  {one}" for one in error.sentences)) from None
