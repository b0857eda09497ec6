"""The archive can be sent to a stranger: no planted secret is in it, in whatever form; what is missing is told."""

from __future__ import annotations

import base64
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given, settings
from hypothesis import strategies as st

from k8sdeployment.cli import codes, gather
from k8sdeployment.cli.app import snopair
from k8sdeployment.cli.redact import MASK, redacted
from k8sdeployment.cli.world import ProgramError
from tests.cli.tools import Tools, text, world

SECRET = 'hunter2-"&<x>'
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwZWVyIn0.c2lnbmF0dXJl"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEplanted\n-----END RSA PRIVATE KEY-----"
SECRETS = {"items": [{"data": {"password": base64.b64encode(SECRET.encode()).decode()}}]}
# Where secrets turn up although nobody put them there on purpose.
PLANTED = {
    "conductor.log": f"the agent said: login {SECRET} failed\nAuthorization: Bearer planted-bearer\n{JWT}\n{PEM}\n",
    "pods.yaml": "env:\n- name: BMC_PASSWORD\n  value: planted-env\n- name: OTHER\n  value: kept-env\n"
                 "args: [--password=planted-argument]\n",
    "objects.yaml": '{"data": {"passwd": "planted-js", "ip": "kept-json", "secretRef": {"name": "kept-ref"}}}',
    "events.txt": f"curl https://fence:planted-url@bmc.example/ failed {json.dumps(SECRET)}\n",
}

NVPAIRS = '<nvpair id="1" name="passwd" value="planted-cib"/><nvpair value="planted-too" name="snmp_community"/>'


class Cluster(Tools):
    """kubectl with a cluster behind it; `away`: words of calls that fail."""

    def __init__(self, *away: str, secrets: Any = SECRETS) -> None:
        super().__init__("running")
        self._away, self._listed = away, secrets

    def __call__(self, argv: Sequence[str], seconds: float, given: Optional[str] = None) -> str:
        words = " ".join(argv)
        for one in self._away:
            if one in words:
                raise ProgramError(f"kubectl failed (1): {one} is not to be had, says {SECRET}", status=1)
        if "get secrets --output=json" in words:
            return json.dumps(self._listed)
        if "cibadmin" in words:
            return text("running.cib.xml").replace("<constraints>", f"{NVPAIRS}<constraints>")
        for file, words_of in gather.OBJECTS.items():
            if " ".join(words_of) in words:
                return PLANTED.get(file, f"{file} of {words}\n")
        return f"{words}\n"


def call(tmp_path: Path, tools: Tools, *words: str, here: bool = False) -> Result:
    into = str(tmp_path / "out.tar.gz")
    return CliRunner().invoke(snopair, ["must-gather", "--into", into, *words],
                              obj=world(tools, tmp_path / "none", here))


def content(tmp_path: Path) -> dict[str, str]:
    with tarfile.open(tmp_path / "out.tar.gz") as archive:
        files = {entry.name: archive.extractfile(entry) for entry in archive}
        return {name.partition("/")[2]: file.read().decode() for name, file in files.items() if file}


BOTH = ("--context-a", "admin@a/x", "--context-b", "b")


def test_both_views_are_in_one_archive_and_no_planted_secret_is(tmp_path: Path) -> None:
    done = call(tmp_path, Cluster(), *BOTH)
    assert done.exit_code == 0, done.output
    found = content(tmp_path)
    assert {name.partition("/")[0] for name in found} == {"index.txt", "admin-a-x", "b"}
    every = {f"b/{name}" for name in (*gather.OBJECTS, *gather.CLUSTER)}
    assert {name for name in found if name.startswith("b/")} == every
    everything = "\n".join(found.values())
    for planted in ("hunter2", base64.b64encode(SECRET.encode()).decode(), JWT, "MIIEplanted", "planted-"):
        assert planted not in everything, planted
    for kept in ("kept-env", "kept-json", "kept-ref", 'name="deployment" value="web"', 'value="1000"'):
        assert kept in everything


def test_what_may_not_be_read_is_masked_by_its_name_and_told(tmp_path: Path) -> None:
    done = call(tmp_path, Cluster("get secrets --output=json"), *BOTH)
    assert done.exit_code == 0
    found = content(tmp_path)
    assert "planted-" not in "".join(found.values())
    assert "masked by their names alone" in found["index.txt"]


