"""A bare control plane's keys, kubeconfigs and command lines: what `lab.plane` starts. Pure, but for the key files."""

from dataclasses import dataclass
from pathlib import Path

from lab import shell
from lab.certs import Identity, certificate
from lab.sno.daemons import SERVICES
from lab.state import write_private

HOST = "127.0.0.1"
ISSUER = "https://kubernetes.default.svc"
ADMIN, CONTROLLERS = "admin", "controller-manager"
_SERVED = ("IP:127.0.0.1", "DNS:localhost", "DNS:kubernetes.default.svc")
_CLIENTS = (
    Identity(ADMIN, "/O=system:masters/CN=kubernetes-admin"),
    Identity(CONTROLLERS, "/CN=system:kube-controller-manager"),
    Identity("etcd", "/CN=etcd", _SERVED),
)
# Nothing here has a node with a kubelet: what takes a silent node for a dead one would tidy the tests' pods away.
_NOT_HERE = ("node-lifecycle-controller", "pod-garbage-collector-controller", "taint-eviction-controller",
             "node-ipam-controller", "node-route-controller", "cloud-node-lifecycle-controller")


@dataclass(frozen=True)
class Ports:
    """The free ports of one plane."""

    api: int
    etcd: int
    peers: int


def make_keys(directory: Path) -> None:
    """pki/: the clients' CA and all who show a certificate of it. serving/: the API server's own, see make_serving."""
    pki = directory / "pki"
    pki.mkdir(mode=0o700)
    certificate(pki, Identity("ca", "/CN=plane-clients"), authority=True)
    for identity in _CLIENTS:
        certificate(pki, identity)
    # RSA, because what openssl signs with it is a token's signature as it stands.
    shell.run(["openssl", "genrsa", "-out", str(pki / "sa.key"), "2048"])
    shell.run(["openssl", "rsa", "-in", str(pki / "sa.key"), "-pubout", "-out", str(pki / "sa.pub")])


def make_serving(directory: Path, name: str = "serving") -> Path:
    """A new CA with a new certificate for the API server; the directory that holds ca.crt, apiserver.crt and .key."""
    made = directory / name
    made.mkdir(mode=0o700)
    certificate(made, Identity("ca", f"/CN=plane-{name}"), authority=True)
    certificate(made, Identity("apiserver", "/CN=kube-apiserver", _SERVED))
    return made


def client_kubeconfig(directory: Path, client: str, port: int) -> Path:
    """A kubeconfig that shows the client's certificate."""
    pki = directory / "pki"
    user = {"client-certificate": f"{pki}/{client}.crt", "client-key": f"{pki}/{client}.key"}
    return _kubeconfig(directory / f"{client}.conf", f"https://{HOST}:{port}", directory / "serving/ca.crt", user)


def token_kubeconfig(path: Path, token_file: Path, server: str, authority: Path) -> Path:
    """A kubeconfig that shows whatever token the file holds at the moment."""
    return _kubeconfig(path, server, authority, {"tokenFile": str(token_file)})


def _kubeconfig(path: Path, server: str, authority: Path, user: dict[str, str]) -> Path:
    shown = "".join(f"    {key}: {value}\n" for key, value in user.items())
    write_private(path, f"""\
apiVersion: v1
kind: Config
current-context: plane
contexts:
- name: plane
  context:
    cluster: plane
    user: plane
clusters:
- name: plane
  cluster:
    server: {server}
    certificate-authority: {authority}
users:
- name: plane
  user:
{shown}""")
    return path


def etcd(directory: Path, ports: Ports) -> tuple[str, ...]:
    """etcd that never waits for the disk: its data need not outlive the plane."""
    pki, peers = directory / "pki", f"http://{HOST}:{ports.peers}"
    return (
        "etcd", "--name=plane", f"--data-dir={directory}/etcd", "--logger=zap", "--unsafe-no-fsync",
        f"--listen-client-urls=https://{HOST}:{ports.etcd}", f"--advertise-client-urls=https://{HOST}:{ports.etcd}",
        f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=plane={peers}",
        f"--cert-file={pki}/etcd.crt", f"--key-file={pki}/etcd.key", f"--trusted-ca-file={pki}/ca.crt",
        "--client-cert-auth=true",
    )


def apiserver(directory: Path, ports: Ports) -> tuple[str, ...]:
    """The API server as a site runs it, on loopback, with a serving CA of its own that can be changed."""
    pki, serving = directory / "pki", directory / "serving"
    return (
        "kube-apiserver", f"--bind-address={HOST}", f"--advertise-address={HOST}", f"--secure-port={ports.api}",
        f"--etcd-servers=https://{HOST}:{ports.etcd}", f"--etcd-cafile={pki}/ca.crt",
        f"--etcd-certfile={pki}/etcd.crt", f"--etcd-keyfile={pki}/etcd.key", "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={SERVICES}", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction", "--anonymous-auth=true", "--allow-privileged=true",
        f"--client-ca-file={pki}/ca.crt", f"--tls-cert-file={serving}/apiserver.crt",
        f"--tls-private-key-file={serving}/apiserver.key", f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={pki}/sa.pub", f"--service-account-signing-key-file={pki}/sa.key",
    )


def controllers(directory: Path) -> tuple[str, ...]:
    """The controller manager, without what looks after nodes."""
    return (
        "kube-controller-manager", f"--kubeconfig={directory}/{CONTROLLERS}.conf", "--leader-elect=false",
        "--use-service-account-credentials=true", f"--service-account-private-key-file={directory}/pki/sa.key",
        f"--root-ca-file={directory}/serving/ca.crt", "--secure-port=0",
        "--controllers=*," + ",".join(f"-{name}" for name in _NOT_HERE),
    )
