"""What is built is keyed by everything that goes in, and asks the host for nothing it does not have."""

import configparser
import os
from pathlib import Path

import pytest

from lab.build import base, images, keys, kube, wheels
from lab.errors import LabError
from lab.paths import CHECKOUT
from lab.shell import run


def test_the_key_changes_with_content_name_and_mode(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("1")
    seen = {keys.content_key([tmp_path])}
    file.write_text("2")
    seen.add(keys.content_key([tmp_path]))
    file.chmod(0o755)
    seen.add(keys.content_key([tmp_path]))
    file.rename(tmp_path / "b")
    seen.add(keys.content_key([tmp_path]))
    seen.add(keys.content_key([tmp_path], "more"))
    assert len(seen) == 5


def test_the_key_ignores_caches(tmp_path: Path) -> None:
    before = keys.content_key([tmp_path])
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").write_text("x")
    assert keys.content_key([tmp_path]) == before


def test_the_key_is_the_same_in_another_checkout(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place / "ocf").mkdir(parents=True)
        (tmp_path / place / "ocf" / "agent").write_text("x")
    assert keys.content_key([tmp_path / "one" / "ocf"]) == keys.content_key([tmp_path / "two" / "ocf"])


def test_staging_modules_are_read_from_kubernetes_itself() -> None:
    go_mod = {"Replace": [{"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}},
                          {"Old": {"Path": "example.org/x"}, "New": {"Path": "example.org/y"}}]}
    assert kube.staging_modules(go_mod) == ["k8s.io/api"]


def test_the_wrapper_module_pins_the_matching_release(tmp_path: Path) -> None:
    kube.write_module(tmp_path, ["k8s.io/api"])
    text = (tmp_path / "go.mod").read_text()
    assert f"require k8s.io/kubernetes v{kube.VERSION}" in text
    assert f"k8s.io/api => k8s.io/api v0.{kube.VERSION.split('.', 1)[1]}" in text


def test_given_binaries_are_taken_and_their_absence_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AOS_KUBE_BIN", str(tmp_path))
    for program in kube.PROGRAMS[1:]:
        (tmp_path / program).touch()
    with pytest.raises(LabError, match=f"lacks {kube.PROGRAMS[0]};"):
        kube.binaries(print)
    (tmp_path / kube.PROGRAMS[0]).touch()
    assert kube.binaries(print) == tmp_path


LISTING = """Debian|x|bookworm-security|main|http://mirror.example/debian-security/
Debian|x|bookworm|main|http://mirror.example/debian/
Debian|x|bookworm|contrib|http://mirror.example/debian/
Other|x|bookworm|main|http://other.example/
Debian|x|sid|main|http://mirror.example/debian/
"""


def test_the_hosts_own_mirror_is_used_the_release_first() -> None:
    assert base.sources_of(LISTING) == ["deb http://mirror.example/debian bookworm main",
                                        "deb http://mirror.example/debian-security bookworm-security main"]


def test_another_release_comes_from_the_same_mirror() -> None:
    assert base.sources_of(LISTING, "trixie") == ["deb http://mirror.example/debian trixie main",
                                                  "deb http://mirror.example/debian-security trixie-security main"]


def test_a_host_of_another_release_has_no_say() -> None:
    assert base.sources_of(LISTING.replace("bookworm", "trixie")) == []
    assert base.sources_of("") == []


def test_only_proxies_of_the_hosts_apt_go_into_images() -> None:
    dump = 'Acquire::http::Proxy "http://proxy.example:3128";\nAPT::Architecture "amd64";\nDir "/";\n'
    settings = base.apt_settings(dump)
    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in settings
    assert "Dir" not in settings


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root; run the tests as root")
def test_a_workspace_with_something_mounted_is_emptied_without_walking_into_it(tmp_path: Path) -> None:
    precious, work = tmp_path / "precious", tmp_path / "work"
    precious.mkdir()
    (precious / "file").touch()
    (work / "root/proc").mkdir(parents=True)
    run(["mount", "--bind", str(precious), str(work / "root/proc")])
    with images.workspace(work) as empty:
        assert list(empty.iterdir()) == []
    assert (precious / "file").exists()
    assert not work.exists()


def test_the_peer_s_build_sees_its_requirements_and_nothing_else_of_setup_cfg() -> None:
    """Any other change there must leave the layer with the Python environment as it is."""
    whole, given = configparser.ConfigParser(interpolation=None), configparser.ConfigParser(interpolation=None)
    whole.read(CHECKOUT / "setup.cfg")
    given.read_string(wheels.extra())
    extras = "options.extras_require"
    assert given[extras]["pair"] == whole[extras]["pair"] and "kopf==" in given[extras]["pair"]
    assert given.sections() == [extras] and list(given[extras]) == ["pair"]
