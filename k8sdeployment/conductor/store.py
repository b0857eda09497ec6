"""What the conductor keeps on disk: the CR for when the API is away, the recoveries, and its view for `snopair`."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional

from pydantic import TypeAdapter, ValidationError

from k8sdeployment.pair import paths
from k8sdeployment.pair.recovery import MOST
from k8sdeployment.pair.report import Drill, Recovery, Status

_RECOVERIES = TypeAdapter(tuple[Recovery, ...])


class Store:
    """`directory` outlives the pod and the boot; `status` is on the host's tmpfs."""

    def __init__(self, directory: Path, status: Path) -> None:
        self._pair, self._recoveries = directory / paths.PAIR_FILE, directory / "recoveries.json"
        self._drill = directory / paths.DRILL_FILE
        self._status = status

    def pair(self) -> Optional[dict[str, Any]]:
        """The CR as the API said it last; None before it ever did, or when the file is damaged."""
        found = read(self._pair)
        return found if isinstance(found, dict) else None

    def keep_pair(self, document: dict[str, Any]) -> None:
        """Remember the CR, less what only the API server needs. Written only when it changed: flash wears out."""
        slim = {**{name: document[name] for name in ("apiVersion", "kind", "spec") if name in document},
                "metadata": {name: value for name, value in document.get("metadata", {}).items()
                             if name in ("name", "namespace", "uid", "generation")}}
        if slim != read(self._pair):
            write(self._pair, json.dumps(slim))

    def recoveries(self) -> tuple[Recovery, ...]:
        """The recoveries that were kept; none where the file is missing or damaged."""
        try:
            return _RECOVERIES.validate_python(read(self._recoveries) or ())
        except ValidationError:
            return ()

    def drill(self) -> Optional[Drill]:
        """The last rehearsal, as `snopair drill` wrote it; None where the file is missing or damaged."""
        try:
            return Drill.model_validate(read(self._drill))
        except ValidationError:
            return None

    def keep_recoveries(self, newer: Iterable[Recovery]) -> tuple[Recovery, ...]:
        """The kept ones with newer ones on top: alerts are thrown away in time, recoveries are not."""
        before = self.recoveries()
        known = {(one.workload, one.detected): one for one in before}
        for one in newer:
            old = known.get((one.workload, one.detected), one)
            # The device is in no alert but in Pacemaker's log, which a conductor that starts anew may find cut.
            known[one.workload, one.detected] = one.model_copy(update={"fenced_by": one.fenced_by or old.fenced_by})
        found = tuple(sorted(known.values(), key=lambda one: one.detected, reverse=True)[:MOST])
        if found != before:
            write(self._recoveries, _RECOVERIES.dump_json(found, by_alias=True).decode())
        return found

    def show(self, status: Status) -> None:
        """Lay this site's view where `snopair` finds it while the API is away."""
        write(self._status, status.model_dump_json(by_alias=True, exclude_none=True), mode=0o644)


def read(file: Path) -> Any:
    """What a file of JSON says; None where it is missing or damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write(file: Path, text: str, mode: int = 0o600) -> None:
    """Whole or not at all; a full disk loses the news, never what was there. OSError is the caller's to tell."""
    new = file.with_name(f".{file.name}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as out:
        out.write(text)
    os.replace(new, file)
