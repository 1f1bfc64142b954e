"""Dates of fixed width, read by arithmetic on columns of bytes."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.plain_dates import date_shape, plain_dates

FORMATS = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d", "%d%m%Y", "%Y/%d/%m")

days = st.dates(min_value=date(1000, 1, 1), max_value=date(9999, 12, 31))
numbers = st.tuples(st.integers(0, 10_000), st.integers(0, 13), st.integers(0, 32))
texts = st.text(alphabet="0123456789-/. +é", max_size=14)


def written(parts: tuple[int, int, int], date_format: str) -> str:
    """Write year, month and day of whatever size in a format."""
    year, month, day = parts
    return date_format.replace("%Y", f"{year:04}").replace("%m", f"{month:02}").replace("%d", f"{day:02}")


@given(st.lists(days, max_size=40), st.sampled_from(FORMATS))
def test_every_date_of_our_time_is_read_and_written_as_iso(dates: list[date], date_format: str) -> None:
    """What the calendar has is read whatever the order of its parts."""
    text = pl.Series([day.strftime(date_format) for day in dates], dtype=pl.String)
    found = plain_dates(text, date_format)
    assert found is not None
    assert found.to_list() == [day.isoformat() for day in dates]


@given(st.lists(numbers | texts | st.none(), max_size=40), st.sampled_from(FORMATS))
def test_nothing_is_read_that_polars_would_not_read_the_same(
    values: list[tuple[int, int, int] | str | None], date_format: str
) -> None:
    """A column of anything gives null or the date that polars' own, slower parser finds."""
    cells = [written(value, date_format) if isinstance(value, tuple) else value for value in values]
    text = pl.Series(cells, dtype=pl.String)
    found = plain_dates(text, date_format)
    assert found is not None
    slow = text.str.to_date(date_format, strict=False).dt.strftime("%Y-%m-%d")
    assert found.to_list() == [fast if fast is None else day for fast, day in zip(found, slow, strict=True)]


def test_a_slice_of_a_column_with_longer_texts_and_nulls_is_read() -> None:
    """Neither where a column begins nor what else it holds matters."""
    text = pl.Series([None, "2020-02-30", "x" * 40, "2020-02-29", None, "1900-02-29", "2000-02-29"])
    found = plain_dates(text.slice(1))
    assert found is not None
    assert found.to_list() == [None, None, "2020-02-29", None, None, "2000-02-29"]


@pytest.mark.parametrize("date_format", ["%d %B %Y", "%y-%m-%d", "%Y-%m", "%Y-%m-%m", "%F", "%Yé%m-%d", "%Y1%m1%d"])
def test_formats_without_a_fixed_shape_are_left_to_polars(date_format: str) -> None:
    """Names of months, two digits of a year or a part that is missing have no place here."""
    assert date_shape(date_format) is None
    assert plain_dates(pl.Series(["2020-02-29"]), date_format) is None
