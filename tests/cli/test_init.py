"""`snopair init` on a real disk: who may read it, what is refused before it is written, what kubectl makes of it."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from k8sdeployment.cli import codes, describe, writing
from k8sdeployment.cli.app import snopair
from k8sdeployment.pair import cr
from tests.pair.sample import document, methods

SITES = ("--site", "site-a=192.0.2.11,198.51.100.11", "--site", "site-b=192.0.2.12,198.51.100.12")
FENCES = ("--fence", "site-a=fence_ipmilan,ip=203.0.113.1,username=fence,lanplus=1",
          "--fence", "site-b=fence_ipmilan,ip=203.0.113.2,username=fence,lanplus=1")
WORKLOAD = ("--workload", "shop/web,prefer=site-a,failback=Automatic,grace=60s,replicas=2,kind=StatefulSet")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pw").write_text("hunter2\n")
    (tmp_path / "b.pw").write_text("correct horse")
    return tmp_path


PASSWORDS = ("--fence-password-file", "site-a=a.pw", "--fence-password-file", "site-b=b.pw")


def init(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(snopair, ["init", *words], input=stdin)


def test_an_arbitrator_is_the_third_vote_and_makes_its_own_secret(here: Path) -> None:
    done = init(*SITES, *FENCES, *PASSWORDS, "--arbitrator", "arbitrator.example.org", "--into", "new")
    assert done.exit_code == 0, done.stderr
    (told,) = loaded("new/site-a/pair.yaml")
    found = cr.load(told).spec.quorum
    assert found.arbitrator is not None and (found.mode, found.arbitrator.port) == ("Arbitrator", 5403)
    assert "have the arbitrator make it with `arbitrator-secret pair`" in done.stdout
    assert "arbitrator" not in {one["metadata"]["name"] for one in loaded("new/site-a/secrets.yaml")}


def test_devices_that_must_switch_off_together_have_one_level() -> None:
    outlets = [f"a=fence_apc,ip=203.0.113.9,plug={plug},level=1" for plug in (1, 2)]
    made = describe.document(describe.Words(sites=("a=192.0.2.1", "b=192.0.2.2"), fences=outlets))
    assert [(one["level"], one["parameters"]["plug"], one["secretRef"]["name"]) for one in
            made["spec"]["sites"][0]["fencing"]["devices"]] == [(1, "1", "bmc-a"), (1, "2", "bmc-a-2")]


@pytest.mark.parametrize("text, host, port", [
    ("qnetd.example.org:5500", "qnetd.example.org", 5500), ("192.0.2.5", "192.0.2.5", 5403),
    ("2001:db8::5", "2001:db8::5", 5403), ("[2001:db8::5]", "2001:db8::5", 5403),
    ("[2001:db8::5]:5500", "2001:db8::5", 5500)])
def test_an_arbitrators_address(text: str, host: str, port: int) -> None:
    made = describe.document(describe.Words(sites=("a=192.0.2.1", "b=192.0.2.2"), arbitrator=text))
    made["spec"]["fencing"] = {"mode": "Disabled"}
    found = cr.load(made).spec.quorum.arbitrator
    assert found is not None and (found.host, found.port) == (host, port)


def test_an_arbitrators_port_is_a_number() -> None:
    assert "spec.quorum.arbitrator.port" in init(*SITES, *FENCES, *PASSWORDS, "--arbitrator", "host:x").stderr


def loaded(path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(Path(path).read_text(encoding="utf-8")))


def test_one_command_makes_both_sites(here: Path) -> None:
    done = init(*SITES, *FENCES, *PASSWORDS, *WORKLOAD, "--node", "site-a=node-a.example.org", "--api",
                "[2001:db8::1]:6444", "--image", "registry.example/peer:1", "--token", "1000ms", "--into", "new")
    assert done.exit_code == 0, done.stderr
    (told,) = loaded("new/site-a/pair.yaml")
    pair = cr.load(told)
    assert [site.node_name for site in pair.spec.sites] == ["node-a.example.org", "site-b"]
    assert (pair.spec.peer.api.host, pair.spec.peer.api.port, pair.spec.corosync.token) == ("2001:db8::1", 6444, 1000)
    work = pair.spec.workloads[0]
    assert (work.namespace, work.kind, work.replicas.max, work.termination_grace) == ("shop", "StatefulSet", 2, 60_000)
    secrets = {one["metadata"]["name"]: one["data"] for one in loaded("new/site-a/secrets.yaml")}
    assert base64.b64decode(secrets["bmc-site-b"]["password"]) == b"correct horse"
    assert len(base64.b64decode(secrets["pair-key"]["authkey"])) == 256
    assert done.stdout.count("kubectl --context site-") == 2


def test_nobody_else_may_read_it_and_nothing_of_it_is_printed() -> None:
    done = init(*SITES, *FENCES, *PASSWORDS)
    assert done.exit_code == 0
    modes = {stat.S_IMODE(path.stat().st_mode) for path in Path("snopair-bundle").rglob("*") if path.is_file()}
    folders = [Path("snopair-bundle"), *(path for path in Path("snopair-bundle").rglob("*") if path.is_dir())]
    assert modes == {0o600} and {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    keys = [value for secret in loaded("snopair-bundle/site-a/secrets.yaml") for value in secret["data"].values()]
    said = done.stdout + done.stderr
    assert not [key for key in keys if key in said or base64.b64decode(key).decode("latin-1") in said]


def test_two_bundles_have_two_keys() -> None:
    keys = set()
    for name in ("one", "two"):
        assert init(*SITES, *FENCES, *PASSWORDS, "--into", name).exit_code == 0
        keys.add(loaded(f"{name}/site-a/secrets.yaml")[0]["data"]["authkey"])
    assert len(keys) == 2


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz", "b.tgz"])
def test_an_archive(name: str) -> None:
    done = init(*SITES, *FENCES, *PASSWORDS, "--into", name, "-o", "json")
    told = json.loads(done.stdout)
    assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
    with tarfile.open(name) as archive:
        assert {entry.name for entry in archive} == {f"b/{file}" for file in told["files"]}
        assert {entry.mode for entry in archive} == {0o600}
    assert told["commands"][0] == f"tar -xf {name}" and "-k b/site-a" in told["commands"][1]


def test_nothing_is_ever_overwritten(here: Path) -> None:
    (here / "snopair-bundle").mkdir()
    (here / "link.tar").symlink_to("nowhere")
    for into in ("snopair-bundle", "a.pw", "link.tar"):
        done = init(*SITES, *FENCES, *PASSWORDS, "--into", into)
        assert done.exit_code == codes.USAGE and "is there already" in done.stderr
    assert (here / "a.pw").read_text() == "hunter2\n" and not list((here / "snopair-bundle").iterdir())


def test_a_full_disk_leaves_no_half_bundle(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(root: Path, files: object) -> None:
        root.mkdir()
        (root / "half").touch()
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(writing, "_directory", full)
    done = init(*SITES, *FENCES, *PASSWORDS)
    assert done.exit_code == codes.FAILED and "No space left" in done.stderr
    assert {path.name for path in here.iterdir()} == {"a.pw", "b.pw"}


# -- refusals ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words, sentence", [
    (SITES[:2], "--site must be given twice, once for each site, not 1 times; or give --from FILE"),
    (SITES, "spec.sites: site-a has no fencing.devices, and fencing is Required"),
    ((*SITES[:2], "--site", "site-a=192.0.2.12"), "spec.sites: both are named 'site-a'"),
    ((*SITES, *FENCES, "--workload", "web,prefer=berlin"), "preferredSite 'berlin' of 'web' is not a site"),
    ((*SITES, *FENCES, "--workload", "web,speed=9"), "--workload web: speed is not known here; known are kind, prefer"),
    ((*SITES, "--fence", "site-a=fence_ipmilan,password=hunter2", *FENCES[2:]),
     "password is a secret and must not stand here"),
    ((*SITES, *FENCES, "--fence-delay", "berlin=1s"), "--fence-delay names the site berlin; the sites are site-a and"),
    ((*SITES, *FENCES, "--api", "localhost"), "--api localhost is not HOST:PORT"),
    (("--site", "site-a", *SITES[2:]), "--site site-a… cannot be read; it is written --site NAME=ADDRESS"),
    ((*SITES, *FENCES), "the password for the fence device of site-a (Secret bmc-site-a) is missing"),
    ((*SITES, *FENCES, "--fence-password-file", "berlin=a.pw"), "--fence-password-file names berlin; it may name bmc-"),
    ((*SITES, *FENCES, "--fence-password-file", "site-a=none"), "the password file none cannot be read: No such file"),
    ((*SITES, *FENCES, "--fence-password-file", "site-a=/dev/null"), "the password file /dev/null is empty"),
    (("--from", "none.yaml"), "none.yaml cannot be read: No such file"),
    (("--from", "a.pw", *FENCES), "--from says what the pair is already; leave out --fence"),
    (("--from", "a.pw"), "a.pw holds no SNOPairs; it must hold one"),
])
def test_what_is_refused_is_told_in_one_sentence_and_writes_nothing(
        here: Path, words: tuple[str, ...], sentence: str) -> None:
    before = set(here.iterdir())
    done = init(*words)
    assert done.exit_code == codes.USAGE
    assert sentence in done.stderr and "hunter2" not in done.stderr and "Traceback" not in done.stderr
    assert set(here.iterdir()) == before


def test_every_fault_of_a_file_is_told_at_once(here: Path) -> None:
    wrong = document(workloads=[{"name": "Web", "kind": "DaemonSet"}], peer={"port": 1})
    (here / "pair.yaml").write_text(yaml.safe_dump(wrong))
    done = init("--from", "pair.yaml")
    assert done.exit_code == codes.USAGE and len(done.stderr.splitlines()) == 4


# -- from a file ---------------------------------------------------------------------------------------------------

def test_a_pair_that_is_written_already_goes_in_as_it_is(here: Path) -> None:
    whole = document()
    whole["metadata"] |= {"uid": "1", "annotations": {"team": "x"}}
    whole["status"] = {"site": "site-a"}
    done = init("--from", "-", *PASSWORDS, stdin=yaml.safe_dump_all([whole, None]))
    assert done.exit_code == 0, done.stderr
    (found,) = loaded("snopair-bundle/site-b/pair.yaml")
    assert found["spec"] == whole["spec"] and set(found) == {"apiVersion", "kind", "metadata", "spec"}
    assert found["metadata"] == {"name": "pair", "namespace": "aos-sno-pair", "annotations": {"team": "x"}}


def test_a_password_is_named_by_its_secret_too() -> None:
    done = init("--from", "-", "--fence-password-file", "bmc-site-a=b.pw", *PASSWORDS, stdin=json.dumps(document()))
    assert done.exit_code == 0
    secrets = {one["metadata"]["name"]: one["data"] for one in loaded("snopair-bundle/site-b/secrets.yaml")}
    assert base64.b64decode(secrets["bmc-site-a"]["password"]) == b"correct horse"


def test_keys_and_what_is_believed_are_taken_as_they_are(here: Path) -> None:
    key, hosts = b"-----BEGIN PRIVATE KEY-----\nx\n", b"203.0.113.12 ssh-ed25519 x\n"
    ca = b"-----BEGIN CERTIFICATE-----\n"
    for name, text in (("key", key), ("hosts", hosts), ("ca", ca)):
        (here / name).write_bytes(text)
    option, stdin = "--fence-password-file", json.dumps(document(sites=methods()))
    words = [option, "site-a=a.pw", option, "site-b=key", option, "bmc-site-b/known_hosts=hosts"]
    done = init("--from", "-", *words, stdin=stdin)
    assert done.exit_code == codes.USAGE and done.stderr.strip().endswith(
        "the certificate for fencing site-a (Secret ca) is missing; give --fence-password-file ca/ca.crt=FILE")
    done = init("--from", "-", *words, option, "ca/ca.crt=hosts", stdin=stdin)
    assert done.exit_code == codes.USAGE and "hosts holds no certificate" in done.stderr
    done = init("--from", "-", *words, option, "ca/ca.crt=ca", stdin=stdin)
    assert done.exit_code == 0, done.stderr
    found = {one["metadata"]["name"]: one["data"] for site in ("site-a", "site-b")
             for one in loaded(f"snopair-bundle/{site}/secrets.yaml")}
    assert {name: base64.b64decode(value) for name, value in found["bmc-site-b"].items()} == {
        "ssh-privatekey": key, "known_hosts": hosts}
    assert base64.b64decode(found["ca"]["ca.crt"]) == ca
    assert base64.b64decode(found["bmc-site-a"]["password"]) == b"hunter2"


def test_the_key_that_fence_virt_shares_is_taken_as_it_is(here: Path) -> None:
    """Bytes of any kind, as the hypervisor has them."""
    sites = methods()
    sites[1]["fencing"] = {"devices": [{"agent": "fence_virt", "secretRef": {"name": "virt", "key": "virt.key"},
                                        "parameters": {"ipaddr": "203.0.113.12", "plug": "site-b"}}]}
    (here / "key").write_bytes(b"\x00a\nb\n")
    (here / "ca").write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    words = [word for one in ("site-a=a.pw", "site-b=key", "ca/ca.crt=ca") for word in ("--fence-password-file", one)]
    done = init("--from", "-", *words, stdin=json.dumps(document(sites=sites)))
    assert done.exit_code == 0, done.stderr
    found = {one["metadata"]["name"]: one["data"] for one in loaded("snopair-bundle/site-a/secrets.yaml")}
    assert base64.b64decode(found["virt"]["virt.key"]) == b"\x00a\nb\n"
    (here / "key").write_bytes(b"")
    done = init("--from", "-", *words, "--into", "new", stdin=json.dumps(document(sites=sites)))
    assert done.exit_code == codes.USAGE and "key holds no shared key" in done.stderr


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_is_typed_gives_a_document_or_a_sentence(site: str, rest: str) -> None:
    words = describe.Words(sites=[f"a={site}", f"{rest}"], fences=[f"a={rest}"], workloads=[site, rest], api=rest)
    try:
        cr.load(describe.document(words))
    except (codes.CallError, cr.PairError) as error:
        assert str(error)


# -- kubectl -------------------------------------------------------------------------------------------------------

@pytest.mark.lab
def test_kubectl_builds_each_sites_directory(kubectl: Path) -> None:
    assert init(*SITES, *FENCES, *PASSWORDS, "--openshift").exit_code == 0
    for site in ("site-a", "site-b"):
        built = subprocess.run([kubectl, "kustomize", f"snopair-bundle/{site}"], capture_output=True, text=True,
                               check=True)
        kinds = {one["kind"] for one in yaml.safe_load_all(built.stdout)}
        assert {"Job", "Deployment", "Secret", "Namespace", "CustomResourceDefinition"} <= kinds
        assert "SecurityContextConstraints" in kinds
