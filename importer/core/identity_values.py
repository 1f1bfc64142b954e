"""Identifiers and keys of a run's rows, grouped by value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.text_views import not_null
from importer.core.union_find import Hashes, Positions, run_starts

KEY_COLUMN: Final = "key"
"""Name under which the joined key text of a row is read back."""

ReadValues = Callable[[str, Positions], pl.Series]
"""Reads normalised texts back: a column of `IdentityRows.hashes`, or `KEY_COLUMN`, and ascending row positions.

The texts are aligned with the positions."""

BoolArray = npt.NDArray[np.bool_]

_HASH_SEED: Final = 20_261_122


def identifier_hash(values: pl.Series) -> Hashes:
    """Hash normalised identifiers, to find repeated ones within a run.

    The hash is stable within a process only: never store it.

    Args:
        values: String; null is "no value".

    Returns:
        u64, same rows; 0 for null and for nothing else.
    """
    hashes = values.hash(_HASH_SEED).to_numpy().copy()
    hashes[hashes == 0] = 1
    if values.null_count():
        hashes[~not_null(values)] = 0
    return hashes


@dataclass(frozen=True, slots=True)
class IdentityRows:
    """The packaged rows of a run, as far as identity needs them.

    Attributes:
        n: Rows, in source order.
        read_key_hash: Reads `identifier_hash` of the joined keys, 0 where a key column is empty; None without keys.
        hashes: `identifier_hash` of each identifier column (n each); a column is an idType, or a trait promoted to one.
        id_types: idType of each column that is not named by its idType.
    """

    n: int
    read_key_hash: Callable[[], Hashes] | None
    hashes: Mapping[str, Hashes]
    id_types: Mapping[str, str] = field(default_factory=dict)

    def columns_by_type(self) -> dict[str, list[str]]:
        """Return the columns of each idType, in their order."""
        result: dict[str, list[str]] = {}
        for column in self.hashes:
            result.setdefault(self.id_types.get(column, column), []).append(column)
        return result


@dataclass(frozen=True, slots=True)
class SharedValues:
    """The values of one idType (or the keys) that occur more than once.

    Entries are ordered by value, then by column, then by row.

    Attributes:
        columns: Columns the values come from.
        row: Row of each entry.
        column: Column of each entry, as its number in `columns`.
        value: Dense number of each entry's value, ascending from 0.
    """

    columns: tuple[str, ...]
    row: Positions
    column: Positions
    value: Positions

    @property
    def count(self) -> int:
        """How many values there are."""
        return int(self.value[-1]) + 1 if self.value.size else 0

    @property
    def starts(self) -> Positions:
        """Where each value's entries begin."""
        return run_starts(self.value)

    @property
    def sizes(self) -> Positions:
        """Entries of each value."""
        return np.diff(self.starts, append=self.row.size)

    def without(self, dropped: BoolArray) -> SharedValues:
        """Leave out the values marked in `dropped` (one flag a value)."""
        kept = ~dropped[self.value]
        ordered = self.value[kept]
        numbers = np.cumsum(np.concatenate([[False], ordered[1:] != ordered[:-1]]))[: ordered.size]
        return SharedValues(self.columns, self.row[kept], self.column[kept], numbers.astype(np.int64))

    def among(self, rows: Positions) -> SharedValues:
        """Number the rows by their places in `rows`, which is ascending and has all of them."""
        return SharedValues(self.columns, np.searchsorted(rows, self.row), self.column, self.value)

    def spread(self, codes: Positions) -> BoolArray:
        """Tell which values have entries with different codes.

        Args:
            codes: One code a row; negative ones are passed over.
        """
        return differs(codes[self.row], self.starts)

    def edges(self) -> tuple[Positions, Positions]:
        """Return an edge between neighbours of one value: enough to join all of its rows."""
        same = self.value[1:] == self.value[:-1]
        return self.row[:-1][same], self.row[1:][same]


def differs(codes: Positions, starts: Positions) -> BoolArray:
    """Tell which runs have two or more different codes; negative codes are passed over."""
    highest = np.maximum.reduceat(codes, starts)
    lowest = np.minimum.reduceat(np.where(codes < 0, np.iinfo(np.int64).max, codes), starts)
    return lowest < highest


def value_codes(has_value: BoolArray, shared: SharedValues, column: str) -> Positions:
    """Number a column's values so that equal numbers mean equal texts.

    Args:
        has_value: Which rows have one.
        shared: The repeated ones.
        column: The column.

    Returns:
        One code a row: that of its shared value, one of its own where no other row has the value, -1 without a value.
    """
    own = np.arange(has_value.size, dtype=np.int64) + shared.count
    codes = np.where(has_value, own, np.int64(-1))
    here = shared.column == shared.columns.index(column)
    codes[shared.row[here]] = shared.value[here]
    return codes


@dataclass(frozen=True, slots=True)
class IdentityValues:
    """Identifiers and keys of the rows that share one with another row, grouped.

    Usually few rows do. Only they are looked at, and everywhere but in `rows` they have numbers of their own: their
    places in it.

    Attributes:
        rows: Those rows of the run, ascending.
        types: Columns by idType.
        shared: Repeated values by idType.
        codes: `value_codes` by column.
        keys: One number a row, equal for equal keys, its own for a row without key; None without key columns.
        key_shared: Repeated keys.
    """

    rows: Positions
    types: dict[str, list[str]]
    shared: dict[str, SharedValues]
    codes: dict[str, Positions]
    keys: Positions | None
    key_shared: SharedValues | None

    @property
    def n(self) -> int:
        """How many rows there are."""
        return int(self.rows.size)

    def identified(self) -> BoolArray:
        """Tell which rows have an identifier."""
        result = np.zeros(self.n, dtype=np.bool_)
        for codes in self.codes.values():
            result |= codes >= 0
        return result
