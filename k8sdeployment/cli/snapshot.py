"""What the conductor of this site saw last: a `report.Status` as JSON on the host's tmpfs.

Read without the model, which takes longer to load than the whole answer may take. A field that is missing or has
another form is as good as not said: the file may be another version's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """The status as plain JSON, with the few things that are computed from it. Empty when there is none."""

    said: Object = field(default_factory=dict)
    trouble: str = ""

    @property
    def site(self) -> str:
        """Whose view it is."""
        return word(self.said, "site")

    def age(self, now: float) -> Optional[float]:
        """Seconds since it was written; None when that is not said."""
        when = moment(self.said.get("written"))
        return None if when is None else max(0.0, now - when.timestamp())

    def listed(self, name: str) -> list[Object]:
        """The entries of one of its lists."""
        found = self.said.get(name)
        return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []

    def named(self, name: str, key: str, by: str = "name") -> Object:
        """The entry of a list with that name; an empty one when there is none."""
        return next((one for one in self.listed(name) if one.get(by) == key), {})


def read(path: Path) -> Snapshot:
    """The file's content; an empty Snapshot that says why when it cannot be had."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Snapshot(trouble="the conductor has written no view since this host was started")
    except (OSError, ValueError) as error:
        return Snapshot(trouble=f"the conductor's view {path} cannot be read: {error}")
    if not isinstance(found, dict):
        return Snapshot(trouble=f"the conductor's view {path} is not a status")
    return Snapshot(found)


def word(said: Object, name: str) -> str:
    """A text that is said; "" where it is not, or is none."""
    found = said.get(name)
    return found if isinstance(found, str) else ""


def moment(text: object) -> Optional[datetime]:
    """A time as the status writes it; None for anything else."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else datetime.min
    except ValueError:
        return None
    return found if found.tzinfo else None
