"""How to reach the API: the pod's service account, or a kubeconfig."""

from __future__ import annotations

import os
import ssl

from .codes import Unfit
from .wire import Endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def endpoint(kubeconfig: str, context: str, env: Mapping[str, str], account: str = ACCOUNT) -> Endpoint:
    """The endpoint, read anew at each call: tokens are rotated in place. Unfit with what is missing."""
    return _from_kubeconfig(kubeconfig, context) if kubeconfig else _from_account(env, account)


def _read(path: str, what: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Unfit(f"{what} {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _from_account(env: Mapping[str, str], account: str) -> Endpoint:
    host, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not _is_port(port):
        raise Unfit("no kubeconfig is set and this is no pod (KUBERNETES_SERVICE_HOST is not set): "
                    "set the parameter kubeconfig")
    token = _read(f"{account}/token", "the service account's token").strip()
    return Endpoint(host, int(port), _trusting(cafile=f"{account}/ca.crt"), token)


def _trusting(cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=cafile, cadata=cadata)
    except (OSError, ssl.SSLError) as error:
        raise Unfit(f"the API's CA certificate {cafile or 'in the kubeconfig'} cannot be used: {error}") from error
    return context


def _from_kubeconfig(path: str, name: str) -> Endpoint:
    from .kubeconfig import Malformed, read
    text = _read(path, "kubeconfig")
    try:
        cluster, user = read(text, name)
    except Malformed as fault:
        raise Unfit(f"kubeconfig {path}: {fault}") from fault
    base = os.path.dirname(path)
    host, port, prefix = _server(str(cluster.get("server", "")), path)
    context = _trusting(cafile=_file(cluster, "certificate-authority", base), cadata=_data(cluster, path))
    _identify(context, user, base, path)
    return Endpoint(host, port, context, _token(user, base), prefix)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536


def _server(url: str, path: str) -> tuple[str, int, str]:
    rest = url[len("https://"):] if url.startswith("https://") else ""
    netloc, slash, prefix = rest.partition("/")
    host, colon, port = netloc.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = netloc, "443"
    if "@" in netloc:  # not quoted: what stands before the @ may be a password
        raise Unfit(f"kubeconfig {path}: server must be https://HOST[:PORT], without a user")
    if not host or not _is_port(port):
        raise Unfit(f"kubeconfig {path}: server {url!r} must be https://HOST[:PORT]")
    return host.strip("[]"), int(port), (slash + prefix).rstrip("/")


def _file(section: Mapping[str, Any], key: str, base: str) -> str | None:
    return os.path.join(base, str(section[key])) if section.get(key) else None


def _decoded(section: Mapping[str, Any], key: str, path: str) -> bytes:
    from binascii import Error, a2b_base64
    try:
        return a2b_base64(str(section.get(key) or ""))
    except Error as error:
        raise Unfit(f"kubeconfig {path}: {key} is not base64") from error


def _data(cluster: Mapping[str, Any], path: str) -> str | None:
    return _decoded(cluster, "certificate-authority-data", path).decode("ascii", "replace") or None


def _token(user: Mapping[str, Any], base: str) -> str:
    token_file = _file(user, "tokenFile", base)
    return _read(token_file, "the token file").strip() if token_file else str(user.get("token") or "")


def _identify(context: ssl.SSLContext, user: Mapping[str, Any], base: str, path: str) -> None:
    """Load the client certificate. OpenSSL wants files: data from the kubeconfig goes through memory files."""
    for unsupported in ("exec", "auth-provider", "username"):
        if user.get(unsupported):
            raise Unfit(f"kubeconfig {path}: users by {unsupported} are not supported: "
                        "use a client certificate, a token or a tokenFile")
    certificate, key = _file(user, "client-certificate", base), _file(user, "client-key", base)
    opened: list[int] = []
    try:
        if user.get("client-certificate-data"):
            certificate = _memory(_decoded(user, "client-certificate-data", path), opened)
        if user.get("client-key-data"):
            key = _memory(_decoded(user, "client-key-data", path), opened)
        if certificate:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise Unfit(f"kubeconfig {path}: the client certificate cannot be used: {error}") from error
    finally:
        for file in opened:
            os.close(file)


def _memory(data: bytes, opened: list[int]) -> str:
    file = os.memfd_create("client", os.MFD_CLOEXEC)
    opened.append(file)
    os.write(file, data)
    return f"/proc/self/fd/{file}"
