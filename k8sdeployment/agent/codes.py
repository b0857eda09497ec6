"""Exit codes, the policy which of them an action may answer, and the errors that carry them.

Error tree (every one ends an action with its own code unless the action knows better):

    AgentError               1  generic, retried by the cluster
    ├── Misconfigured        6  a parameter is wrong everywhere (OCF_ERR_CONFIGURED)
    ├── Unfit                5  fine elsewhere, wrong on this host (OCF_ERR_INSTALLED)
    ├── Late                 1  the action's time is used up
    ├── Voided               1  a stop or a probe took this start's right to grant
    └── ApiError             1  the API said something else than what was asked for
        ├── Unreachable      1  no usable answer (network, TLS, 401, 429, 5xx, not Kubernetes)
        ├── Forbidden        4  403 (OCF_ERR_PERM)
        ├── NotFound         5  404
        └── Conflict         1  409, the object is another one by now
"""

from __future__ import annotations

OK = 0
GENERIC = 1
ARGS = 2
UNIMPLEMENTED = 3
PERM = 4
INSTALLED = 5
CONFIGURED = 6
NOT_RUNNING = 7
DEGRADED = 190

PROBE = "probe"
MONITOR = "monitor"
PASSIVE = "monitor of a stopped workload"  # recurring, role=Stopped
START = "start"
STOP = "stop"
VALIDATE = "validate-all"
METADATA = "meta-data"

# What each action may answer; anything else becomes 1 on its way out. Pacemaker rewrites 2 and 5 from a probe to
# "not running" and starts a second copy, 6 from a probe stops the resource everywhere, 190 is no probe answer. In a
# monitor with role=Stopped anything but 7 stops the healthy copy on the other site (seen with crm_simulate 2.1.5).
ALLOWED = {
    PROBE: (OK, NOT_RUNNING, GENERIC),
    MONITOR: (OK, NOT_RUNNING, GENERIC, DEGRADED),
    PASSIVE: (OK, NOT_RUNNING, GENERIC),
    START: (OK, GENERIC, PERM, INSTALLED, CONFIGURED),
    STOP: (OK, GENERIC),
    VALIDATE: (OK, ARGS, PERM, INSTALLED, CONFIGURED, GENERIC),
    METADATA: (OK,),
}


def permitted(action: str, code: int) -> int:
    """The code an action really answers: the one given where the policy allows it, else 1."""
    if action not in ALLOWED:
        return UNIMPLEMENTED
    return code if code in ALLOWED[action] else GENERIC


class AgentError(Exception):
    """Ends an action; the text is the reason an operator reads."""

    code = GENERIC


class Misconfigured(AgentError):
    code = CONFIGURED


class Unfit(AgentError):
    code = INSTALLED


class Late(AgentError):
    pass


class Voided(AgentError):
    pass


class ApiError(AgentError):
    pass


class Unreachable(ApiError):
    """No usable answer. `retry_after` is the server's own wish in seconds (429, 503), 0 without one."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:  # noqa: B042 - never pickled
        super().__init__(reason)
        self.retry_after = retry_after


class Forbidden(ApiError):
    code = PERM


class NotFound(ApiError):
    code = INSTALLED


class Conflict(ApiError):
    pass


class Verdict:
    """An exit code with the one line that says why ("" where nothing needs saying)."""

    __slots__ = ("code", "reason")

    def __init__(self, code: int, reason: str = "") -> None:
        self.code = code
        self.reason = reason

    def __repr__(self) -> str:
        return f"Verdict({self.code}, {self.reason!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verdict) and (self.code, self.reason) == (other.code, other.reason)

    def __hash__(self) -> int:
        return hash((self.code, self.reason))
