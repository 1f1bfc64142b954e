"""Sets of filled traits: which traits a row sets, and which it removes, interned to small numbers.

Rows of one set can share an import file, because a file's columns are the same for all of its rows and an empty cell
would overwrite what is stored. Whether such a file carries the values of a row belongs to its set too, where that is
looked at: so the sets alone tell how rows go, and no value is read again for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.wire import WireTrait, csv_carried, removal_column

_WORD_BITS: Final = 60
_STRETCH_ROWS: Final = 1 << 20
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
    """

    traits: Sequence[WireTrait]
    by_file: bool = False
    _ids: dict[tuple[int, ...], int] = field(default_factory=dict)

    def intern(self, typed: pl.DataFrame) -> pl.Series:
        """Return the set number of each row, UInt32, same order.

        Args:
            typed: One column a trait, and ``remove:`` columns of removable traits.
        """
        if self.by_file:
            typed = typed.with_columns(csv_carried(self.traits, typed).alias(_CARRIED))
        words = typed.select(self._word_exprs())
        seen = words.unique(maintain_order=True)
        numbers = [self._ids.setdefault(row, len(self._ids)) for row in seen.iter_rows()]
        lookup = seen.with_columns(pl.Series("set", numbers, dtype=pl.UInt32))
        return words.join(lookup, on=words.columns, how="left", maintain_order="left")["set"]

    def sets(self) -> list[FilledSet]:
        """Return all sets seen, by number."""
        flags = self._flags()
        result = []
        for words in self._ids:
            present = [
                name
                for position, name in enumerate(flags)
                if words[position // _WORD_BITS] >> (position % _WORD_BITS) & 1
            ]
            removed = tuple(name.removeprefix("remove:") for name in present if name.startswith("remove:"))
            filled = tuple(name for name in present if name != _CARRIED and not name.startswith("remove:"))
            result.append(FilledSet(filled, removed, _CARRIED in present))
        return result

    def _flags(self) -> list[str]:
        removals = [removal_column(trait.ref) for trait in self.traits if trait.removable]
        return [trait.ref for trait in self.traits] + removals + [_CARRIED] * self.by_file

    def _word_exprs(self) -> list[pl.Expr]:
        flags = self._flags()
        exprs = []
        for word, start in enumerate(range(0, len(flags), _WORD_BITS)):
            bits = [
                (pl.col(name) if self._is_flag(name) else pl.col(name).is_not_null()).cast(pl.UInt64) * (1 << bit)
                for bit, name in enumerate(flags[start : start + _WORD_BITS])
            ]
            exprs.append(pl.sum_horizontal(bits).alias(f"w{word}"))
        return exprs

    @staticmethod
    def _is_flag(name: str) -> bool:
        return name == _CARRIED or name.startswith("remove:")


def rows_of_sets(
    set_ids: npt.NDArray[np.uint32], sets: int, counted: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.int64]:
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
