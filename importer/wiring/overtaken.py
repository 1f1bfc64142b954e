"""Not sending old values on top of new ones: rows that are left of a run, beside the runs that were made after it.

Where there is no later run to the same store, which is the usual case, only the records of runs are read for it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from importer.core.lifecycle import FINAL, BatchState
from importer.core.suggested import run_command
from importer.errors import GuardError
from importer.pipeline.sent_again import Lines, Selection, without_overtaken
from importer.reports.wording import counted
from importer.state.ledger import SqliteLedger
from importer.wiring.later_runs import later_runs, note_of, overtaken_by
from importer.wiring.run import Run

_TAKEN: Final = FINAL | {BatchState.APPLYING, BatchState.IMPORTING}
"""Batches of which nothing is sent any more; those that are not over are only asked about."""


def lines_left(run: Run) -> Lines:
    """Return the rows in the send order that may still be sent, as lines of the index, ascending."""
    with SqliteLedger.open(run.folder.ledger, read_only=True) as ledger:
        places = [np.arange(e.spec.start, e.spec.stop) for e in ledger.entries() if e.state not in _TAKEN]
    if not places:
        return np.zeros(0, dtype=np.int64)
    return np.unique(run.folder.read_order()["line"].to_numpy()[np.concatenate(places)]).astype(np.int64)


def lines_coming(index: pl.DataFrame, *, groups: frozenset[int] | None, rest: bool) -> Lines:
    """Return the rows that are not in the send order and would be put there.

    Args:
        index: `INDEX_SCHEMA`, with the groups released.
        groups: Merge groups that are let go; None for none.
        rest: Also what a limit left out.
    """
    coming = pl.col("state").is_in(["send", "sequence"]) & (pl.col("position") < 0)
    if not rest:
        coming &= (pl.col("state") == "sequence") & pl.col("group").is_in(sorted(groups or ()))
    lines: Lines = index.select(coming.arg_true()).to_series().to_numpy().astype(np.int64)
    return lines


def refuse_overtaken(run: Run, lines: Lines, *given: str, index: pl.DataFrame | None = None) -> tuple[str, ...]:
    """Refuse to send rows while a later run may have delivered some of them: it has newer values.

    Args:
        run: Packaged.
        lines: Of its index: rows that are about to be sent.
        given: What `resume` was told; for the hint.
        index: The index with groups released that are about to go; the run's own if None.

    Returns:
        What could not be compared, for the notes of the report.

    Raises:
        GuardError: some were overtaken, or a later run cannot be compared.
        StateError: a file of this run is damaged.
    """
    if not len(lines):
        return ()
    hint = (
        f"{run_command(run.folder.path, 'resume', *given, '--ignore-later')} sends them all the same, and may put old"
        " values in the place of new; or import the source anew"
    )
    index = run.index if index is None else index
    selection = Selection(lines, lines, _company(index, lines))
    notes: tuple[str, ...] = ()
    overtaking: list[str] = []
    try:
        for later in later_runs(run):
            found = overtaken_by(later, run, selection.company)
            notes += note_of(later, found)
            left = without_overtaken(index, selection, found.lines)
            if len(left.asked) < len(selection.asked):
                overtaking.append(later.folder.run_id)
            selection = left
    except GuardError as error:
        error.hint = hint
        raise
    if overtaking:
        several = (
            f"runs {', '.join(overtaking)}, which are" if len(overtaking) > 1 else f"run {overtaking[0]}, which is"
        )
        count = len(lines) - len(selection.asked)
        raise GuardError(
            f"{several} later, may have delivered {counted(count, 'row')} of the {len(lines):,} that are left to send;"
            " nothing was sent",
            hint=hint,
        )
    return notes


def _company(index: pl.DataFrame, lines: Lines) -> Lines:
    """Return rows and, where they are of a merge group, all rows of it that go: they become one profile."""
    in_group = (pl.col("state") == "sequence") & (pl.col("group") >= 0)
    numbered = index.select("state", "group").with_row_index("line")
    groups = numbered[lines].filter(in_group)["group"].unique()
    company = numbered.filter(in_group & pl.col("group").is_in(groups.implode()))["line"].to_numpy()
    return np.union1d(lines, company).astype(np.int64)
