"""The site's packet filter: cut links, and the API's service address without a kube-proxy.

A cut drops what the peer sends, as early as the kernel allows, and lets the own packets leave: like a broken cable the
sender notices nothing. Both sites of a cut link do so.
"""

import subprocess

from .config import SiteConfig

API_SERVICE = "10.43.0.1"
API_PORT = 6443


def cut_rules(config: SiteConfig, links: set[int]) -> str:
    """The whole raw table, as iptables-restore takes it in one step."""
    drops = "".join(f"-A PREROUTING -s {config.peers[link]}/32 -j DROP\n" for link in sorted(links))
    return f"*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{drops}COMMIT\n"


def api_service_rules() -> str:
    """Send whoever asks for the API's cluster address to the API server of this node."""
    redirect = f"-d {API_SERVICE}/32 -p tcp --dport 443 -j REDIRECT --to-ports {API_PORT}\n"
    return f"*nat\n-A OUTPUT {redirect}-A PREROUTING {redirect}COMMIT\n"


def apply_cut(config: SiteConfig, links: set[int]) -> None:
    """Replace the raw table; raises CalledProcessError when the kernel refuses."""
    _restore(cut_rules(config, links))


def boot(config: SiteConfig, links: set[int]) -> None:
    """Before any daemon starts: the cut state first, then the API's service address."""
    apply_cut(config, links)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "replace", f"{API_SERVICE}/32", "dev", "lo"], check=True)
    _restore(api_service_rules(), "--noflush")


def _restore(rules: str, *options: str) -> None:
    subprocess.run(["iptables-restore", "--wait", "10", *options], input=rules, text=True, check=True)
