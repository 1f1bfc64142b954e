"""One payload for rows that are one profile: later values win, and an explicit removal is a value."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from importer.core.union_find import Positions, run_starts

CARRIER: Final = "carrier"
"""Column of `combine_rows`' answer: position of the carrying row."""

REMOVE_PREFIX: Final = "remove:"
"""``remove:Group.trait`` is the Boolean column that says "remove this trait" about rows without a value for it."""


def combine_rows(frame: pl.DataFrame, order: Positions, carrier: Positions) -> pl.DataFrame:
    """Combine the rows of each carrier into one.

    Each column keeps its last value in source order. A removal (``remove:Group.trait`` true) counts as a value of its
    trait: a later value cancels it, and it cancels earlier values. Of conflicting identifiers the newest stays.

    Args:
        frame: Typed traits and removal flags of the rows to combine, carriers included.
        order: Position of each row in the source.
        carrier: Position of each row's carrier; a carrier's own is its position.

    Returns:
        `CARRIER` (i64, ascending, one row each), then the columns of `frame` with their types. Removal flags are true
        or false, never null.
    """
    sequence = np.lexsort((order, carrier))
    owners = carrier[sequence]
    starts = run_starts(owners)
    rows = frame.select(pl.all().gather(pl.Series(sequence, dtype=pl.Int64)))
    columns = [pl.Series(CARRIER, owners[starts], dtype=pl.Int64)]
    newest: dict[str, Positions] = {}
    for name in frame.columns:
        trait = name.removeprefix(REMOVE_PREFIX)
        if trait not in newest:
            newest[trait] = _newest(rows, trait, starts)
        chosen = rows[name].gather(newest[trait])
        columns.append(_removals(chosen, rows, trait, newest[trait]) if name != trait else chosen)
    return pl.DataFrame(columns)


def _newest(rows: pl.DataFrame, trait: str, starts: Positions) -> Positions:
    """Return, a run, the last row that says something about a trait; the first row where none does."""
    says = np.zeros(rows.height, dtype=np.bool_)
    if trait in rows.columns:
        says |= rows[trait].is_not_null().to_numpy()
    if REMOVE_PREFIX + trait in rows.columns:
        says |= rows[REMOVE_PREFIX + trait].fill_null(value=False).to_numpy()
    if starts.size == 0:
        return starts
    last = np.maximum.reduceat(np.where(says, np.arange(rows.height), -1), starts)
    return np.where(last < 0, starts, last)


def _removals(flags: pl.Series, rows: pl.DataFrame, trait: str, newest: Positions) -> pl.Series:
    """Clear the flag where the same row has a value: the value was meant."""
    removed = flags.fill_null(value=False)
    return removed & rows[trait].gather(newest).is_null() if trait in rows.columns else removed
