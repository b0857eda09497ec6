"""A digest of a pod template by which two sites find out in which fields theirs differ, without telling any value.

Every leaf becomes its path and three bytes of a hash over path and value: enough to see a difference, too little to
tell a value from. Lists whose entries have a name are compared by it, so that their order does not count.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Optional

_BYTES = 3
_MOST = 4 * 1024 * 1024
# What tools write at each roll-out and what says nothing about what runs.
_PASSING = ("kubectl.kubernetes.io/restartedAt",)


def digest(template: Mapping[str, Any]) -> str:
    """The digest of a pod template (a workload's `spec.template`) as one line of text."""
    leaves = {path: _hash(path, value) for path, value in _leaves(template, "")}
    text = json.dumps(leaves, sort_keys=True, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def differences(mine: str, theirs: str) -> list[str]:
    """The fields in which the templates behind two digests differ; one that cannot be read differs as a whole."""
    ours, others = _read(mine), _read(theirs)
    if ours is None or others is None:
        return ["a digest that this version cannot read"] if mine != theirs else []
    return sorted(path for path in {*ours, *others} if ours.get(path) != others.get(path))


def _read(text: str) -> Optional[dict[str, str]]:
    try:
        found = json.loads(zlib.decompressobj().decompress(base64.b64decode(text, validate=True), _MOST))
        return {str(path): str(mark) for path, mark in found.items()}
    except (ValueError, AttributeError, zlib.error):
        return None


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name in sorted(value):
            if name not in _PASSING and value[name] is not None:
                yield from _leaves(value[name], f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for index, one in enumerate(value):
            name = one.get("name") if isinstance(one, Mapping) else None
            yield from _leaves(one, f"{path}[{name if name is not None else index}]")
    elif path:
        yield path, value


def _hash(path: str, value: Any) -> str:
    data = json.dumps([path, value], sort_keys=True).encode()
    return base64.b64encode(hashlib.sha256(data).digest()[:_BYTES]).decode()
