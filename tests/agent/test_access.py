"""How the API is reached: what is missing on this host is named (code 5), and no secret is ever in a reason."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest
import yaml

from k8sdeployment.agent.access import endpoint
from k8sdeployment.agent.codes import Unfit
from k8sdeployment.agent.wire import Endpoint

from .tls import Authority

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}


@pytest.fixture
def account(tmp_path: Path, authority: Authority) -> Path:
    (tmp_path / "token").write_text("SECRET\n")
    (tmp_path / "ca.crt").write_bytes(authority.ca.read_bytes())
    return tmp_path


def unfit(given: object) -> str:
    assert isinstance(given, pytest.ExceptionInfo)
    text = str(given.value)
    assert "SECRET" not in text and "\n" not in text
    return text


# -- the pod's service account -------------------------------------------------------------------------------------

def test_the_service_account(account: Path) -> None:
    found = endpoint("", "", POD, str(account))
    assert (str(found), found.token) == ("10.0.0.1:6443", "SECRET")
    assert found.context.verify_mode == ssl.CERT_REQUIRED and found.context.check_hostname


def test_a_rotated_token_is_read_anew(account: Path) -> None:
    endpoint("", "", POD, str(account))
    (account / "token").write_text("NEWER")
    assert endpoint("", "", POD, str(account)).token == "NEWER"


def test_ipv6(account: Path) -> None:
    assert str(endpoint("", "", {"KUBERNETES_SERVICE_HOST": "fd00::1"}, str(account))) == "[fd00::1]:443"


@pytest.mark.parametrize("env", [{}, {"KUBERNETES_SERVICE_HOST": ""}, {**POD, "KUBERNETES_SERVICE_PORT": "tcp://x"}])
def test_outside_a_pod_a_kubeconfig_is_asked_for(account: Path, env: dict[str, str]) -> None:
    with pytest.raises(Unfit) as caught:
        endpoint("", "", env, str(account))
    assert "kubeconfig" in unfit(caught)


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
def test_a_part_of_the_account_is_missing(account: Path, missing: str) -> None:
    (account / missing).unlink()
    with pytest.raises(Unfit) as caught:
        endpoint("", "", POD, str(account))
    assert missing in unfit(caught)


# -- a kubeconfig --------------------------------------------------------------------------------------------------

def write(path: Path, server: object = "https://api.example:6443", cluster: object = None,
          user: object = None) -> Endpoint:
    text = yaml.safe_dump({
        "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": server, **(cluster if isinstance(cluster, dict) else {})}}],
        "users": [{"name": "u", "user": user if isinstance(user, dict) else {"token": "SECRET"}}]})
    (path / "config").write_text(text)
    return endpoint(str(path / "config"), "", {})


def data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def test_data_in_the_file(tmp_path: Path, authority: Authority) -> None:
    found = write(tmp_path, cluster={"certificate-authority-data": data(authority.ca)})
    assert (str(found), found.token, found.prefix) == ("api.example:6443", "SECRET", "")
    assert len(found.context.get_ca_certs()) == 1


def test_files_beside_it(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "ca").write_bytes(authority.ca.read_bytes())
    (tmp_path / "t").write_text("SECRET\n")
    found = write(tmp_path, cluster={"certificate-authority": "ca"}, user={"tokenFile": "t"})
    assert found.token == "SECRET" and len(found.context.get_ca_certs()) == 1


@pytest.mark.parametrize("as_data", [True, False])
def test_a_client_certificate(tmp_path: Path, authority: Authority, as_data: bool) -> None:
    user = {"client-certificate-data": data(authority.cert), "client-key-data": data(authority.key)} if as_data else \
        {"client-certificate": str(authority.cert), "client-key": str(authority.key)}
    assert write(tmp_path, cluster={"certificate-authority-data": data(authority.ca)}, user=user).token == ""


@pytest.mark.parametrize("url,host,prefix", [
    ("https://a", "a:443", ""), ("https://a/", "a:443", ""), ("https://a:1/b/c/", "a:1", "/b/c"),
    ("https://[fd00::1]", "[fd00::1]:443", ""), ("https://[fd00::1]:6443/x", "[fd00::1]:6443", "/x"),
    ("https://a:65535", "a:65535", "")])
def test_servers(tmp_path: Path, authority: Authority, url: str, host: str, prefix: str) -> None:
    found = write(tmp_path, url, {"certificate-authority-data": data(authority.ca)})
    assert (str(found), found.prefix) == (host, prefix)


@pytest.mark.parametrize("url", ["", "http://a", "a:6443", "https://", "https://:6443", "https://a:b", "https://a:0",
                                 "https://a:65536", "https://a:99999999", "https://user:SECRET@a", "ftp://a", None,
                                 "https://a:\u0661"])
def test_a_server_that_is_none_is_named(tmp_path: Path, authority: Authority, url: object) -> None:
    with pytest.raises(Unfit) as caught:
        write(tmp_path, url, {"certificate-authority-data": data(authority.ca)})
    assert "must be https://HOST[:PORT]" in unfit(caught)


WRONG = {
    "no authority's certificate": ({"certificate-authority-data": base64.b64encode(b"SECRET").decode()}, {}, "CA"),
    "authority's data no base64": ({"certificate-authority-data": "SECRET!"}, {}, "not base64"),
    "authority's file missing": ({"certificate-authority": "/none/ca"}, {}, "/none/ca"),
    "token file missing": (None, {"tokenFile": "/none/token"}, "/none/token"),
    "certificate missing": (None, {"client-certificate": "/none/cert", "client-key": "/none/key"}, "certificate"),
    "certificate no base64": (None, {"client-certificate-data": "SECRET!", "client-key-data": "x"}, "not base64"),
    "certificate broken": (None, {"client-certificate-data": "U0VDUkVU", "client-key-data": "U0VDUkVU"}, "certificate"),
    "exec": (None, {"exec": {"command": "aws"}}, "exec"),
    "auth-provider": (None, {"auth-provider": {"name": "gcp"}}, "auth-provider"),
    "password": (None, {"username": "a", "password": "SECRET"}, "username"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_cannot_be_used_is_named(tmp_path: Path, authority: Authority, fault: str) -> None:
    cluster, user, words = WRONG[fault]
    with pytest.raises(Unfit) as caught:
        write(tmp_path, cluster=cluster or {"certificate-authority-data": data(authority.ca)}, user=user)
    assert words in unfit(caught)


@pytest.mark.parametrize("make", ["missing", "directory", "binary", "malformed"])
def test_a_kubeconfig_that_cannot_be_read_is_named(tmp_path: Path, make: str) -> None:
    path = tmp_path / "config"
    if make == "directory":
        path.mkdir()
    elif make == "binary":
        path.write_bytes(b"\xff\xfe\x00SECRET")
    elif make == "malformed":
        path.write_text("token: |\n  SECRET")
    with pytest.raises(Unfit) as caught:
        endpoint(str(path), "", {})
    assert str(path) in unfit(caught)
