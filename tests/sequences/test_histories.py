"""Random histories of faults against the agent's real code: none may break a property, whatever the seed."""

from __future__ import annotations

import pytest

from . import trial
from .conftest import SEQUENCES, option


def test_random_histories_break_no_property(pytestconfig: pytest.Config, seed: int) -> None:
    """See properties.py for what must hold. The seed is printed when it fails, and again by `-s`."""
    only = option(pytestconfig, "only", None)
    indices = range(option(pytestconfig, "sequences", SEQUENCES)) if only is None else [only]
    print(f"\n{len(indices)} histories, seed {seed}")
    failed = []
    for index in indices:
        site, steps = trial.drawn(seed, index)
        outcome = trial.run(site, steps)
        if outcome.violations:
            failed.append((index, site, steps))
        if len(failed) >= 5:
            break
    assert not failed, f"histories {[index for index, _, _ in failed]} of seed {seed}\n" + trial.told(seed, *failed[0])
