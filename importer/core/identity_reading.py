"""Reading identity values: which rows share one, exactly.

Hashes only mark candidates. Every group is proved by the texts read back, so two values with one hash never link rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Self

import numpy as np
import polars as pl

from importer.core.identity_values import (
    KEY_COLUMN,
    BoolArray,
    IdentityRows,
    IdentityValues,
    ReadValues,
    SharedValues,
    value_codes,
)
from importer.core.union_find import Hashes, Positions, repeated


@dataclass(frozen=True, slots=True)
class Candidates:
    """Entries of one idType (or the keys) that may have a value together.

    Attributes:
        columns: Columns the values come from.
        n: Rows of each.
        entries: Places in all columns, one after the other; by hash.
        starts: Where each hash begins among them.
        has_value: Which rows have a value, by column.
    """

    columns: tuple[str, ...]
    n: int
    entries: Positions
    starts: Positions
    has_value: dict[str, BoolArray]

    @classmethod
    def of(cls, hashes: Mapping[str, Hashes]) -> Self:
        """Find them by the hashes of the columns, of equal length."""
        columns = list(hashes.values())
        entries, starts = repeated(np.concatenate(columns) if len(columns) > 1 else columns[0])
        return cls(tuple(hashes), columns[0].size, entries, starts, {name: of != 0 for name, of in hashes.items()})

    def proved(self, read_values: ReadValues) -> SharedValues:
        """Group equal values, exactly."""
        ascending = np.argsort(self.entries)
        texts = _read(self.columns, self.entries[ascending], self.n, read_values)
        back = np.empty_like(ascending)
        back[ascending] = np.arange(ascending.size)
        entries, texts = self.entries, texts.gather(back)
        new_hash = np.zeros(entries.size, dtype=np.bool_)
        new_hash[self.starts] = True
        new_text = _differs_from_last(texts)
        if (new_text & ~new_hash).any():
            # a hash with two texts: order by text within the hash, so that equal texts are neighbours again
            frame = pl.DataFrame({"hash": np.cumsum(new_hash), "text": texts})
            order = frame.select(pl.arg_sort_by("hash", "text", maintain_order=True)).to_series().to_numpy()
            entries, new_text = entries[order], _differs_from_last(texts.gather(order))
        return _repeated_only(self.columns, entries, self.n, np.cumsum(new_hash | new_text))


def _differs_from_last(texts: pl.Series) -> BoolArray:
    return texts.ne_missing(texts.shift(1)).to_numpy()


def _read(names: tuple[str, ...], entries: Positions, n: int, read_values: ReadValues) -> pl.Series:
    """Read the texts of ascending entries, one column after the other."""
    edges = np.searchsorted(entries, n * np.arange(len(names) + 1))
    pieces = [
        read_values(name, entries[start:stop] - number * n).cast(pl.String)
        for number, (name, (start, stop)) in enumerate(zip(names, pairwise(edges), strict=True))
        if start < stop
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


Readers = Mapping[str, Callable[[], Hashes]]
"""Read the hashes of columns."""

Ahead = Callable[[Callable[[Readers], Candidates], Iterable[Readers]], Iterator[Candidates]]
"""Applies a function to items in their order, as `map` does; later ones may be made ahead, also several at once."""


def candidates_of(given: IdentityRows, ahead: Ahead = map) -> Iterator[Candidates]:
    """Yield the candidates of each idType, then those of the keys.

    The hashes of as many are in memory as `ahead` makes at once. The candidates that it has made wait there: 16 bytes
    a shared value and one a row and column.
    """
    readers: list[Readers] = [
        {column: partial(given.hashes.__getitem__, column) for column in columns}
        for columns in given.columns_by_type().values()
    ]
    if given.read_key_hash is not None:
        readers.append({KEY_COLUMN: given.read_key_hash})
    return ahead(lambda columns: Candidates.of({name: read() for name, read in columns.items()}), readers)


def read_identity_values(
    given: IdentityRows, all_candidates: Iterable[Candidates], read_values: ReadValues
) -> IdentityValues:
    """Group the values of all rows.

    Args:
        given: The rows.
        all_candidates: What `candidates_of` returned.
        read_values: Reads their texts back.
    """
    types = given.columns_by_type()
    found: list[SharedValues] = []
    has_value: list[dict[str, BoolArray]] = []
    for candidates in all_candidates:
        found.append(candidates.proved(read_values))
        has_value.append(candidates.has_value)
    sharing = np.zeros(given.n, dtype=np.bool_)
    for values in found:
        sharing[values.row] = True
    rows = np.flatnonzero(sharing)
    found = [values.among(rows) for values in found]
    codes = [
        {column: value_codes(has[rows], values, column) for column, has in of_columns.items()}
        for values, of_columns in zip(found, has_value, strict=True)
    ]
    shared = dict(zip(types, found, strict=False))
    of_types = {column: numbers for of_type in codes[: len(types)] for column, numbers in of_type.items()}
    if given.read_key_hash is None:
        return IdentityValues(rows, types, shared, of_types, None, None)
    keys, key_shared = codes[-1][KEY_COLUMN], found[-1]
    # a row without a key is somebody of its own
    own = np.arange(rows.size, dtype=np.int64) + key_shared.count
    return IdentityValues(rows, types, shared, of_types, np.where(keys < 0, own, keys), key_shared)
