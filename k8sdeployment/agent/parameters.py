"""The agent's parameters: declared once here; metadata, parsing, validation and the README's table derive from it."""

from __future__ import annotations

from .codes import Misconfigured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

PREFIX = "OCF_RESKEY_"
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_TRUE = ("1", "true", "yes", "on", "y")
_FALSE = ("0", "false", "no", "off", "n")
_UNITS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}
API_GRACE_FLOOR = 180


def is_label(text: str) -> bool:
    """RFC 1123 label: what a namespace name is."""
    return 0 < len(text) <= 63 and set(text) <= _LOWER | {"-"} and text[0] in _LOWER and text[-1] in _LOWER


def is_subdomain(text: str) -> bool:
    """RFC 1123 subdomain: what a Deployment's name is. No "/" and no "..": it is safe as part of a path."""
    return len(text) <= 253 and all(
        part and set(part) <= _LOWER | {"-"} and part[0] in _LOWER and part[-1] in _LOWER for part in text.split("."))


def _workload_names(text: str) -> str:
    names = list(filter(None, text.split(" ")))
    if not names or not all(map(is_subdomain, names)):
        raise ValueError("must be the name of a Deployment (lower case letters, digits, '-' and '.'), or several "
                         "separated by spaces")
    if len(set(names)) < len(names):
        raise ValueError("must name each workload once")
    return " ".join(names)


def _namespace(text: str) -> str:
    if not is_label(text):
        raise ValueError("must be a namespace name (lower case letters, digits and '-', 63 at most)")
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 6:
        raise ValueError("must be a whole number from 0 to 999999")
    return int(text)


def seconds(text: str) -> int:
    """A time span as Pacemaker writes it: 90, 90s, 5m, 1h. Returns whole seconds; ValueError with the sentence."""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _UNITS.get(text[len(digits):])
    if unit is None or not (digits.isascii() and digits.isdigit()) or len(digits) > 6:
        raise ValueError("must be a time span such as 300, 300s or 5m")
    return int(digits) * unit


def _api_grace(text: str) -> int:
    value = seconds(text)
    if value < API_GRACE_FLOOR:
        raise ValueError(f"must be at least {API_GRACE_FLOOR}s: an API server rollout on a single node takes that long")
    return value


