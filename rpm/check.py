"""Tries an installed agent: its files, and what it answers where there is neither cluster nor API.

    python3 rpm/check.py PREFIX [--not-compiled]     PREFIX: /usr, or that of a build root

Python 3.9 and the standard library alone: %check of the RPM runs it on builders that have nothing else. It changes
nothing, asks no network, and needs no root. Exit status 0 when all is well, 1 with a line for everything that is not.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from xml.etree import ElementTree

AGENT = "lib/ocf/resource.d/aos/k8sdeployment"
LIBRARY = "lib/ocf/lib/aos/k8sdeployment"
# Isolated: no PYTHON* variable, no user's packages, no site-packages, nothing from the agent's own folder.
ISOLATED = "#!/usr/bin/python3 -IS"
UNCHECKED_HASH = b"\x01\x00\x00\x00"
TIMEOUT = {"OCF_RESKEY_CRM_meta_timeout": "1000"}
UNGUARDED = {"OCF_RESKEY_deployment": "app", "OCF_RESKEY_guard": "off",
             "OCF_RESKEY_kubeconfig": "/nonexistent/kubeconfig", **TIMEOUT}

# action, parameters -> exit code, part of the reason. What the API would have to say is an error, never a "stopped".
ANSWERS: tuple[tuple[str, dict[str, str], int, str], ...] = (
    ("validate-all", {"OCF_RESKEY_deployment": "app"}, 0, ""),
    ("validate-all", {}, 6, "deployment is missing"),
    ("validate-all", {"OCF_RESKEY_deployment": "../x", "OCF_RESKEY_api_grace": "1s"}, 6, "api_grace"),
    ("promote", UNGUARDED, 3, ""),
    ("", UNGUARDED, 3, ""),
    ("monitor", UNGUARDED, 1, "/nonexistent/kubeconfig"),
    ("stop", UNGUARDED, 1, "/nonexistent/kubeconfig"),
    ("start", UNGUARDED, 5, "/nonexistent/kubeconfig"),
)


def ask(agent: str, action: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The agent's answer to one action, given by this very Python with the flags of the installed first line."""
    command = [sys.executable, "-IS", agent, *([action] if action else [])]
    return subprocess.run(command, env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True, timeout=60)


def described(metadata: str) -> str:
    """The agent that a metadata document is of; "" when it is no such document."""
    try:
        return ElementTree.fromstring(metadata.encode()).get("name", "")
    except ElementTree.ParseError:
        return ""


def wrong_files(prefix: str, compiled: bool) -> Iterator[str]:
    """What is wrong with the installed files, one sentence each; compiled ones only when they are `compiled`."""
    agent = os.path.join(prefix, AGENT)
    with open(agent, encoding="utf-8") as file:
        first = file.readline().rstrip()
    if first != ISOLATED:
        yield f"{agent} begins with {first!r}, not {ISOLATED!r}"
    if not os.access(agent, os.X_OK):
        yield f"{agent} is not executable"
    library = os.path.join(prefix, LIBRARY)
    modules = [os.path.join(folder, name) for folder in (library, os.path.join(library, "agent"))
               for name in os.listdir(folder) if name.endswith(".py")]
    if len(modules) < 10:
        yield f"{library} holds {len(modules)} modules only"
    yield from (fault for module in modules if compiled and (fault := wrong_compiled(module)))


def wrong_compiled(module: str) -> str:
    """What is wrong with the module's compiled file for this Python, or ""."""
    path = importlib.util.cache_from_source(module)
    if not os.path.exists(path):
        return f"{path} is missing: the agent would be compiled anew at every call"
    with open(path, "rb") as file:
        head = file.read(8)
    if head != importlib.util.MAGIC_NUMBER + UNCHECKED_HASH:
        return f"{path} is not an unchecked, hash-based file of this Python"
    return ""


def wrong_answers(prefix: str) -> Iterator[str]:
    """What the agent answers wrongly, one sentence each."""
    agent = os.path.join(prefix, AGENT)
    metadata = ask(agent, "meta-data", {})
    if metadata.returncode or metadata.stderr:
        yield f"meta-data: exit code {metadata.returncode}, {metadata.stderr!r}"
    elif described(metadata.stdout) != "k8sdeployment":
        yield f"meta-data describes {described(metadata.stdout)!r}, not the agent"
    for action, env, code, reason in ANSWERS:
        done = ask(agent, action, env)
        if (done.returncode, done.stdout) != (code, "") or reason not in done.stderr:
            yield f"{action!r} with {env}: exit code {done.returncode} instead of {code}: {done.stderr.strip()!r}"


def main(arguments: list[str]) -> int:
    """Tries the agent below the given prefix."""
    if arguments[1:] not in ([], ["--not-compiled"]):
        print("usage: python3 rpm/check.py PREFIX [--not-compiled]", file=sys.stderr)
        return 1
    faults = [*wrong_files(arguments[0], compiled=not arguments[1:]), *wrong_answers(arguments[0])]
    for fault in faults:
        print(f"check: {fault}", file=sys.stderr)
    if not faults:
        print(f"check: the agent below {arguments[0]} answers as it should, by Python {sys.version.split()[0]}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
