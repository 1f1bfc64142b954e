"""What identity decided about the rows of a run, and how held groups are let go."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.union_find import Positions, run_starts


class RowState(IntEnum):
    """What happens to a row."""

    SEND = 0
    COMBINED = 1
    HELD = 2
    REJECTED = 3
    SEQUENCE = 4


class RowCode(IntEnum):
    """Issue code of a row; `code` is its name in the catalogue."""

    NONE = 0
    SHARED_IDENTIFIER = 1
    MERGE_GROUP = 2
    DUPLICATE_KEY = 3

    @property
    def code(self) -> str | None:
        """The issue code, None for `NONE`."""
        return None if self is RowCode.NONE else self.name.lower().replace("_", "-")


DROPS_SCHEMA: Final = pl.Schema({"row": pl.Int64, "column": pl.String, "id_type": pl.String, "code": pl.String})
"""Identifier values that leave their row: its position, the column of `IdentityRows.hashes`, and why."""

GROUPS_SCHEMA: Final = pl.Schema(
    {
        "group": pl.Int64(),
        "rows": pl.Int64(),
        "keys": pl.Int64(),
        "id_types": pl.List(pl.String()),
        "kind": pl.String(),
        "allowed": pl.Boolean(),
        "hub": pl.Boolean(),
    }
)
"""``kind``: ``merge`` or ``sequence`` (one key, all rows sent in order). ``keys``: null without key columns.
``id_types``: what links different keys (without key columns: rows). ``allowed``: sent in order without a decision.
``hub``: a value of the group is in more than two of its rows."""


@dataclass(frozen=True, slots=True)
class IdentityResult:
    """What identity decided, one entry a row.

    Attributes:
        state: u8, `RowState`.
        carried_by: i64, the row whose payload carries this one; -1 for none.
        group: i64, number of the row's merge or sequence group, from 1 in order of first rows; -1 for none.
        apart: i64; rows with the same number share an identifier, linked by it or not, and may not go in one body; -1
            for rows that share none.
        wave: u32; rows of a wave may go together, waves one after the other; 0 for ordinary rows.
        code: u8, `RowCode`.
        drops: `DROPS_SCHEMA`, by row.
        groups: `GROUPS_SCHEMA`, by group.
        dropped: Dropped values by idType.
        notes: What a person should know.
    """

    state: npt.NDArray[np.uint8]
    carried_by: Positions
    group: Positions
    apart: Positions
    wave: npt.NDArray[np.uint32]
    code: npt.NDArray[np.uint8]
    drops: pl.DataFrame
    groups: pl.DataFrame
    dropped: Mapping[str, int]
    notes: tuple[str, ...] = ()


def release(result: IdentityResult, groups: Collection[int] | None = None) -> IdentityResult:
    """Let held merge groups go: their rows are sent one after the other.

    Args:
        result: What was decided before.
        groups: Numbers of the groups to let go; None for all. Rows held for want of an identifier stay held.
    """
    chosen = (result.state == RowState.HELD) & (result.code == RowCode.MERGE_GROUP)
    numbers = result.groups["group"]
    released = numbers.is_not_null() if groups is None else numbers.is_in(list(groups))
    chosen &= np.isin(result.group, numbers.filter(released).to_numpy())
    state = np.where(chosen, np.uint8(RowState.SEQUENCE), result.state)
    return replace(
        result,
        state=state,
        wave=number_waves(state, result.apart),
        groups=result.groups.with_columns(pl.col("allowed") | released),
    )


def number_waves(state: npt.NDArray[np.uint8], apart: Positions) -> npt.NDArray[np.uint32]:
    """Number the rows that are to be kept apart from 1, in source order; 0 for all other rows.

    Args:
        state: `RowState` of each row; only rows that are sent count.
        apart: See `IdentityResult`.
    """
    wave = np.zeros(state.size, dtype=np.uint32)
    rows = np.flatnonzero(np.isin(state, [RowState.SEND, RowState.SEQUENCE]) & (apart >= 0))
    rows = rows[np.argsort(apart[rows], kind="stable")]
    starts = run_starts(apart[rows])
    sizes = np.diff([*starts, rows.size])
    wave[rows] = np.arange(rows.size) - np.repeat(starts, sizes) + 1
    return wave
