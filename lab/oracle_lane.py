"""From looks to the record: many looks that found the same become one line, and whoever listens hears of changes."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic

from lab.record import S, State, Stretch, Writer

Changed = Callable[[float, str, str, State], None]


class Stretches(Generic[S]):
    """Folds looks into stretches: a new one when the state changes, or when the open one is ``longest`` seconds old.

    The first look after a change is emitted at once, so that who reads along learns of it without delay.
    """

    def __init__(self, emit: Callable[[Stretch[S]], None], longest: float = 1.0) -> None:
        self._emit: Callable[[Stretch[S]], None] = emit
        self._longest = longest
        self._open: Stretch[S] | None = None
        self._state: S | None = None

    def saw(self, mono: float, state: S) -> bool:
        """Take one look; True when it found something else than the look before."""
        look = Stretch(mono, mono, 1, 0.0, state)
        if state != self._state:
            self.close()
            self._emit(look)
            self._state = state
            return True
        before = self._open
        if before is not None and mono - before.first < self._longest:
            gap = max(before.gap, mono - before.last)
            self._open = Stretch(before.first, mono, before.samples + 1, gap, state)
        else:
            self.close()
            self._open = look
        return False

    def close(self) -> None:
        """Emit what is still open."""
        if self._open is not None:
            self._emit(self._open)
            self._open = None


class Lane(Generic[S]):
    """One kind of look at one site, on its way to the record and to whoever wants to hear of changes."""

    def __init__(self, what: str, site: str, writer: Writer, changed: Changed | None) -> None:
        self._what, self._site, self._changed = what, site, changed
        self._row: Stretches[S] = Stretches(partial(writer.saw, what, site))

    def took(self, mono: float, state: S) -> None:
        """Take one look."""
        if self._row.saw(mono, state) and self._changed:
            self._changed(mono, self._what, self._site, state)

    def close(self) -> None:
        """Write what is still open."""
        self._row.close()
