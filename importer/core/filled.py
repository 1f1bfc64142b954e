"""Sets of filled traits: which traits a row sets, and which it removes, interned to small numbers.

Rows of one set can share an import file, because a file's columns are the same for all of its rows and an empty cell
would overwrite what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from importer.core.wire import WireTrait, removal_column

_WORD_BITS: Final = 60


@dataclass(frozen=True, slots=True)
class FilledSet:
    """Traits that a row gives a value and traits that it removes, ``Group.trait`` each, in plan order."""

    filled: tuple[str, ...]
    removed: tuple[str, ...]

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
    """Interns filled sets over the chunks of a run, in order of first appearance."""

    traits: Sequence[WireTrait]
    _ids: dict[tuple[int, ...], int] = field(default_factory=dict)

    def intern(self, typed: pl.DataFrame) -> pl.Series:
        """Return the set number of each row, UInt32, same order.

        Args:
            typed: One column a trait, and ``remove:`` columns of removable traits.
        """
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
            result.append(FilledSet(tuple(name for name in present if not name.startswith("remove:")), removed))
        return result

    def _flags(self) -> list[str]:
        return [trait.ref for trait in self.traits] + [
            removal_column(trait.ref) for trait in self.traits if trait.removable
        ]

    def _word_exprs(self) -> list[pl.Expr]:
        flags = self._flags()
        exprs = []
        for word, start in enumerate(range(0, len(flags), _WORD_BITS)):
            bits = [
                (pl.col(name) if name.startswith("remove:") else pl.col(name).is_not_null()).cast(pl.UInt64)
                * (1 << bit)
                for bit, name in enumerate(flags[start : start + _WORD_BITS])
            ]
            exprs.append(pl.sum_horizontal(bits).alias(f"w{word}"))
        return exprs
