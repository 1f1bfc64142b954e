"""Combining rows: the last word on each trait wins."""

from __future__ import annotations

import numpy as np
import polars as pl

from importer.core.combine import CARRIER, combine_rows

FLAG = "remove:Contact.nick"


def combine(values: list[str | None], flags: list[bool | None] | None = None) -> tuple[str | None, bool | None]:
    """Combine the rows of one identity; gives the value and the removal."""
    columns: dict[str, pl.Series] = {"Contact.nick": pl.Series(values, dtype=pl.String)}
    if flags is not None:
        columns[FLAG] = pl.Series(flags, dtype=pl.Boolean)
    n = len(values)
    combined = combine_rows(pl.DataFrame(columns), np.arange(n), np.full(n, n - 1))
    assert combined.height == 1
    return combined["Contact.nick"][0], combined[FLAG][0] if flags is not None else None


def test_the_last_value_wins() -> None:
    """A later value replaces an earlier one; a missing one does not."""
    assert combine(["a", "b", None]) == ("b", None)
    assert combine([None, None]) == (None, None)


def test_removals_and_values_cancel_each_other() -> None:
    """A removal is a value: whatever came last counts."""
    assert combine(["a", None], [False, True]) == (None, True)
    assert combine([None, "a"], [True, False]) == ("a", False)
    assert combine([None, None], [True, False]) == (None, True)
    assert combine([None, None], [None, False]) == (None, False)
    assert combine(["a", None, None], [False, True, None]) == (None, True)
    assert combine([None, "a"], [True, True]) == ("a", False)


def test_rows_of_several_carriers_in_any_order() -> None:
    """Each carrier gives one row, by source order and not by that of the frame; types stay."""
    frame = pl.DataFrame(
        {
            "A.text": ["late", "other", "early"],
            "A.number": pl.Series([None, 7, 3], dtype=pl.Int32),
            "A.list": pl.Series([None, ["x"], ["y", "z"]], dtype=pl.List(pl.String)),
            "remove:A.gone": [None, True, None],
        }
    )
    combined = combine_rows(frame, np.array([9, 4, 2]), np.array([9, 4, 9]))
    assert combined.columns == [CARRIER, *frame.columns]
    assert combined.dtypes[1:] == frame.dtypes
    assert combined.rows() == [(4, "other", 7, ["x"], True), (9, "late", 3, ["y", "z"], False)]


def test_no_rows() -> None:
    """Nothing to combine gives nothing."""
    frame = pl.DataFrame(schema={"A.text": pl.String, "remove:A.text": pl.Boolean})
    combined = combine_rows(frame, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    assert combined.height == 0
    assert combined.columns == [CARRIER, *frame.columns]
