"""What casting and checking say about cells: rows of one chunk, turned into an issue frame at the end.

A finding is columnar: the numbers of all rows with one cause. A value that was found bad becomes null, so that later
checks of the same cell see nothing: one cause, one issue. Whatever goes through a polars query has a price of its own,
a hundred times that of comparing, filtering or counting a column, so nothing here asks one where nothing is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from importer.core.text_views import not_null


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause in one column of one chunk.

    Attributes:
        code: Issue code.
        rows: u32, positions in the chunk, ascending; some.
        message: Which rule, with its bound, in this place: never a cell value.
    """

    code: str
    rows: pl.Series
    message: str


@dataclass(slots=True)
class Cell:
    """A column of values on its way from text to its type, with what was found on the way.

    Attributes:
        value: Current values; null is missing or found bad.
        longest: No value has more bytes; None where nobody knows.
        findings: In the order they were made.
        repairs: Changed values by kind of repair.
    """

    value: pl.Series
    longest: int | None = None
    findings: list[Finding] = field(default_factory=list)
    repairs: dict[str, int] = field(default_factory=dict)

    def refuse(self, mask: pl.Series, code: str, message: str) -> None:
        """Record `code` where `mask` is true and a value is left, and make those values null. Null is false."""
        if mask.any():
            self.refuse_rows(mask.arg_true(), code, message)

    def refuse_rows(self, rows: pl.Series, code: str, message: str) -> None:
        """Record `code` in those of some rows that have a value left, and make those values null."""
        if rows.len() and self.note(rows, code, message):
            self.value = kept(self.value, ~marked(self.findings[-1].rows, len(self.value)))

    def warn(self, mask: pl.Series, code: str, message: str) -> None:
        """Record `code` where `mask` is true and a value is left, and leave the values. Null is false."""
        if mask.any():
            self.note(mask.arg_true(), code, message)

    def note(self, rows: pl.Series, code: str, message: str) -> bool:
        """Record `code` in those of some rows that have a value left, and leave the values; tell whether some have."""
        values = self.value[rows]
        if values.null_count():
            rows = rows.filter(values.is_not_null())
        if rows.len():
            self.findings.append(Finding(code, rows, message))
        return bool(rows.len())

    def may_exceed(self, size_bytes: int) -> bool:
        """Tell whether a value may have more bytes."""
        return self.longest is None or self.longest > size_bytes

    def count(self, repair: str, changed: int) -> None:
        """Count repaired values."""
        if changed:
            self.repairs[repair] = self.repairs.get(repair, 0) + changed


def kept(values: pl.Series, mask: pl.Series) -> pl.Series:
    """Return the values where `mask` is true and null elsewhere. Only the mask of nulls is made anew."""
    return values.to_frame("value").select(pl.when(mask).then("value").alias(values.name)).to_series()


def lost(result: pl.Series, text: pl.Series) -> pl.Series:
    """Return the rows where `result` is null and `text` is not, given that it is wherever `text` is."""
    if result.null_count() == text.null_count():
        return no_rows()
    return pl.Series(np.flatnonzero(not_null(text) & ~not_null(result)).astype(np.uint32))


def no_rows() -> pl.Series:
    """Return no row."""
    return pl.Series([], dtype=pl.UInt32)


def nulls(dtype: pl.DataType | pl.datatypes.DataTypeClass, length: int) -> pl.Series:
    """Return a column of nulls."""
    return pl.Series([None], dtype=dtype).new_from_index(0, length)


def marked(rows: pl.Series | Sequence[pl.Series], height: int) -> pl.Series:
    """Return a mask that is true in some rows; they may come in several parts."""
    if not isinstance(rows, pl.Series):
        rows = pl.concat(rows) if rows else no_rows()
    mask = np.zeros(height, dtype=np.bool_)
    mask[rows.to_numpy()] = True
    return pl.Series(mask)
