"""What casting and checking say about cells: masks over one chunk, turned into an issue frame at the end.

A finding is columnar: one mask for all rows with one cause. A value that was found bad becomes null, so that later
checks of the same cell see nothing: one cause, one issue.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause in one column of one chunk.

    Attributes:
        code: Issue code.
        mask: bool, one entry a row of the chunk, no nulls.
        message: Which rule, with its bound, in this place: never a cell value.
    """

    code: str
    mask: pl.Series
    message: str


@dataclass(slots=True)
class Cell:
    """A column of values on its way from text to its type, with what was found on the way.

    Attributes:
        value: Current values; null is missing or found bad.
        findings: In the order they were made.
        repairs: Changed values by kind of repair.
    """

    value: pl.Series
    findings: list[Finding] = field(default_factory=list)
    repairs: dict[str, int] = field(default_factory=dict)

    def refuse(self, mask: pl.Series, code: str, message: str) -> None:
        """Record `code` where `mask` is true and a value is left, and make those values null. Null is false."""
        if not mask.any():
            return
        mask = mask.fill_null(value=False) & self.value.is_not_null()
        if mask.any():
            self.findings.append(Finding(code, mask, message))
            self.value = kept(self.value, ~mask)

    def warn(self, mask: pl.Series, code: str, message: str) -> None:
        """Record `code` where `mask` is true and a value is left, and leave the values. Null is false."""
        mask = mask.fill_null(value=False) & self.value.is_not_null()
        if mask.any():
            self.findings.append(Finding(code, mask, message))

    def count(self, repair: str, changed: int) -> None:
        """Count repaired values."""
        if changed:
            self.repairs[repair] = self.repairs.get(repair, 0) + changed


def kept(values: pl.Series, mask: pl.Series) -> pl.Series:
    """Return the values where `mask` is true and null elsewhere. Only the mask of nulls is made anew."""
    return values.to_frame("value").select(pl.when(mask).then("value").alias(values.name)).to_series()


def nulls(dtype: pl.DataType | pl.datatypes.DataTypeClass, length: int) -> pl.Series:
    """Return a column of nulls."""
    return pl.Series([None], dtype=dtype).new_from_index(0, length)


def scattered(mask: pl.Series, rows: pl.Series, height: int) -> pl.Series:
    """Return a mask over some rows as one over all of them. Null is false."""
    return pl.repeat(False, height, eager=True).scatter(rows.filter(mask.fill_null(value=False)), True)  # noqa: FBT003
