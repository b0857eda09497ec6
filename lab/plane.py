"""A real control plane on loopback, without containers: etcd, kube-apiserver and kube-controller-manager.

For tests that ask what the API itself answers; there is no node, so nobody runs a pod. Keys, data and logs lie in one
temporary directory; the daemons die with the process that started them, however it ends.

    with Plane() as plane:
        plane.kubectl("create", "namespace", "shop")
        plane.ask("GET", "/api/v1/namespaces/shop")            # (200, {...}), as the administrator
        plane.account("shop", "peer", directory)               # a service account's kubeconfig, with a tokenFile
"""

import base64
import fcntl
import http.client
import json
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Optional

from lab import plane_parts as parts
from lab import shell, waiting
from lab.build import kube
from lab.errors import LabError
from lab.plane_parts import ADMIN, CONTROLLERS, HOST
from lab.state import write_private

UP_SECONDS = 60.0
ANSWER_SECONDS = 60.0
YOUNG_SECONDS = 60.0  # a directory this new may be about to be locked by its owner
PREFIX = "aos-plane-"
Object = dict[str, Any]


class Plane:
    """The control plane while the context is entered. LabError when a daemon does not come up."""

    def __init__(self, binaries: Optional[Path] = None) -> None:
        self._binaries = binaries
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Plane":
        """Returns once /readyz says ok, RBAC answers and the namespace `default` has its service account."""
        self._binaries = self._binaries or kube.binaries(print)
        self.directory, self._lock = _own_directory()
        self.ports = parts.Ports(*_free_ports(3))
        try:
            parts.make_keys(self.directory)
            parts.make_serving(self.directory)
            for client in (ADMIN, CONTROLLERS):
                parts.client_kubeconfig(self.directory, client, self.ports.api)
            self._spawn("etcd", parts.etcd(self.directory, self.ports))
            self.start_api()
            self.start_controllers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._running)[::-1]:
            self._kill(name)
        shutil.rmtree(self.directory, ignore_errors=True)
        self._lock.close()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.directory / f"{ADMIN}.conf"

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.ports.api}"

    @property
    def authority(self) -> Path:
        """The CA that signed what the API server shows."""
        return self.directory / "serving/ca.crt"

    def start_api(self) -> None:
        """Returns when the API server is ready and its RBAC objects are read."""
        self._spawn("kube-apiserver", parts.apiserver(self.directory, self.ports))
        self._await("kube-apiserver", self.ready)

    def stop_api(self) -> None:
        """At once, as a power cut would."""
        self._kill("kube-apiserver")

    def start_controllers(self) -> None:
        """Returns when its work shows: `default` has its service account."""
        self._spawn("kube-controller-manager", parts.controllers(self.directory))
        self._await("kube-controller-manager",
                    lambda: self.ask("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200)

    def stop_controllers(self) -> None:
        self._kill("kube-controller-manager")

    def freeze(self, name: str) -> None:
        """The daemon (`kube-apiserver`, `kube-controller-manager`) hangs: it lives, keeps its port, does nothing."""
        self._running[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._running[name].send_signal(signal.SIGCONT)

    def rotate(self) -> None:
        """A new CA and serving certificate, in force when this returns; clients that know the old CA are refused."""
        shutil.rmtree(self.directory / "serving")
        parts.make_serving(self.directory)
        self.stop_controllers()
        self.stop_api()
        self.start_api()
        self.start_controllers()

    def ready(self) -> bool:
        """Whether /readyz says ok and somebody who is no administrator gets his rights."""
        return self.ask("GET", "/readyz?verbose")[0] == 200 and \
            self.ask("GET", "/api/v1/namespaces?limit=1", client=CONTROLLERS)[0] == 200

    def ask(self, method: str, path: str, body: Optional[Object] = None, client: str = ADMIN,
            content: str = "application/json") -> tuple[int, Object]:
        """One exchange by a client's certificate: status and answer; status 0 when nobody answers."""
        connection = self.connection(client)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": content})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith(b"{") else {"text": text.decode()}
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            connection.close()

    def connection(self, client: str = ADMIN) -> http.client.HTTPSConnection:
        """To the API server, by a client's certificate; nothing is sent yet."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.load_cert_chain(self.directory / f"pki/{client}.crt", self.directory / f"pki/{client}.key")
        return http.client.HTTPSConnection(HOST, self.ports.api, timeout=ANSWER_SECONDS, context=context)

    def kubectl(self, *args: str, input: Optional[str] = None, check: bool = True) -> str:
        """As the administrator."""
        assert self._binaries is not None
        return shell.run([str(self._binaries / "kubectl"), f"--kubeconfig={self.kubeconfig}",
                          f"--cache-dir={self.directory}/cache", *args], stdin=input, check=check, title="kubectl")

    def token(self, namespace: str, account: str, seconds: int = 3600) -> str:
        """A token that the API server gives; it gives none for less than 600 s."""
        status, answer = self.ask("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token",
                                  {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
                                   "spec": {"expirationSeconds": seconds}})
        if status != 201:
            raise LabError(f"no token for {namespace}/{account}: {answer.get('message', status)}")
        return str(answer["status"]["token"])

    def expired_token(self, namespace: str, account: str) -> str:
        """A token of that account, signed by this plane's own key, that expired an hour ago."""
        payload = self.token(namespace, account).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        past = int(time.time()) - 7200
        claims |= {"iat": past, "nbf": past, "exp": past + 3600}
        signed = _base64(json.dumps({"alg": "RS256"}).encode()) + "." + _base64(json.dumps(claims).encode())
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(self.directory / "pki/sa.key")],
                              input=signed.encode(), capture_output=True, check=True, timeout=20)
        return signed + "." + _base64(done.stdout)

    def account(self, namespace: str, account: str, directory: Path, server: str = "") -> Path:
        """A kubeconfig for that service account in the directory, beside it the file `token`; `server` else the API."""
        write_private(directory / "token", self.token(namespace, account))
        return parts.token_kubeconfig(directory / "kubeconfig", directory / "token", server or self.url,
                                      self.authority)

    def log(self, name: str) -> str:
        """The last words of a daemon."""
        file = self.directory / f"{name}.log"
        return shell.tail(file.read_text(errors="replace"), 4) if file.exists() else ""

    def _spawn(self, name: str, argv: tuple[str, ...]) -> None:
        """The kernel kills it when the thread that started it ends (setpriv sets that, then becomes the daemon)."""
        assert self._binaries is not None
        with open(self.directory / f"{name}.log", "ab") as log:
            self._running[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", str(self._binaries / argv[0]), *argv[1:]],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, start_new_session=True)

    def _await(self, name: str, condition: Callable[[], bool]) -> None:
        """LabError with a daemon's last words when it does not come so far, at once when one has ended."""
        def come_so_far() -> bool:
            for other, process in self._running.items():
                if process.poll() is not None:
                    raise LabError(f"{other} ended with code {process.returncode}: {self.log(other)}")
            return condition()
        waiting.until(lambda: come_so_far() or None, f"{name} being ready", UP_SECONDS, lambda: self.log(name))

    def _kill(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is not None:
            process.kill()
            process.wait(20)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _own_directory() -> tuple[Path, IO[str]]:
    """A temporary directory and the lock held on it; those of planes that were killed are removed first."""
    for lock_file in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/lock"):
        with open(lock_file, "a") as lock:
            if time.time() - lock_file.stat().st_mtime > YOUNG_SECONDS and _locked(lock):
                shutil.rmtree(lock_file.parent, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = open(made / "lock", "a")
    _locked(lock)
    return made, lock


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _free_ports(number: int) -> list[int]:
    """Ports that nobody listens on, below those that the kernel gives to outgoing connections."""
    found: list[int] = []
    while len(found) < number:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex((HOST, port)) != 0:
                found.append(port)
    return found
