"""What every reading of a column is judged by, and how a share becomes a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.fixes_columns import Evidence
from importer.core.inspect import Guess, Meaning
from importer.core.inspect_words import header_says

MIN_SCORE: Final = 0.3
"""Readings below are not worth showing."""

MOST: Final = 0.8
"""Share from which the values of a column are of one kind."""

FEW: Final = 50
"""So many distinct values can be told one by one."""


class Shares:
    """Shares of values that match a pattern, worked out for all columns at once: a file may have ten thousand.

    Args:
        columns: The values of each column, no nulls.
    """

    def __init__(self, columns: Sequence[pl.Series]) -> None:
        self._values = pl.concat(columns) if columns else pl.Series([], dtype=pl.String)
        self._ends = np.cumsum([len(column) for column in columns], dtype=np.int64)
        self._known: dict[str, npt.NDArray[np.float64]] = {}

    def share(self, at: int, pattern: str) -> float:
        """Return the share of the values of one column; 0 without values."""
        shares = self._known.get(pattern)
        if shares is None:
            shares = self._known[pattern] = self._shares(pattern)
        return float(shares[at])

    def _shares(self, pattern: str) -> npt.NDArray[np.float64]:
        matches = np.concatenate([[0], np.cumsum(self._values.str.contains(pattern).to_numpy(), dtype=np.int64)])
        starts = np.concatenate([[0], self._ends[:-1]])
        return np.asarray((matches[self._ends] - matches[starts]) / np.maximum(self._ends - starts, 1))


@dataclass(frozen=True, slots=True)
class Column:
    """What a column is judged by.

    Attributes:
        name: Its header.
        values: A sample of its trimmed values, no nulls, not empty.
        distinct: Distinct values of the whole column.
        filled: Values of the whole column.
        rows: Rows of the whole column.
        evidence: Counts over all of its values.
        shares: Of all columns.
        at: Position of this column among them.
        distinct_is_exact: Whether `distinct` was counted.
        is_list: A list column; `values` are its items joined by ``|``.
    """

    name: str
    values: pl.Series
    distinct: int
    filled: int
    rows: int
    evidence: Evidence
    shares: Shares
    at: int = 0
    distinct_is_exact: bool = True
    is_list: bool = False

    @property
    def said(self) -> frozenset[Meaning]:
        """The meanings the header speaks for."""
        return header_says(self.name)

    def share(self, pattern: str) -> float:
        """Return the share of values that match."""
        return self.shares.share(self.at, pattern)


def scored(column: Column, meaning: Meaning, fits: float, *, alone: float, evidence: str, **more: object) -> Guess:
    """Return a guess: `alone` is how much the values prove without the header."""
    named = meaning in column.said
    score = fits * (1.0 if named else alone)
    text = evidence + ("; the header says so" if named and fits else "")
    return Guess(meaning, round(min(score, 1.0), 2), text, **more)  # type: ignore[arg-type] # fields of Guess


def percent(share: float, what: str) -> str:
    """Say which share of the values does what."""
    shown = "all" if share == 1 else f"{max(1, min(99, round(share * 100)))} %"
    return f"{shown} {what}"


def mean(mask: pl.Series) -> float:
    """Return the share of true values; null is false."""
    return float(mask.fill_null(value=False).mean() or 0.0)  # type: ignore[arg-type] # the mean of a Boolean column
