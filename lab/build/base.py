"""The Debian base all images stand on, made by debootstrap since no container registry may be reachable.

The mirror is the one the host's own apt uses; so are apt's proxy settings and, where a source is https, the host's
certificate authorities. All of that stays in the base image, which never leaves this machine.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from lab import shell
from lab.errors import LabError

RELEASE = "bookworm"
SECONDS = 1200.0
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


def make_root(directory: Path, say: Callable[[str], None], release: str = RELEASE) -> None:
    """A minimal Debian root file system in `directory`, with apt sources on the host's mirror."""
    if not shutil.which("debootstrap"):
        raise LabError("debootstrap is missing; run lab/setup.sh as root to install it")
    sources = host_sources(release)
    mirror = [sources[0].split()[1]] if sources else []
    secure = any(source.split()[1].startswith("https:") for source in sources)
    include = ["--include=ca-certificates"] if secure else []
    keyring = [f"--keyring={KEYRING}"] if KEYRING.exists() else []
    say(f"fetching Debian {release} with debootstrap")
    shell.run(["debootstrap", "--variant=minbase", *include, *keyring, release, str(directory), *mirror],
              timeout=SECONDS)
    _settle_apt(directory, sources, secure)
    for leftover in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(directory / leftover, ignore_errors=True)


def _settle_apt(directory: Path, sources: list[str], secure: bool) -> None:
    if sources:
        (directory / "etc/apt/sources.list").write_text("".join(f"{source}\n" for source in sources))
    if secure and AUTHORITIES.exists():
        shutil.copyfile(AUTHORITIES, directory / "etc/ssl/certs/ca-certificates.crt")
    settings = apt_settings(shell.run(["apt-config", "dump"]))
    (directory / "etc/apt/apt.conf.d/90lab").write_text(settings)


def host_sources(release: str = RELEASE) -> list[str]:
    """apt's sources for a release on the host's mirror, the release itself first; none where the host is another."""
    listing = shell.run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(SITE)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)",
                         "Identifier: Packages"], check=False)
    return sources_of(listing, release)


def sources_of(listing: str, release: str = RELEASE) -> list[str]:
    """sources.list lines from apt's index targets; only Debian's own, only the base's release and its updates.

    For another release the same suites of the same mirror, where Debian keeps them under the other name.
    """
    rows = [line.split("|") for line in listing.splitlines() if line.count("|") == 4]
    found = {(uri.rstrip("/"), suite) for origin, _, suite, _, uri in rows
             if origin == "Debian" and suite.split("-")[0] == RELEASE}
    if not any(suite == RELEASE for _, suite in found):
        return []
    ordered = sorted(found, key=lambda pair: (pair[1] != RELEASE, pair))
    return [f"deb {uri} {suite.replace(RELEASE, release)} main" for uri, suite in ordered]


def apt_settings(dump: str) -> str:
    """What an image's apt must know of the host's: its proxies; plus no recommends and no translations."""
    proxies = [line for line in dump.splitlines() if line.startswith(("Acquire::http::", "Acquire::https::"))]
    ours = ['APT::Install-Recommends "false";', 'Acquire::Languages "none";']
    return "".join(f"{line}\n" for line in [*proxies, *ours])
