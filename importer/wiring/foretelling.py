"""Outcomes that are known before anything is sent: they are written while the rest of a run is worked out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import numpy as np
import polars as pl

from importer.core.index import INDEX_SCHEMA
from importer.core.manifest import RunManifest
from importer.core.report import FinalState
from importer.pipeline.check_source import CheckedSource
from importer.pipeline.outcomes import Delivered, outcome_frames
from importer.reports.outcome_files import OutcomesSink
from importer.state.run_folder import RunFolder
from importer.wiring.finishing import write_outcomes
from importer.wiring.grouping import MOST_BESIDE
from importer.wiring.run import Run


@contextmanager
def awaited_on_failure() -> Iterator[Executor]:
    """Give a thread whose work goes on when all is well; a failure waits for it, as its folder may be thrown away."""
    beside = ThreadPoolExecutor(1, "outcomes")
    try:
        yield beside
    except BaseException:
        beside.shutdown()
        raise
    beside.shutdown(wait=False)


@contextmanager
def awaited(run: Run) -> Iterator[None]:
    """Wait for outcomes that are being written where something fails before anybody asks for them."""
    try:
        yield
    except BaseException:
        if run.outcomes is not None:
            wait([run.outcomes])
        raise


def all_sent(index: pl.DataFrame) -> pl.DataFrame:
    """Return an index whose rows are all in the send order, as far as anybody asks before there is one."""
    return index.with_columns(position=pl.lit(0, dtype=INDEX_SCHEMA["position"]))


def foretell(
    beside: Executor, run: RunFolder, manifest: RunManifest, checked: CheckedSource
) -> Future[OutcomesSink] | None:
    """Begin to write the outcomes of a run that sends nothing, or not now.

    Args:
        beside: Does it.
        run: Where to.
        manifest: What is known of the run so far.
        checked: No row of it is left out of what would be sent.

    Returns:
        What will be the closed file; None where so many rows are in groups that both at once would be a run's most
        memory.
    """
    identity, index = checked.decided.identity, checked.decided.index
    if np.count_nonzero(identity.fates.group >= 0) > MOST_BESIDE:
        return None
    frames = outcome_frames(checked.package, all_sent(index), Delivered(), sending_state=FinalState.PLANNED)
    return beside.submit(write_outcomes, run, manifest, frames)
