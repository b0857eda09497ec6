"""Proving the fence devices: each is asked for the other site's power, as Pacemaker would ask, before it is needed."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Optional

from k8sdeployment.conductor.cluster import ClusterError, run
from k8sdeployment.conductor.lies import Lies
from k8sdeployment.conductor.passwords import Passwords
from k8sdeployment.pair import fencing
from k8sdeployment.pair.facts import Proof
from k8sdeployment.pair.lies import LIED
from k8sdeployment.pair.model import Device, SNOPair

# Seconds between two questions to a device that answered, and to one that did not.
AGAIN, SOON = 300.0, 30.0

Ask = Callable[[str, Device, bool], Optional[str]]


def ask(name: str, device: Device, new: bool) -> Optional[str]:
    """None when the device told the power of its target; else why it did not. The agent reads its words from stdin.

    `new`: with the Secret's own password, else with the one that was proven.
    """
    try:
        run((device.agent,), fencing.ANSWER, fencing.proof(device, name, new))
    except ClusterError as error:
        return None if error.status in fencing.POWER else str(error)
    return None


class Prover:
    """Asks in a thread of its own, for a device may take a minute to say nothing."""

    def __init__(self, ask: Ask = ask, clock: Callable[[], float] = time.time,
                 passwords: Optional[Passwords] = None, lies: Optional[Lies] = None) -> None:
        self._ask, self._clock, self._passwords, self._lies = ask, clock, passwords or Passwords(), lies
        self._caught: set[str] = set()
        self._proofs: dict[str, Proof] = {}
        self._due: dict[str, float] = {}
        self._words: dict[str, str] = {}
        self._running: Optional[threading.Thread] = None

    def proofs(self) -> dict[str, Proof]:
        """The last answer of each device, by its name in Pacemaker; it counts for nothing once the device has lied."""
        return {name: replace(proof, good=False, why=LIED) if name in self._caught else proof
                for name, proof in dict(self._proofs).items()}

    def look(self, pair: SNOPair, site: str) -> None:
        """Begin to ask the devices that are due, unless some are being asked."""
        target = pair.spec.other(site)
        devices = {fencing.device_id(target, rank): device
                   for rank, device in enumerate(target.fencing.devices, start=1)}
        words = {name: fencing.proof(device, name) for name, device in devices.items()}
        for name in [name for name in self._words if words.get(name) != self._words[name]]:
            self._proofs.pop(name, None)  # it was proven with other words
            self._due.pop(name, None)
        self._words = words
        self._caught = self._lies.look(words) if self._lies is not None else set()
        due = {name: device for name, device in devices.items() if self._is_due(name, device)}
        if due and (self._running is None or not self._running.is_alive()):
            self._running = threading.Thread(target=self._prove, args=(due,), daemon=True)
            self._running.start()

    def _is_due(self, name: str, device: Device) -> bool:
        """By its time; at once when its Secret says something new after a good answer, or the old again."""
        last, value = self._proofs.get(name), self._passwords.candidate(name, device)
        fresh = last is not None and last.good and (
            bool(last.note) if value is None else not self._passwords.refused(name, value))
        return fresh or self._due.get(name, 0.0) <= time.monotonic()

    def _prove(self, devices: dict[str, Device]) -> None:
        for name, device in devices.items():
            proof = self._proven(name, device)
            if self._words.get(name) != fencing.proof(device, name):
                continue  # the CR was changed meanwhile: this is the answer of another device
            self._proofs[name] = proof
            self._due[name] = time.monotonic() + (AGAIN if proof.good else SOON)

    def _proven(self, name: str, device: Device) -> Proof:
        """A new password is used only when the device has answered to it."""
        value, note = self._passwords.candidate(name, device), ""
        if value is not None and device.secret_ref is not None:
            before = self._passwords.refused(name, value)
            why = before or self._ask(name, device, True)
            if why is None or not self._passwords.known(name, device):
                return self._kept(name, device, value, why)
            if not before:
                self._passwords.refuse(name, value, why)
            ref = device.secret_ref
            note = f"the new {ref.key} of Secret {ref.name} is not used, for it failed: {why}"
        why = self._ask(name, device, False)
        return Proof(why is None, int(self._clock()), why or "", note)

    def _kept(self, name: str, device: Device, value: bytes, why: Optional[str]) -> Proof:
        note = ""
        try:
            if why is None and not self._passwords.keep(name, device, value):
                note = "its Secret changed while it was asked; the new value is asked next"
        except OSError as error:
            note = f"its password cannot be kept: {error.strerror}; the Secret's own is used"
        return Proof(why is None, int(self._clock()), why or "", note)
