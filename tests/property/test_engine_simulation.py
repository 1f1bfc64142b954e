"""The whole engine on a virtual clock, from seeds: whatever goes wrong, the invariants hold; see `tests.simulation`.

A seed that fails is replayed by ``python -m tests.simulation SEED``, which is ``just replay SEED``.
"""

from __future__ import annotations

from itertools import islice

import pytest

from tests.simulation.blocks import run_block, run_blocks
from tests.simulation.scenario import SEEDS_A_SCENARIO
from tests.simulation.world import simulate

SEEDS = 500
SOAKED = 50_000


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_SCENARIO))
def test_the_invariants_hold_whatever_happens(first: int) -> None:
    """Every row read is accounted for, none is lost, none is sent again in vain, and nothing leaks: I1 to I8."""
    failures = run_block(first)
    assert not failures, "\n".join(failures)


def test_a_seed_replays_the_same_run() -> None:
    """A world depends on its seed and on nothing else."""
    one, other = simulate(7, traced=True), simulate(7, traced=True)
    assert one.trace.lines == other.trace.lines
    assert len(one.trace.lines) > 20


def test_the_seeds_meet_every_kind_of_end() -> None:
    """A few seeds see runs killed, stopped, refused and left incomplete, on disks that fill up, and all complete."""
    met = {reason for seed in range(20) for reason in simulate(seed).reasons}
    assert {"completed", "killed", "interrupted", "refused", "DiskError", "PackageChangedError"} <= met


@pytest.mark.soak
def test_the_invariants_hold_for_many_seeds() -> None:
    """The same for 50,000 seeds, on all cores; it ends with the tenth that fails."""
    failures = list(islice(run_blocks(SEEDS, SEEDS + SOAKED), 10))
    assert not failures, "\n".join(failures)
