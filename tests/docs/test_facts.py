"""What the documents say of parameters, codes, times and messages is what the code does."""

from __future__ import annotations

import re

import yaml

import k8sdeployment
from docs import tables
from docs.tables import ROOT
from k8sdeployment.agent import codes, gate, metadata
from k8sdeployment.agent.parameters import PARAMETERS, load
from k8sdeployment.pair import cr
from tests.docs.reading import CODE, FENCED, blocks, literals, rows, texts

TEXTS = texts()
NAMES = {known.name for known in PARAMETERS}


def test_every_parameter_is_documented() -> None:
    documented = {row[0].strip("`") for row in rows(TEXTS["README.md"], "Parameters")}
    assert documented == NAMES


def test_every_allowed_code_has_its_consequence_and_no_other() -> None:
    assert set(tables.CONSEQUENCES) == {(action, code) for action, allowed in codes.ALLOWED.items() for code in allowed}
    shown = {(row[0].strip("`"), int(code)) for row in rows(TEXTS["README.md"], "Exit codes")
             for code in re.findall(r"\d+", row[1])}
    assert set(tables.CONSEQUENCES) | {("anything else", codes.UNIMPLEMENTED)} == shown


def quick_start() -> list[str]:
    """The words of the quick start's `pcs resource create`."""
    lines = [line for line in blocks(TEXTS["README.md"]).splitlines() if line.startswith("pcs resource create")]
    assert len(lines) == 1
    return lines[0].split()


def test_the_quick_starts_parameters_are_accepted() -> None:
    words = quick_start()
    given = dict(word.split("=", 1) for word in words[5:words.index("op")])
    assert words[4] == "ocf:aos:k8sdeployment" and set(given) <= NAMES
    settings = load({f"OCF_RESKEY_{name}": value for name, value in given.items()})
    assert (settings.deployment, settings.guard) == ("app", "required")


def test_the_quick_starts_operations_are_the_metadatas() -> None:
    """And one more for the passive site."""
    words = quick_start()
    found: list[tuple[str, dict[str, str]]] = []
    for word in words[words.index("op") + 1:]:
        if "=" in word:
            key, value = word.split("=", 1)
            found[-1][1][key] = value
        else:
            found.append((word, {}))
    declared = []
    for name, timeout, interval, depth in metadata.ACTIONS:
        options = {"interval": interval, "timeout": timeout, "OCF_CHECK_LEVEL": depth if depth != "0" else None}
        declared.append((name, {key: value for key, value in options.items() if value}))
    extra = [entry for entry in found if entry not in declared]
    assert [entry for entry in declared if entry[0] in ("start", "stop", "monitor")] == found[:-1]
    assert [(name, options["role"]) for name, options in extra] == [("monitor", "Stopped")]
    intervals = [options["interval"] for name, options in found if name == "monitor"]
    assert len(intervals) == len(set(intervals)), "pcs and Pacemaker want different intervals"


def yaml_block(name: str, beginning: str) -> str:
    """The one YAML block of a document whose text begins so."""
    parts = (part.removeprefix("```yaml\n").removesuffix("```") for part in FENCED.findall(TEXTS[name]))
    found: list[str] = [part for part in parts if part.lstrip().startswith(beginning)]
    assert len(found) == 1
    return found[0]


def test_the_quick_starts_gate_is_whole() -> None:
    settings = load({"OCF_RESKEY_deployment": "app"})
    assert gate.faults(yaml.safe_load(yaml_block("README.md", "containers:")), settings.permit_path) == []


def test_the_pair_of_the_documents_is_a_pair() -> None:
    pair = cr.load(yaml.safe_load(yaml_block("docs/pair.md", "apiVersion")))
    assert pair.spec.fence_delays() == (10_000, 1_000)


def test_settings_named_in_code_style_exist() -> None:
    """`name=value` where the name is an agent's parameter by its form: a renamed one must not live on in the text."""
    known = NAMES | {"pcmk_host_list", "cipher", "role", "depth", "false", "stonith", "failure"}
    named = {match[1] for text in TEXTS.values() for word in CODE.findall(text)
             if (match := re.fullmatch(r"([a-z]+(?:_[a-z]+)+)=\S+", word))}
    assert named and named <= known


def said(fragment: str, told: str) -> bool:
    """Whether a message of the documents occurs in the code's; `…` stands for anything."""
    parts = [re.escape(part.strip()) for part in fragment.split("…") if part.strip()]
    return re.search(".*?".join(parts), told) is not None


def test_a_message_nobody_says_is_found_out() -> None:
    told = literals("k8sdeployment/agent")
    assert said("set … replicas, not …", told)
    assert not said("set … pods, not …", told)


def test_messages_to_look_up_are_the_agents_own() -> None:
    """Somebody at 3 a.m. searches for these words."""
    told = literals("k8sdeployment/agent")
    messages = [CODE.findall(row[0])[0] for row in rows(TEXTS["docs/operations.md"], "What a message means")
                if row[0].startswith("`") and not re.search("FailedMount|CreateContainerError|UNCLEAN", row[0])]
    assert len(messages) > 20
    assert not [message for message in messages if not said(message, told)]


def test_versions_agree() -> None:
    """The package, the agent's metadata, the changelog's first entry."""
    newest = re.search(r"^## \[(\S+)\]", TEXTS["CHANGELOG.md"], re.MULTILINE)
    assert newest and newest[1] == k8sdeployment.__version__ == metadata.VERSION
    assert f"version {metadata.VERSION}" in (ROOT / "README.md").read_text(encoding="utf-8")
