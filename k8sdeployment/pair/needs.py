"""What a pod template asks of the site that is to run it: images, objects it refers to, room. Pure, over API objects.

After Kubernetes' own reference ("Pod v1 core"). What is marked optional there is not needed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

PodSpec = Mapping[str, Any]
Room = dict[str, Decimal]
_FACTORS = {"": Decimal(1), "m": Decimal("0.001"), "n": Decimal("1e-9"), "u": Decimal("1e-6"),
            **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
            **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}}


@dataclass(frozen=True)
class Reference:
    """An object of the pod's own namespace that must be there, with the keys it must hold."""

    kind: str
    name: str
    keys: frozenset[str] = field(default=frozenset())


def references(pod: PodSpec) -> list[Reference]:
    """Everything a pod of this template cannot start without, each object once."""
    keys: dict[tuple[str, str], set[str]] = {}
    for one in (*_volumes(pod), *_environment(pod), *_identity(pod)):
        keys.setdefault((one.kind, one.name), set()).update(one.keys)
    return [Reference(kind, name, frozenset(found)) for (kind, name), found in sorted(keys.items())]


def _volumes(pod: PodSpec) -> Iterator[Reference]:
    for volume in pod.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            yield from _mounted("Secret", source.get("secret"))
            yield from _mounted("ConfigMap", source.get("configMap"))
        if volume.get("persistentVolumeClaim"):
            yield Reference("PersistentVolumeClaim", str(volume["persistentVolumeClaim"].get("claimName")))


def _mounted(kind: str, source: Any) -> Iterator[Reference]:
    # A Secret's volume calls it secretName, everything else calls it name.
    name = (source or {}).get("secretName") or (source or {}).get("name")
    if name and not source.get("optional"):
        yield Reference(kind, str(name), frozenset(str(item.get("key")) for item in source.get("items") or ()))


def _environment(pod: PodSpec) -> Iterator[Reference]:
    for container in containers(pod):
        for source in container.get("envFrom") or ():
            yield from _mounted("Secret", source.get("secretRef"))
            yield from _mounted("ConfigMap", source.get("configMapRef"))
        for variable in container.get("env") or ():
            value = variable.get("valueFrom") or {}
            for kind, name in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
                ref = value.get(name) or {}
                if ref.get("name") and not ref.get("optional"):
                    yield Reference(kind, str(ref["name"]), frozenset({str(ref.get("key"))}))


def _identity(pod: PodSpec) -> Iterator[Reference]:
    yield Reference("ServiceAccount", str(pod.get("serviceAccountName") or "default"))
    for secret in pod.get("imagePullSecrets") or ():
        yield Reference("Secret", str(secret.get("name")))


def containers(pod: PodSpec) -> list[Mapping[str, Any]]:
    """Init containers and containers."""
    return [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]


def images(pod: PodSpec) -> list[str]:
    """The images of all containers, as written."""
    return sorted({str(one["image"]) for one in containers(pod) if one.get("image")})


def plain_image(name: str) -> str:
    """An image's full name, as a runtime reports it: docker.io/library and :latest filled in."""
    head, slash, rest = name.partition("/")
    if not slash or not ("." in head or ":" in head or head == "localhost"):
        name = f"docker.io/{'' if slash else 'library/'}{name}"
    elif head == "docker.io" and "/" not in rest:
        name = f"docker.io/library/{rest}"
    if "@" in name:  # repository:tag@digest is that digest, whatever the tag
        repository, _, digest = name.partition("@")
        path, colon, tag = repository.rpartition(":")
        return f"{path if colon and '/' not in tag else repository}@{digest}"
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def quantity(value: Any) -> Decimal:
    """A Kubernetes quantity as a number; 0 for what is none, so that a look never fails on a stranger's pod."""
    text = str(value).strip()
    for length in (2, 1, 0):
        suffix = text[len(text) - length:] if length else ""
        if suffix in _FACTORS and (suffix or not length):
            try:
                return Decimal(text[:len(text) - length]) * _FACTORS[suffix]
            except InvalidOperation:
                continue
    return Decimal(0)


def requests(pod: PodSpec) -> Room:
    """What the scheduler sets aside for one pod: containers and sidecars together, or the greediest moment of its
    init containers; and itself, as one of the node's pods."""
    running = _sum(_asked(one) for one in pod.get("containers") or ())
    sidecars: Room = {}
    peak: Room = {}
    for one in pod.get("initContainers") or ():
        if one.get("restartPolicy") == "Always":
            sidecars = _sum((sidecars, _asked(one)))
            peak = _most(peak, sidecars)
        else:
            peak = _most(peak, _sum((sidecars, _asked(one))))
    overhead = {name: quantity(value) for name, value in (pod.get("overhead") or {}).items()}
    return _sum((_most(_sum((running, sidecars)), peak), overhead, {"pods": Decimal(1)}))


def _asked(container: Mapping[str, Any]) -> Room:
    resources = container.get("resources") or {}
    # A limit without a request is the request.
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: quantity(value) for name, value in asked.items()}


def _sum(rooms: Iterable[Room]) -> Room:
    made: Room = {}
    for room in rooms:
        for name, value in room.items():
            made[name] = made.get(name, Decimal(0)) + value
    return made


def _most(one: Room, other: Room) -> Room:
    return {name: max(one.get(name, Decimal(0)), other.get(name, Decimal(0))) for name in {*one, *other}}


def shortages(wanted: Room, times: int, allocatable: Mapping[str, Any], others: Iterable[PodSpec]) -> list[str]:
    """What a node lacks for so many pods beside those that are on it, by name."""
    taken = _sum(requests(pod) for pod in others)
    lacking = []
    for name, value in sorted(wanted.items()):
        free = quantity(allocatable.get(name, 0)) - taken.get(name, Decimal(0))
        if value * times > free:
            lacking.append(f"{name} (asks for {_shown(name, value * times)}, {_shown(name, max(free, Decimal(0)))} "
                           "are free)")
    return lacking


def _shown(name: str, value: Decimal) -> str:
    if name == "memory" or name.endswith("storage"):
        return f"{value / 1024 / 1024:.0f}Mi"
    return f"{value.normalize():f}"