@pytest.mark.parametrize("away, lacking, kept", [
    ("get events", "b/events.txt", "b/pods.yaml"), ("exec peer-0", "b/cib.xml", "b/pods.yaml"),
    ("--context=b", "b/pods.yaml", "admin-a-x/pods.yaml")])
def test_what_is_away_is_told_and_the_rest_is_there(tmp_path: Path, away: str, lacking: str, kept: str) -> None:
    done = call(tmp_path, Cluster(away), *BOTH)
    found = content(tmp_path)
    assert done.exit_code == codes.LOOK and kept in found and lacking not in found
    site, _, file = lacking.partition("/")
    index = found["index.txt"].partition(f"\n{site}\n")[2]
    assert f"missing  {file}: kubectl failed (1): {away} is not to be had" in index
    assert file in done.stderr and "hunter2" not in found["index.txt"] + done.output


def test_with_everything_away_there_is_no_archive(tmp_path: Path) -> None:
    done = call(tmp_path, Cluster("kubectl"))
    assert done.exit_code == codes.UNKNOWN and "nothing could be collected" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_dead_api_is_asked_once_for_each_kind(tmp_path: Path) -> None:
    asked = []
    tools = Cluster("kubectl")

    def run(argv: Sequence[str], seconds: float, given: Optional[str] = None) -> str:
        asked.append(argv)
        return tools(argv, seconds, given)
    call(tmp_path, run)  # type: ignore[arg-type]
    assert len(asked) == 2


def test_in_the_pod_the_api_is_not_asked(tmp_path: Path) -> None:
    done = call(tmp_path, Cluster(), "-o", "json", here=True)
    found = content(tmp_path)
    assert done.exit_code == codes.LOOK and {name for name in found if "/" in name} == {
        f"here/{name}" for name in gather.CLUSTER}
    assert json.loads(done.stdout)["missing"]["here/pair.yaml"].startswith("not asked for")


def test_the_archive_is_its_owners_alone_and_never_laid_over_another(tmp_path: Path) -> None:
    assert call(tmp_path, Cluster()).exit_code == 0
    assert (tmp_path / "out.tar.gz").stat().st_mode & 0o777 == 0o600
    assert call(tmp_path, Cluster()).exit_code == codes.USAGE
    assert call(tmp_path, Cluster(), "--into", str(tmp_path / "x.zip")).exit_code == codes.USAGE


# -- masking -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("line", [
    "passwd=PLANTED", "password: PLANTED", '"authkey": "PLANTED"', "hacluster: 'PLANTED'", "fence -P PLANTED -x",
    '<nvpair name="passwd" value="PLANTED"/>', '<nvpair id="a" value="PLANTED" name="login_passwd"/>',
    "https://me:PLANTED@host/", "Bearer PLANTED", 'client-key-data: PLANTED', r'{\"password\":\"PLANTED\"}',
    '{"name":"API_TOKEN", "value":"PLANTED"}', "token: PLANTED", "bmc.password = PLANTED words",
])
def test_secrets_are_known_by_their_names(line: str) -> None:
    assert "PLANTED" not in redacted(f"before\n{line}\nafter") and MASK in redacted(line)


@pytest.mark.parametrize("line", [
    "secretRef: {name: bmc-site-a}", "secretName: bmc-site-a", "secretRef:\n  name: bmc", "token: 3000ms",
    "totem.token (u32) = 1000", "automountServiceAccountToken: false", '"secrets": ["get", "list"]',
    '<nvpair name="deployment" value="web"/>', "passwords: []", "workload=web", "secretKeyRef:\n  key: x",
])
def test_what_only_looks_like_a_secret_stays(line: str) -> None:
    assert redacted(line) == line


@settings(deadline=None)
@given(st.text(min_size=4, max_size=40).filter(lambda value: len(value.strip()) >= 4), st.text(max_size=20))
@example('a"b&c<', "")
def test_a_known_value_stands_nowhere(value: str, around: str) -> None:
    written = f"{around}{value.strip()}{around} {json.dumps(value)} {base64.b64encode(value.encode()).decode()}"
    found = redacted(written, [value.encode()])
    assert value.strip() not in found.replace(MASK, "\0") or value.strip() in around
