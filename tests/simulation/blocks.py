"""Runs many seeds, on all cores, and says of each that fails how to see it again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.scenario import SEEDS_A_SCENARIO
from tests.simulation.trace import BrokenInvariantError
from tests.simulation.world import simulate


def run_block(first: int) -> list[str]:
    """Run the seeds that share a scenario; return what is wrong."""
    failures = []
    for seed in range(first, first + SEEDS_A_SCENARIO):
        try:
            simulate(seed)
        except BrokenInvariantError as error:
            failures.append(f"seed {seed}: {error}\n  replay it: python -m tests.simulation {seed}")
    return failures


def run_blocks(first: int, stop: int) -> Iterator[str]:
    """Run all seeds from `first`, a multiple of the block, to before `stop`, on all cores; yield what is wrong."""
    # Not forked: polars has threads of its own.
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for failures in pool.map(run_block, range(first, stop, SEEDS_A_SCENARIO), chunksize=4):
            yield from failures
