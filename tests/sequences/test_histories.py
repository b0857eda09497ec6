"""Random histories of faults against the agent's real code: none may break a property, whatever the seed."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from . import trial
from .conftest import SEQUENCES, option

# Answers that many histories together must have met, else they try too little.
MET = {("probe", 0), ("probe", 1), ("probe", 7), ("deep", 0), ("deep", 1), ("deep", 7), ("deep", 190), ("monitor", 0),
       ("monitor", 1), ("monitor", 7), ("start", 0), ("start", 1), ("start", 5), ("stop", 0)}
ENOUGH = 200


def _answers(trace: list[str]) -> Counter[tuple[str, int]]:
    return Counter((action, int(code)) for action, code in re.findall(r"(\w+): done (\d+)", "\n".join(trace)))


def test_random_histories_break_no_property(pytestconfig: pytest.Config, seed: int) -> None:
    """See properties.py for what must hold. The seed is printed when it fails, and always with `-s`."""
    only = option(pytestconfig, "only", None)
    indices = range(option(pytestconfig, "sequences", SEQUENCES)) if only is None else [only]
    print(f"\n{len(indices)} histories, seed {seed}")
    failed, met = [], Counter[tuple[str, int]]()
    for index in indices:
        site, steps = trial.drawn(seed, index)
        outcome = trial.run(site, steps)
        met += _answers(outcome.trace)
        failed += [(index, site, steps)] if outcome.violations else []
        if len(failed) >= 5:
            break
    assert not failed, f"histories {[index for index, _, _ in failed]} of seed {seed}\n" + trial.told(seed, *failed[0])
    assert len(indices) < ENOUGH or set(met) >= MET, met
    print(*(f"{action} {code}: {count} times" for (action, code), count in sorted(met.items())), sep=", ")
