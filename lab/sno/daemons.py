"""The daemons of a single-node cluster: their command lines and what each waits for at boot. Pure values."""

from dataclasses import dataclass

from .config import SiteConfig
from .network import API_PORT

PKI = "/etc/kubernetes/pki"
ETCD = "https://127.0.0.1:2379"
ETCD_PORT = "tcp:127.0.0.1:2379"
API = f"tls:127.0.0.1:{API_PORT}"
CONTAINERD = "unix:/run/containerd/containerd.sock"
SERVICES = "10.43.0.0/16"


@dataclass(frozen=True)
class Daemon:
    """A program the supervisor keeps running; at boot it starts once everything in `after` accepts connections."""

    name: str
    argv: tuple[str, ...]
    after: tuple[str, ...] = ()


def daemons(config: SiteConfig) -> tuple[Daemon, ...]:
    """All daemons of the site, in the order of their start."""
    return (
        Daemon("containerd", ("containerd",)),
        Daemon("etcd", ("etcd", *_etcd(config))),
        Daemon("kube-apiserver", ("kube-apiserver", *_apiserver(config)), (ETCD_PORT,)),
        Daemon("kubelet", ("kubelet", *_kubelet(config)), (CONTAINERD,)),
        Daemon("kube-controller-manager", ("kube-controller-manager", *_controllers()), (API,)),
        Daemon("kube-scheduler", ("kube-scheduler", *_scheduler()), (API,)),
    )


def _etcd(config: SiteConfig) -> tuple[str, ...]:
    return (
        "--name=default", "--data-dir=/var/lib/etcd", "--logger=zap",
        f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        "--initial-cluster=default=http://127.0.0.1:2380",
        f"--cert-file={PKI}/etcd.crt", f"--key-file={PKI}/etcd.key",
        f"--trusted-ca-file={PKI}/ca.crt", "--client-cert-auth=true",
    )


def _apiserver(config: SiteConfig) -> tuple[str, ...]:
    return (
        f"--advertise-address={config.management}", f"--secure-port={API_PORT}",
        f"--etcd-servers={ETCD}", f"--etcd-cafile={PKI}/ca.crt",
        f"--etcd-certfile={PKI}/etcd-client.crt", f"--etcd-keyfile={PKI}/etcd-client.key",
        f"--service-cluster-ip-range={SERVICES}", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction", "--anonymous-auth=true", "--allow-privileged=true",
        f"--client-ca-file={PKI}/ca.crt",
        f"--tls-cert-file={PKI}/apiserver.crt", f"--tls-private-key-file={PKI}/apiserver.key",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        f"--kubelet-client-certificate={PKI}/apiserver-kubelet.crt",
        f"--kubelet-client-key={PKI}/apiserver-kubelet.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={PKI}/sa.pub", f"--service-account-signing-key-file={PKI}/sa.key",
    )


def _controllers() -> tuple[str, ...]:
    return (
        "--kubeconfig=/etc/kubernetes/controller-manager.conf", "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={PKI}/sa.key", f"--root-ca-file={PKI}/ca.crt",
        f"--cluster-signing-cert-file={PKI}/ca.crt", f"--cluster-signing-key-file={PKI}/ca.key",
    )


def _scheduler() -> tuple[str, ...]:
    return ("--kubeconfig=/etc/kubernetes/scheduler.conf", "--leader-elect=false")


def _kubelet(config: SiteConfig) -> tuple[str, ...]:
    return (
        "--config=/etc/kubelet/config.yaml", "--kubeconfig=/etc/kubernetes/kubelet.conf",
        f"--hostname-override={config.name}", f"--node-ip={config.management}", "--v=2",
    )
