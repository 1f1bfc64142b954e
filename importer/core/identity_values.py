"""Identifiers and keys of a run's rows, grouped by value exactly.

Hashes only mark candidates. Every group is proved by the texts read back, so two values with one hash never link rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.union_find import Hashes, Positions, repeated, run_starts

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
    hashes[values.is_null().to_numpy()] = 0
    return hashes


@dataclass(frozen=True, slots=True)
class IdentityRows:
    """The packaged rows of a run, as far as identity needs them.

    Attributes:
        n: Rows, in source order.
        key_hash: `identifier_hash` of the joined key, 0 where a key column is empty; None without key columns.
        hashes: `identifier_hash` of each identifier column (n each); a column is an idType, or a trait promoted to one.
        id_types: idType of each column that is not named by its idType.
    """

    n: int
    key_hash: Hashes | None
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


def shared_values(columns: Mapping[str, Hashes], read_values: ReadValues) -> SharedValues:
    """Group equal values of the columns of one idType, exactly.

    Args:
        columns: Hashes by column, of equal length.
        read_values: Reads candidates' texts back.
    """
    names = tuple(columns)
    n = len(next(iter(columns.values())))
    hashes = np.concatenate(list(columns.values())) if len(names) > 1 else columns[names[0]]
    entries = repeated(hashes)
    texts = _read(names, entries, n, read_values)
    order = np.argsort(hashes[entries], kind="stable")
    entries, ordered, texts = entries[order], hashes[entries[order]], texts.gather(order)
    starts = run_starts(ordered)
    same_hash = np.ones(entries.size, dtype=np.bool_)
    same_hash[starts] = False
    same_text = (texts == texts.shift(1)).fill_null(value=False).to_numpy()
    if (same_hash & ~same_text).any():
        # a hash with two texts: order by text within the hash, so that equal texts are neighbours again
        frame = pl.DataFrame({"hash": ordered, "text": texts})
        order = frame.select(pl.arg_sort_by("hash", "text", maintain_order=True)).to_series().to_numpy()
        entries, ordered, texts = entries[order], ordered[order], texts.gather(order)
        same_text = (texts == texts.shift(1)).fill_null(value=False).to_numpy()
        same_hash = np.concatenate([[False], ordered[1:] == ordered[:-1]])
    return _repeated_only(names, entries, n, np.cumsum(~(same_hash & same_text)))


def _read(names: tuple[str, ...], entries: Positions, n: int, read_values: ReadValues) -> pl.Series:
    """Read the texts of ascending entries, one column after the other."""
    column = entries // max(n, 1)
    pieces = [
        read_values(name, entries[column == number] - number * n).cast(pl.String)
        for number, name in enumerate(names)
        if (column == number).any()
    ]
    return pl.concat(pieces) if pieces else pl.Series(dtype=pl.String)


def _repeated_only(names: tuple[str, ...], entries: Positions, n: int, value: Positions) -> SharedValues:
    """Keep the values with two entries or more, numbered anew."""
    sizes = np.bincount(value) if value.size else np.zeros(1, dtype=np.int64)
    several = sizes > 1
    kept = several[value]
    numbers = np.cumsum(several) - 1
    width = max(n, 1)
    return SharedValues(names, entries[kept] % width, entries[kept] // width, numbers[value[kept]].astype(np.int64))


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

    @classmethod
    def read(cls, given: IdentityRows, read_values: ReadValues) -> Self:
        """Group the values of all rows; the hashes of one idType are looked at after those of the other."""
        types = given.columns_by_type()
        shared: dict[str, SharedValues] = {}
        has_value: dict[str, BoolArray] = {}
        for id_type, columns in types.items():
            hashes = {column: given.hashes[column] for column in columns}
            shared[id_type] = shared_values(hashes, read_values)
            has_value |= {column: of_column != 0 for column, of_column in hashes.items()}
            del hashes  # before the next ones are there
        key_shared = None if given.key_hash is None else shared_values({KEY_COLUMN: given.key_hash}, read_values)
        sharing = np.zeros(given.n, dtype=np.bool_)
        for values in (*shared.values(), *([] if key_shared is None else [key_shared])):
            sharing[values.row] = True
        rows = np.flatnonzero(sharing)
        shared = {id_type: values.among(rows) for id_type, values in shared.items()}
        codes = {
            column: value_codes(has_value[column][rows], shared[id_type], column)
            for id_type, columns in types.items()
            for column in columns
        }
        if given.key_hash is None or key_shared is None:
            return cls(rows, types, shared, codes, None, None)
        key_shared = key_shared.among(rows)
        keys = value_codes(given.key_hash[rows] != 0, key_shared, KEY_COLUMN)
        # a row without a key is somebody of its own
        own = np.arange(rows.size, dtype=np.int64) + key_shared.count
        return cls(rows, types, shared, codes, np.where(keys < 0, own, keys), key_shared)

    def identified(self) -> BoolArray:
        """Tell which rows have an identifier."""
        result = np.zeros(self.n, dtype=np.bool_)
        for codes in self.codes.values():
            result |= codes >= 0
        return result
