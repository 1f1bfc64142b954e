"""What is counted of a column while a source streams past: bounded, whatever the number of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.excel import byte_counts, symptoms
from importer.core.fixes_columns import Evidence
from importer.core.placeholders import null_words, placeholder_emails

SAMPLE_VALUES: Final = 10_000
"""Values of a column that its meaning is judged by; they are spread evenly over the source."""

_SKETCH: Final = 16_384
"""Smallest hashes kept once a column has too many distinct values: the estimate is within about 2 %."""

_SEED: Final = 0
_HASHES: Final = 2.0**64
_MAX_DIGITS: Final = 32
_MOST_EMAILS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands."""

    file: int
    row_number: int
    line: int | None


@dataclass(slots=True)
class Seen:
    """How often something was seen, and where first."""

    count: int = 0
    first: Place | None = None

    def add(self, count: int, place: Place) -> None:
        """Count more; only the first place is kept."""
        self.count += count
        self.first = self.first or place


class Distinct:
    """Counts distinct values by their hashes: exactly up to a bound, then by the smallest of them.

    Args:
        bound: Distinct values that are counted exactly.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._kept: npt.NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)
        self._waiting: list[npt.NDArray[np.uint64]] = []
        self._waiting_count = 0
        self.is_exact = True

    def add(self, values: pl.Series) -> None:
        """Take in values without nulls."""
        hashes = np.unique(values.hash(seed=_SEED).to_numpy())
        if not self.is_exact:
            hashes = hashes[hashes < self._kept[-1]]
        self._waiting.append(hashes)
        self._waiting_count += hashes.size
        if self._waiting_count >= max(_SKETCH, self._kept.size):
            self._merge()

    def _merge(self) -> None:
        self._kept = np.unique(np.concatenate([self._kept, *self._waiting]))
        self._waiting, self._waiting_count = [], 0
        if self.is_exact and self._kept.size > self._bound:
            self.is_exact = False
        if not self.is_exact:
            self._kept = self._kept[: min(_SKETCH, self._bound)]

    def count(self) -> int:
        """Return the number of distinct values; an estimate unless `is_exact`."""
        self._merge()
        if self.is_exact:
            return int(self._kept.size)
        return round((self._kept.size - 1) / (float(self._kept[-1]) / _HASHES))


class Sample:
    """Values at even distances: every one at first, then every second, every fourth and so on.

    Args:
        size: Values that are kept at most.
    """

    def __init__(self, size: int = SAMPLE_VALUES) -> None:
        self._size = size
        self._stride = 1
        self._seen = 0
        self._pieces: list[pl.Series] = []
        self._kept = 0

    def add(self, values: pl.Series) -> None:
        """Take in values."""
        piece = values.gather_every(self._stride, offset=-self._seen % self._stride)
        self._seen += len(values)
        if piece.is_empty():
            return
        self._pieces.append(piece)
        self._kept += len(piece)
        while self._kept > self._size:
            thinned = pl.concat(self._pieces).gather_every(2)
            self._pieces, self._kept, self._stride = [thinned], len(thinned), self._stride * 2

    def values(self) -> pl.Series:
        """Return what was kept, in order."""
        return pl.concat(self._pieces) if self._pieces else pl.Series([], dtype=pl.String)


@dataclass(slots=True)
class DigitLengths:
    """Values of digits only, by their length: how many, how many of them begin with a zero, and the first one."""

    count: dict[int, Seen] = field(default_factory=dict)
    zero_led: dict[int, int] = field(default_factory=dict)

    def add(self, text: pl.Series, places: Rows) -> None:
        """Take in values without nulls."""
        digits = text.str.contains(r"^[0-9]+$")
        if not digits.any():
            return
        frame = pl.DataFrame({"at": digits.arg_true(), "text": text.filter(digits)}).group_by(
            length=pl.col("text").str.len_bytes()
        )
        counted = frame.agg(pl.len(), zero=pl.col("text").str.starts_with("0").sum(), first=pl.col("at").first())
        for length, count, zero, first in counted.sort("length").iter_rows():
            if length <= _MAX_DIGITS:
                self.count.setdefault(length, Seen()).add(count, places.place(first))
                self.zero_led[length] = self.zero_led.get(length, 0) + zero


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the values of one column of one chunk stand."""

    file: int
    row_number: pl.Series
    line: pl.Series | None

    def filter(self, mask: pl.Series) -> Rows:
        """Return some of them."""
        return Rows(self.file, self.row_number.filter(mask), self.line.filter(mask) if self.line is not None else None)

    def place(self, at: int) -> Place:
        """Return one."""
        return Place(self.file, int(self.row_number[at]), int(self.line[at]) if self.line is not None else None)


