"""Columns of an Enum as text."""

from __future__ import annotations

import polars as pl
import pytest

from importer.core.enum_texts import enum_texts

STATES = pl.Enum(["sent", "held", "a name that does not stand in a view"])


@pytest.mark.parametrize("values", [[], [None, None], ["held", None, "a name that does not stand in a view", "sent"]])
def test_an_enum_becomes_the_text_that_a_cast_makes_of_it(values: list[str | None]) -> None:
    """Name, type, order and nulls are the same."""
    column = pl.Series("state", values, dtype=STATES)
    texts = enum_texts(column)
    assert texts.dtype == pl.String
    assert texts.equals(column.cast(pl.String), check_names=True)


def test_a_column_of_another_type_is_cast() -> None:
    """Text stays, and numbers become text."""
    assert enum_texts(pl.Series(["a", None])).to_list() == ["a", None]
    assert enum_texts(pl.Series([1, None])).to_list() == ["1", None]
