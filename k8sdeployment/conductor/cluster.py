"""The cluster as this site's Pacemaker tells it, and the few things the conductor does to it, by its own programs."""

import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Optional

from k8sdeployment.conductor import pcs_batch
from k8sdeployment.pair import facts, pacemaker, words
from k8sdeployment.pair.cib import ROLL, Element, Operation, devices
from k8sdeployment.pair.model import SNOPair
from k8sdeployment.pair.roll import Lock
from k8sdeployment.pair.status import CRM_MON, LINKS, PairStatus, links, parse

# Seconds for a question, and for pcs to work through a whole pair.
ASK, CONFIGURE = 15.0, 600.0
_SAID = 200
_LOCK = "snopair-lock"
# What the fencer calls its own device for a hardware watchdog, which is in no configuration.
_WATCHDOG = "watchdog"
_VOTES = re.compile(r"^State:\s+Connected$", re.MULTILINE)


class ClusterError(Exception):
    """A program of the cluster did not do what it was asked for; the sentence says which and why. `status`: its exit
    code, None where it never ended by itself."""

    def __init__(self, sentence: str, status: Optional[int] = None) -> None:
        super().__init__(sentence, status)
        self.sentence, self.status = sentence, status

    def __str__(self) -> str:
        return self.sentence


Run = Callable[[Sequence[str], float, Optional[str]], str]


def run(argv: Sequence[str], seconds: float = ASK, text: Optional[str] = None) -> str:
    """What a program wrote to stdout; ClusterError when it fails or takes longer."""
    try:
        done = subprocess.run(list(argv), input=text, capture_output=True, text=True, timeout=seconds,
                              env={**os.environ, "PYTHONPATH": "", "PYTHONWARNINGS": "ignore"})
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{argv[0]} did not answer within {seconds:.0f} s") from None
    except OSError as error:
        raise ClusterError(f"{argv[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        # The middle of a long line may be the whole of what was to be set.
        said = words.last(done.stderr, done.stdout, _SAID)
        raise ClusterError(f"{argv[0]} failed ({done.returncode}): {said}", done.returncode)
    return done.stdout


class Cluster:
    """This site's view of the cluster. ClusterError when Pacemaker does not answer."""

    def __init__(self, directory: Path, run: Run = run) -> None:
        self._directory, self._run = directory, run

    def view(self) -> PairStatus:
        """Nodes, resources, failures."""
        try:
            return parse(self._run(CRM_MON, ASK, None))
        except ElementTree.ParseError as error:
            raise ClusterError(f"crm_mon wrote no XML: {error}") from error

    def cib(self) -> Element:
        """The whole CIB with its status section."""
        try:
            return ElementTree.fromstring(self._run(("cibadmin", "--query"), ASK, None))
        except ElementTree.ParseError as error:
            raise ClusterError(f"cibadmin wrote no XML: {error}") from error

    def links(self) -> dict[int, bool]:
        """Whether each link to the other site is connected, by its number from 0."""
        return links(self._run(LINKS, ASK, None))

    def heard(self, pair: SNOPair) -> bool:
        """Whether the arbitrator answers this site; true of a pair that has none."""
        return pair.spec.quorum.arbitrator is None or self._connected()

    def unheard(self) -> bool:
        """Whether this site's Corosync counts on an arbitrator that does not answer it. One that the CR names and that
        Corosync does not know yet is none."""
        try:
            self._run(("corosync-cmapctl", "-g", "quorum.device.model"), ASK, None)
        except ClusterError:  # there is no such key
            return False
        return not self._connected()

    def _connected(self) -> bool:
        try:
            return _VOTES.search(self._run(("corosync-qdevice-tool", "-s"), ASK, None)) is not None
        except ClusterError:  # it ends by itself when it does not like what it is told, and is started again
            return False

    def tell(self, value: str) -> None:
        """Set this node's attribute that the other site reads."""
        self._run(("attrd_updater", "--name", facts.ATTRIBUTE, "--update", value), ASK, None)

    # -- configuration ----------------------------------------------------------------------------------------------

    def wanted(self, pair: SNOPair, bare: Element) -> Element:
        """The CIB that pcs makes of a pair, starting from one without any configuration."""
        file = self._directory / "wanted.xml"
        file.write_text(ElementTree.tostring(bare, encoding="unicode"))
        # Out of the daemons' way, and with the Python that pcs is installed for.
        self._run(("nice", "/usr/bin/python3", "-Es", pcs_batch.__file__), CONFIGURE,
                  json.dumps(pacemaker.configure(pair, str(file))))
        return ElementTree.parse(file).getroot()

    def push(self, before: Element, after: Element) -> None:
        """Bring the difference between two CIBs into the running one, all of it or nothing."""
        old, new = self._directory / "before.xml", self._directory / "after.xml"
        old.write_text(ElementTree.tostring(before, encoding="unicode"))
        new.write_text(ElementTree.tostring(after, encoding="unicode"))
        self._run(pacemaker.push(str(new), str(old)), CONFIGURE, None)

    def disarm(self, cib: Element) -> list[str]:
        """Have this site's fencer forget the devices that are in the configuration no more; their names.

        What leaves the configuration is not stopped (stop-orphan-resources=false), and the fencer keeps what a device's
        start registered with it: it would go on fencing with a device that nobody sees any more.
        """
        listed = self._run(("stonith_admin", "--list-registered", "--output-as=xml"), ASK, None)
        try:
            registered = {str(item.text) for item in ElementTree.fromstring(listed).iter("item")} - {_WATCHDOG}
        except ElementTree.ParseError as error:
            raise ClusterError(f"stonith_admin wrote no XML: {error}") from error
        strays = registered - set(devices(cib))
        # One that came since that CIB was read is no stray.
        found = sorted(strays - set(devices(self.cib()))) if strays else []
        for name in found:
            self._run(("stonith_admin", "--deregister", name), ASK, None)
        return found

    def let_go(self, resource: str) -> None:
        """Forget a resource that is in the configuration no more, without stopping it."""
        self._run(("crm_resource", "--refresh", "--resource", resource, "--force"), 60.0, None)

    def forget(self, failure: Operation) -> None:
        """Take a failed or degraded result out of the history."""
        self._run(("crm_resource", "--cleanup", "--resource", failure.resource, "--node", failure.node,
                   "--operation", failure.task, "--interval", f"{failure.interval}ms"), 60.0, None)

    # -- maintenance and the lock -----------------------------------------------------------------------------------

    def maintenance(self, on: bool) -> None:
        """Set the whole cluster's maintenance mode."""
        self._run(("crm_attribute", "--type", "crm_config", "--name", "maintenance-mode",
                   "--update", "true" if on else "false"), ASK, None)

    def take(self, lock: Lock) -> bool:
        """Take the lock; False when somebody has it. A create fails where the id exists, so one of two gets it."""
        pair = f'<nvpair id="{ROLL}" name="{ROLL}" value="{lock}"/>'
        xml = f'<cluster_property_set id="{_LOCK}">{pair}</cluster_property_set>'
        try:
            self._run(("cibadmin", "--create", "--scope", "crm_config", "--xml-text", xml), ASK, None)
        except ClusterError:
            return False
        return True

    def free(self) -> None:
        """Give the lock back."""
        self._run(("cibadmin", "--delete", "--xml-text", f'<cluster_property_set id="{_LOCK}"/>'), ASK, None)