def _flag(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("must be true or false")


def _absolute(text: str) -> str:
    if text and (not text.startswith("/") or "/../" in text + "/" or "\n" in text):
        raise ValueError("must be an absolute path")
    return text.rstrip("/")


def _directory(text: str) -> str:
    path = _absolute(text)
    if not path:
        raise ValueError("must be an absolute path, not the root directory")
    return path


def _any(text: str) -> str:
    return text


def _one_of(*choices: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in choices:
            raise ValueError("must be " + " or ".join(choices))
        return text
    return check


class Parameter:
    """One declared parameter: `check` turns its text into the value or raises ValueError with what would be right."""

    __slots__ = ("name", "content", "default", "short", "long", "check", "unique")

    def __init__(self, name: str, content: str, default: str | None, short: str, long: str,
                 check: Callable[[str], Any], unique: str = "") -> None:
        self.name, self.content, self.default = name, content, default
        self.short, self.long, self.check, self.unique = short, long, check, unique


PARAMETERS = (
    Parameter("deployment", "string", None, "Workload name",
              "Name of the Deployment (or StatefulSet, see kind) that this resource scales. Several names, separated "
              "by spaces, start in this order, stop in reverse, and count as one resource.",
              _workload_names, unique="workload"),
    Parameter("namespace", "string", "default", "Namespace", "Namespace of the workload.", _namespace,
              unique="workload"),
    Parameter("kind", "string", "Deployment", "Kind of the workload", "Deployment or StatefulSet.",
              _one_of("Deployment", "StatefulSet"), unique="workload"),
    Parameter("replica_min", "integer", "0", "Replicas when stopped",
              "Replicas that a stop leaves. Must be 0 for a gated workload.", _count),
    Parameter("replica_max", "integer", "1", "Replicas when started", "Replicas that a start asks for.", _count),
    Parameter("kubeconfig", "string", "", "Path of a kubeconfig",
              "Absolute path of a kubeconfig file. Without it the pod's service account is used.", _absolute),
    Parameter("context", "string", "", "Context in the kubeconfig",
              "Context to use from the kubeconfig; without it the file's current-context.", _any),
    Parameter("api_grace", "string", "300s", "How long the API may be away",
              "How long a workload that cannot be witnessed on this host counts as running while the API does not "
              "answer. At least 180s. Workloads witnessed running need no grace.", _api_grace),
    Parameter("unavailable_grace", "string", "60s", "How long no replica may be available",
              "How long a started workload may have no available replica before a deep monitor (level 10) fails.",
              seconds),
    Parameter("guard", "string", "auto", "Use of the permit gate",
              "auto: use the gate when the pod template has it, else run unguarded; required: refuse to start "
              "without a whole gate; off: never use the gate.", _one_of("auto", "required", "off")),
    Parameter("permit_dir", "string", "/run/aos", "Directory of the permits",
              "Directory on the host's tmpfs that holds permits/<namespace>/<kind>/<name>.", _directory),
    Parameter("drift", "string", "degraded", "Answer to a foreign replica count",
              "What a monitor answers when somebody else changed the replica count to neither minimum nor maximum: "
              "degraded (success with a warning) or fail.", _one_of("degraded", "fail")),
    Parameter("local_stop", "boolean", "true", "End pods without the API",
              "Whether a stop may end the processes of a gated workload itself when the API, kubelet or runtime do not "
              "do it in time. Skips preStop hooks.", _flag),
)


class Settings:
    """The parsed parameters of one resource. Times in seconds. What needs one workload takes it from `each`."""

    deployment: str
    namespace: str
    kind: str
    replica_min: int
    replica_max: int
    kubeconfig: str
    context: str
    api_grace: int
    unavailable_grace: int
    guard: str
    permit_dir: str
    drift: str
    local_stop: bool

    def each(self) -> list[Settings]:
        """The same settings for each of the resource's workloads alone, in the order of their start."""
        found = []
        for name in self.deployment.split():
            one = Settings()
            one.__dict__.update(self.__dict__, deployment=name)
            found.append(one)
        return found

    @property
    def workload(self) -> str:
        """How messages name the workload."""
        return f"{self.kind} {self.namespace}/{self.deployment}"

    @property
    def permit_path(self) -> str:
        return f"{self.permit_dir}/permits/{self.namespace}/{self.kind.lower()}/{self.deployment}"


def _combination_faults(settings: Settings) -> list[str]:
    faults = []
    if settings.replica_min >= settings.replica_max:
        faults.append(f"replica_min={settings.replica_min} must be less than replica_max={settings.replica_max}")
    if settings.guard == "required" and settings.replica_min > 0:
        faults.append(f"replica_min={settings.replica_min} must be 0 with guard=required: "
                      "a withdrawn permit lets no replica run")
    if settings.context and not settings.kubeconfig:
        faults.append(f"context={settings.context!r} needs kubeconfig")
    return faults


def parse(env: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Settings from OCF_RESKEY_* and every fault found; a faulty parameter is left at its default.

    A required parameter that is missing or faulty leaves no attribute: `target_known` tells.
    """
    settings, faults = Settings(), []
    for parameter in PARAMETERS:
        text = env.get(PREFIX + parameter.name) or parameter.default
        if text is None:
            faults.append(f"{parameter.name} is missing: it names the workload")
            continue
        try:
            value = parameter.check(text)
        except ValueError as fault:
            faults.append(f"{parameter.name}={text!r} {fault}")
            if parameter.default is None or parameter.unique or parameter.name == "permit_dir":
                continue  # a default in place of what names the target would act on another workload
            value = parameter.check(parameter.default)
        setattr(settings, parameter.name, value)
    if target_known(settings):
        faults.extend(_combination_faults(settings))
    return settings, faults


def target_known(settings: Settings) -> bool:
    """Whether everything that names the workload and its permit was understood."""
    return all(hasattr(settings, name) for name in ("deployment", "namespace", "kind", "permit_dir"))


def load(env: Mapping[str, str]) -> Settings:
    """Settings, or Misconfigured naming every fault."""
    settings, faults = parse(env)
    if faults:
        raise Misconfigured("; ".join(faults))
    return settings
