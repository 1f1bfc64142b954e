"""Sets of filled traits: which traits a row sets, and which it removes, interned to small numbers.

Rows of one set can share an import file, because a file's columns are the same for all of its rows and an empty cell
would overwrite what is stored. Whether such a file carries the values of a row belongs to its set too, where that is
looked at: so the sets alone tell how rows go, and no value is read again for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.text_views import not_null
from importer.core.wire import WireTrait, csv_carried, removal_column

_FLAGS_AT_ONCE: Final = 12
_TABLE_SHARE: Final = 16
"""Numbers are looked up in a table of at most so many times the rows; sorted where there are more."""

Numbers = npt.NDArray[np.unsignedinteger[Any]]
"""Small numbers of rows, as narrow as they can be: there is one for each row of a run."""

_STRETCH_ROWS: Final = 1 << 17
_CARRIED: Final = "carried by a file"


@dataclass(frozen=True, slots=True)
class FilledSet:
    """Traits that a row gives a value and traits that it removes, ``Group.trait`` each, in plan order.

    `carried` says that the CSV flow carries the values as they are; it is false where nobody looked.
    """

    filled: tuple[str, ...]
    removed: tuple[str, ...]
    carried: bool = False

    def adds(self, traits: Mapping[str, WireTrait]) -> bool:
        """Tell whether such rows have further values of an identifier type.

        Args:
            traits: Traits by their names in the sets.
        """
        return any(traits[ref].further for ref in self.filled)

    @property
    def columns(self) -> frozenset[str]:
        """Traits an import file of such rows has a column for."""
        return frozenset(self.filled) | frozenset(self.removed)


@dataclass(slots=True)
class FilledSets:
    """Interns filled sets over the chunks of a run, in order of first appearance.

    Attributes:
        traits: Those that count.
        by_file: Look at which rows the CSV flow carries.
        sized: Measure the rows too; where nothing is made of them, nobody asks how large it gets.
    """

    traits: Sequence[WireTrait]
    by_file: bool = False
    sized: bool = True
    _ids: dict[int, int] = field(default_factory=dict)

    def intern(self, typed: pl.DataFrame, counted: pl.Series | None = None) -> pl.Series:
        """Return the set number of each row that counts, UInt32 ``set``, same order.

        Args:
            typed: One column a trait, and ``remove:`` columns of removable traits.
            counted: bool, which rows count; all if None.
        """
        which = None if counted is None else counted.to_numpy()
        height = typed.height if which is None else np.count_nonzero(which)
        if not height:
            return pl.Series("set", dtype=pl.UInt32)
        if self.by_file:
            typed = typed.with_columns(csv_carried(self.traits, typed).alias(_CARRIED))
        of_all = 0
        varying = []
        for bit, name in enumerate(self._flags()):
            here = _flagged(typed[name])
            if isinstance(here, bool):
                of_all |= here << bit
            else:
                varying.append((1 << bit, here if which is None else here[which]))
        kinds, kind = [of_all], np.zeros(height, dtype=np.intp)
        for start in range(0, len(varying), _FLAGS_AT_ONCE):
            some = varying[start : start + _FLAGS_AT_ONCE]
            for _, here in some:
                kind = 2 * kind + here
            found, kind = _numbered(kind, len(kinds) << len(some))
            kinds = [_joined_bits(kinds, number, [bit for bit, _ in some]) for number in found.tolist()]
        return pl.Series("set", self._set_numbers(kinds, kind)[kind])

    def _set_numbers(self, kinds: Sequence[int], kind: npt.NDArray[np.intp]) -> npt.NDArray[np.uint32]:
        """Return the number of each kind of rows; new ones get theirs in the order in which rows come."""
        if any(bits not in self._ids for bits in kinds):
            first = np.empty(len(kinds), dtype=np.intp)
            first[kind[::-1]] = np.arange(len(kind) - 1, -1, -1)  # of several the last one stays: the first row
            for number in np.argsort(first).tolist():
                self._ids.setdefault(kinds[number], len(self._ids))
        return np.array([self._ids[bits] for bits in kinds], dtype=np.uint32)

    def sets(self) -> list[FilledSet]:
        """Return all sets seen, by number."""
        flags = self._flags()
        result = []
        for bits in self._ids:
            present = [name for bit, name in enumerate(flags) if bits >> bit & 1]
            removed = tuple(name.removeprefix("remove:") for name in present if name.startswith("remove:"))
            filled = tuple(name for name in present if name != _CARRIED and not name.startswith("remove:"))
            result.append(FilledSet(filled, removed, _CARRIED in present))
        return result

    def _flags(self) -> list[str]:
        removals = [removal_column(trait.ref) for trait in self.traits if trait.removable]
        return [trait.ref for trait in self.traits] + removals + [_CARRIED] * self.by_file


def _flagged(column: pl.Series) -> npt.NDArray[np.bool_] | bool:
    """Tell which rows have a value, or where it is a flag, which are flagged; one answer where it is that of all."""
    if column.dtype == pl.Boolean and (column.name == _CARRIED or column.name.startswith("remove:")):
        return (column & column.is_not_null()).to_numpy()
    if column.null_count() in {0, len(column)}:
        return column.null_count() == 0
    return not_null(column)


def _numbered(numbers: npt.NDArray[np.intp], end: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the different numbers, ascending, and which of them each one is; all are below `end`."""
    if end > _TABLE_SHARE * len(numbers):
        return np.unique(numbers, return_inverse=True)
    place = np.zeros(end, dtype=np.intp)
    place[numbers] = 1
    found = np.flatnonzero(place)
    place[found] = np.arange(len(found))
    return found, place[numbers]


def _joined_bits(kinds: Sequence[int], number: int, bits: Sequence[int]) -> int:
    """Return the bits of a kind and, of further ones, those that a number has; its highest is the first of them."""
    places = range(len(bits) - 1, -1, -1)
    return kinds[number >> len(bits)] | sum(bit for bit, place in zip(bits, places, strict=True) if number >> place & 1)


def rows_of_sets(set_ids: Numbers, sets: int, counted: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.int64]:
    """Count the rows of each set, a stretch of rows at a time: counting all at once makes numbers of 64 bits of them.

    Args:
        set_ids: Number of each row's set.
        sets: How many sets there are.
        counted: Which rows count; all if None.
    """
    counts = np.zeros(sets, dtype=np.int64)
    for start in range(0, len(set_ids), _STRETCH_ROWS):
        stretch = set_ids[start : start + _STRETCH_ROWS]
        if counted is not None:
            stretch = stretch[counted[start : start + _STRETCH_ROWS]]
        counts += np.bincount(stretch, minlength=sets)
    return counts