class ColumnCounter:
    """Counts one column.

    Args:
        name: Of the column.
        distinct_bound: Distinct values that are counted exactly.
        sample_size: Values that are kept to judge the meaning by.
        is_float: The source says that these are decimal numbers: 2e+300 is one, and no damage of a spreadsheet.
    """

    def __init__(
        self, name: str, distinct_bound: int, sample_size: int = SAMPLE_VALUES, *, is_float: bool = False
    ) -> None:
        self.name = name
        self.is_float = is_float
        self.rows = 0
        self.filled = 0
        self.min_chars = 0
        self.max_chars = 0
        self.is_list = False
        self.distinct = Distinct(distinct_bound)
        self.sample = Sample(sample_size)
        self.evidence = Evidence()
        self.symptoms: dict[str, Seen] = {}
        self.null_words: Counter[str] = Counter()
        self.placeholder_emails: Counter[str] = Counter()
        self.lengths = DigitLengths()

    def add(self, column: pl.Series, rows: Rows) -> None:
        """Take in one chunk.

        Args:
            column: Trimmed text or lists, null where missing.
            rows: As many as the column has.
        """
        self.rows += len(column)
        if column.dtype == pl.List:
            self.is_list = True
            column = column.list.eval(pl.element().cast(pl.String)).list.join("|", ignore_nulls=True)
        present = column.is_not_null()
        text = column.filter(present)
        if text.is_empty():
            return
        self._measure(text)
        if not self.is_list:
            self._examine(text, rows.filter(present))

    def _measure(self, text: pl.Series) -> None:
        chars = text.str.len_chars()
        shortest, longest = int(chars.min() or 0), int(chars.max() or 0)  # type: ignore[arg-type] # of a u32 column
        self.min_chars = min(self.min_chars, shortest) if self.filled else shortest
        self.max_chars = max(self.max_chars, longest)
        self.filled += len(text)
        self.distinct.add(text)
        self.sample.add(text)

    def _examine(self, text: pl.Series, rows: Rows) -> None:
        present = byte_counts(text)
        for code, mask in symptoms(text, present).items():
            if self.is_float and code == "excel-damage":
                continue
            self.symptoms.setdefault(code, Seen()).add(int(mask.sum()), rows.place(_first(mask)))
            if code == "placeholder":
                self.null_words.update(null_words(text.filter(mask)))
                self._count_emails(text.filter(mask))
        if not present[ord("0") : ord("9") + 1].any():
            self.evidence.filled += len(text)
            return
        self.evidence.add(text, _worth_counting(present))
        self.lengths.add(text, rows)

    def _count_emails(self, placeholders: pl.Series) -> None:
        """Count nobody's addresses; of a great many, those that came first."""
        for address, count in placeholder_emails(placeholders).items():
            if address in self.placeholder_emails or len(self.placeholder_emails) < _MOST_EMAILS:
                self.placeholder_emails[address] += count


def _worth_counting(present: npt.NDArray[np.intp]) -> Sequence[str]:
    """Return the repairs whose evidence the bytes of a column allow for."""
    codes = []
    if present[ord(".")]:
        codes.append("trailing-zero-decimal")
    if present[list(b"./-")].any():
        codes.append("date-order")
    if present[list(b",.' \xc2\xe2")].any():
        codes.append("thousands")
    if present[ord("+")]:
        codes.append("excel-plus")
    return codes


def _first(mask: pl.Series) -> int:
    return int(mask.arg_max() or 0)
