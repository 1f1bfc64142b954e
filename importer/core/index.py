"""The package's index: what was decided about each valid row.

Lines stand in the order of the package's valid rows. A row that is sent has a `slot` (where its payload is) and a
`position` in the send order; the ledger knows positions only.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.issue_catalogue import CATALOGUE
from importer.errors import SourceError

INDEX_STATES: Final = ("send", "sequence", "held", "combined", "rejected", "unchanged")
"""`send` and `sequence` rows go out (the latter one after the other); the others are final."""

MOST_ROWS: Final = 2**31 - 2
"""Rows of a run, at most: its lines are numbered in 32 bits, since these numbers are all that memory grows by."""

INDEX_SCHEMA: Final = pl.Schema(
    {
        "row": pl.UInt32(),
        "set": pl.UInt32(),
        "size": pl.UInt32(),
        "state": pl.Enum(INDEX_STATES),
        "code": pl.Enum(sorted(CATALOGUE)),
        "carried_by": pl.Int32(),
        "group": pl.Int32(),
        "apart": pl.Int32(),
        "wave": pl.UInt32(),
        "slot": pl.Int32(),
        "position": pl.Int32(),
    }
)
"""38 bytes a line. ``row``: position in the run's rows. ``code``: why a row does not go out; of an unchanged one, why
it would be held if it changed. ``carried_by``: line of the carrying row, -1 for none. ``group``: -1 for none.
``apart``: rows of groups with the same number go one after the other, -1 for none. ``wave``: 0 for ordinary rows.
``position``: -1 while the row is not in the send order."""

RELEASABLE_CODES: Final = ("merge-group", "merge-with-stored")
"""Why a row of a group is held that may be let go."""


def check_row_count(rows: int) -> None:
    """Refuse a source that the index has no numbers for.

    Raises:
        SourceError: it has more than `MOST_ROWS` rows.
    """
    if rows > MOST_ROWS:
        raise SourceError(f"a run takes {MOST_ROWS:,} rows at most", hint="split the source")


def release_groups(index: pl.DataFrame, groups: Collection[int] | None = None) -> pl.DataFrame:
    """Let rows of held merge groups go, one after the other.

    Args:
        index: `INDEX_SCHEMA`.
        groups: Numbers of the groups; None for all.

    Returns:
        The index with those rows in state `sequence` and their waves numbered from 1 in source order.
    """
    chosen = (pl.col("state") == "held") & pl.col("code").is_in(RELEASABLE_CODES)
    if groups is not None:
        chosen &= pl.col("group").is_in(list(groups))
    marked = index.with_columns(chosen.alias("chosen"))
    wave = pl.col("chosen").cast(pl.UInt32).cum_sum().over("apart")
    return marked.with_columns(
        state=pl.when("chosen").then(pl.lit("sequence", dtype=INDEX_SCHEMA["state"])).otherwise("state"),
        wave=pl.when("chosen").then(wave).otherwise("wave").cast(pl.UInt32),
    ).drop("chosen")


def queue_again(index: pl.DataFrame, lines: npt.NDArray[np.int64]) -> pl.DataFrame:
    """Take rows out of their place in the send order, so that they get another one behind all others.

    Their waves stay: rows of a group that go again keep their order, whichever of them do.

    Args:
        index: `INDEX_SCHEMA`.
        lines: Of rows in state `send` or `sequence`.
    """
    position = index["position"].to_numpy().copy()
    position[lines] = -1
    return index.with_columns(pl.Series("position", position))
