"""The keys and certificates of one site: a CA of its own, one identity per daemon; made anew at every up."""

import base64
from dataclasses import dataclass
from pathlib import Path

from lab import shell
from lab.names import API_PORT, SitePlan
from lab.state import write_private

DAYS = "30"
NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
         "kubernetes.default.svc.cluster.local")
API_SERVICE = "10.43.0.1"


@dataclass(frozen=True)
class Identity:
    """One certificate: its file name, its subject, and the names it may serve under (none for clients)."""

    file: str
    subject: str
    served: tuple[str, ...] = ()


def identities(site: SitePlan) -> tuple[Identity, ...]:
    """Everyone who shows a certificate in the site."""
    addresses = tuple(f"IP:{address}" for address in ("127.0.0.1", site.management, *site.links))
    names = tuple(f"DNS:{name}" for name in (*NAMES, site.name))
    return (
        Identity("apiserver", "/CN=kube-apiserver", (*addresses, f"IP:{API_SERVICE}", *names)),
        Identity("apiserver-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
        Identity("etcd", "/CN=etcd", ("IP:127.0.0.1", "DNS:localhost")),
        Identity("etcd-client", "/CN=kube-apiserver-etcd-client"),
        Identity("kubelet-server", f"/O=system:nodes/CN=system:node:{site.name}", (*addresses, f"DNS:{site.name}")),
        Identity("kubelet", f"/O=system:nodes/CN=system:node:{site.name}"),
        Identity("controller-manager", "/CN=system:kube-controller-manager"),
        Identity("scheduler", "/CN=system:kube-scheduler"),
        Identity("admin", "/O=system:masters/CN=kubernetes-admin"),
    )


def make(directory: Path, site: SitePlan) -> None:
    """Fill `directory`, which becomes the site's /etc/kubernetes, with pki/ and a kubeconfig per client."""
    pki = directory / "pki"
    pki.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate(pki, Identity("ca", f"/CN={site.lab.name}-{site.name}"), authority=True)
    for identity in identities(site):
        certificate(pki, identity)
    shell.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-out", str(pki / "sa.key")])
    shell.run(["openssl", "pkey", "-in", str(pki / "sa.key"), "-pubout", "-out", str(pki / "sa.pub")])
    for client in ("admin", "kubelet", "controller-manager", "scheduler"):
        write_private(directory / f"{client}.conf", kubeconfig(client, site.name, "127.0.0.1"))
    write_private(directory / "host.conf", _embedded(pki, site))


def certificate(pki: Path, identity: Identity, authority: bool = False) -> None:
    """Writes FILE.key and FILE.crt into pki, signed by the ca there, or by itself for an authority."""
    key, certificate = pki / f"{identity.file}.key", pki / f"{identity.file}.crt"
    extensions = ["-addext", "basicConstraints=critical,CA:TRUE"] if authority else [
        "-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key"), "-addext", "basicConstraints=critical,CA:FALSE",
        "-addext", "extendedKeyUsage=clientAuth,serverAuth"]
    if identity.served:
        extensions += ["-addext", "subjectAltName=" + ",".join(identity.served)]
    shell.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-days", DAYS, "-subj", identity.subject, "-keyout", str(key), "-out", str(certificate), *extensions])
    key.chmod(0o600)


def kubeconfig(client: str, cluster: str, host: str) -> str:
    """A kubeconfig whose certificate files lie in the site's /etc/kubernetes/pki."""
    pki = "/etc/kubernetes/pki"
    return _kubeconfig(cluster, host, f"certificate-authority: {pki}/ca.crt",
                       f"client-certificate: {pki}/{client}.crt, client-key: {pki}/{client}.key")


def _embedded(pki: Path, site: SitePlan) -> str:
    """The administrator's kubeconfig for the host, with everything in the one file."""
    authority, certificate, key = (base64.b64encode((pki / name).read_bytes()).decode()
                                   for name in ("ca.crt", "admin.crt", "admin.key"))
    return _kubeconfig(site.name, site.management, f"certificate-authority-data: {authority}",
                       f"client-certificate-data: {certificate}, client-key-data: {key}")


def _kubeconfig(cluster: str, host: str, authority: str, client: str) -> str:
    return (f"apiVersion: v1\nkind: Config\n"
            f"clusters: [{{name: {cluster}, cluster: {{server: 'https://{host}:{API_PORT}', {authority}}}}}]\n"
            f"users: [{{name: {cluster}, user: {{{client}}}}}]\n"
            f"contexts: [{{name: {cluster}, context: {{cluster: {cluster}, user: {cluster}}}}}]\n"
            f"current-context: {cluster}\n")
