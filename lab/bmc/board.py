"""First process of a lab's board: libvirtd with a domain per site, sshd, fence_virtd, sushy-tools' Redfish over TLS.

All that is secret or belongs to this lab lies in /etc/board, which the lab mounts; SSH's keys are made there at the
first start. Ends when one of its daemons does.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from . import domain, virtd

BOARD = Path("/etc/board")
READY = BOARD / "ready"
CLIENT, HOST = BOARD / "ssh-privatekey", BOARD / "host"
FIRMWARE = Path("/run/board/halt.bin")
ACCOUNTS, ADMITTED = Path("/run/board/accounts"), Path("/run/board/authorized_keys")
REDFISH_PORT, SSH_PORT = 8443, 22
LIBVIRT_SECONDS = 30.0

# No acceleration, no devices, and a firmware that halts: a domain costs 31 MB and next to no time.
DOMAIN = """<domain type='qemu'>
  <name>{name}</name><uuid>{uuid}</uuid>
  <memory unit='KiB'>2048</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><loader type='rom'>{firmware}</loader></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/><memballoon model='none'/>
  </devices>
</domain>
"""


def identity(site: str) -> str:
    """The UUID of a site's domain, by which Redfish calls it."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, site))


def keys() -> None:
    """The board's host key and the key that it lets in, each made once."""
    for file in (HOST, CLIENT):
        if not file.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", file.name, "-f", str(file)],
                           check=True)
    shutil.copyfile(f"{CLIENT}.pub", ADMITTED)


def firmware() -> None:
    """64 KiB whose first instructions halt the processor: hlt, and a jump back to it."""
    halt, start = bytes((0xf4, 0xeb, 0xfd)), 0xfff0
    FIRMWARE.write_bytes(bytes(start) + halt + bytes(0x10000 - start - len(halt)))


def domains() -> None:
    """Define the domains and have each follow its site."""
    import libvirt  # type: ignore[import-not-found,unused-ignore]
    deadline = time.monotonic() + LIBVIRT_SECONDS
    while True:
        try:
            connection = libvirt.open(domain.URI)
            break
        except libvirt.libvirtError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    for site in domain.powers():
        connection.defineXML(DOMAIN.format(name=site, uuid=identity(site), firmware=FIRMWARE))
    connection.close()
    domain.follow_all()


def accounts() -> None:
    """Redfish's user, as sushy-tools reads it."""
    import bcrypt  # type: ignore[import-not-found,unused-ignore]
    known = json.loads((BOARD / "credentials.json").read_text())
    digest = bcrypt.hashpw(known["password"].encode(), bcrypt.gensalt(rounds=4)).decode()
    ACCOUNTS.write_text(f"{known['user']}:{digest}\n")


def redfish() -> None:
    """Serve Redfish; whoever asks is told of the sites as they are now."""
    import ssl

    from sushy_tools.emulator import main as emulator  # type: ignore[import-not-found,unused-ignore]
    app: Any = emulator.app
    app.configure(extra_config={
        "SUSHY_EMULATOR_LIBVIRT_URI": domain.URI, "SUSHY_EMULATOR_AUTH_FILE": str(ACCOUNTS),
        "SUSHY_EMULATOR_STATE_DIR": "/run/board", "SUSHY_EMULATOR_FEATURE_SET": "minimum",
        "SUSHY_EMULATOR_IGNORE_BOOT_DEVICE": True,
        "SUSHY_EMULATOR_ALLOWED_INSTANCES": [identity(site) for site in domain.powers()]})
    app.before_request(domain.follow_all)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(BOARD / "pki/board.crt", BOARD / "pki/board.key")
    app.run(host="0.0.0.0", port=REDFISH_PORT, ssl_context=context)


def watched(program: "subprocess.Popen[bytes]") -> None:
    """Have the board end with this daemon."""
    threading.Thread(target=ended, args=(program,), daemon=True).start()


def ended(program: "subprocess.Popen[bytes]") -> None:
    """Take the board down with one of its daemons."""
    program.wait()
    print(f"{program.args!r} ended with {program.returncode}", file=sys.stderr, flush=True)
    os._exit(1)


def reaping() -> None:
    """Go on in a child. The first process only buries: a dead qemu that nobody waits for lives on in libvirt's eyes."""
    child = os.fork()
    while child:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xff)


def main() -> None:
    """Everything in its order; the file READY tells the lab that the board can be asked."""
    reaping()
    domain.FOLLOWING.mkdir(exist_ok=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    keys()
    firmware()
    accounts()
    for argv in (["libvirtd", "--config", "/etc/libvirt/libvirtd.conf"],
                 ["/usr/sbin/sshd", "-D", "-e", "-p", str(SSH_PORT)]):
        watched(subprocess.Popen(argv, stdin=subprocess.DEVNULL))
    domains()
    watched(virtd.start(BOARD, FIRMWARE.parent))
    READY.touch()
    redfish()


if __name__ == "__main__":
    main()
