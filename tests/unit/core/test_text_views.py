"""Columns of text made by numpy."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from importer.core.text_views import VIEW, not_null, text_of

TEXTS = pl.Series(["a", None, "twelve bytes", None, "more than twelve", "", "z"] * 3)


@pytest.mark.parametrize("rows", [slice(0, 0), slice(0, 21), slice(3, 17), slice(1, 2)])
def test_nulls_of_any_part_of_a_column(rows: slice) -> None:
    """They are found wherever the part begins."""
    some = TEXTS[rows]
    assert not_null(some).tolist() == [text is not None for text in some]


def test_a_column_without_nulls() -> None:
    """Every text is there."""
    assert not_null(TEXTS.drop_nulls()).all()


def test_texts_are_read_from_their_views_and_from_the_buffer() -> None:
    """Short ones stand in their views, longer ones in the buffer, whatever lies between them; null is null."""
    data = np.frombuffer(b"....more than twelve....", dtype=np.uint8)
    views = np.zeros((4, 4), dtype=VIEW)
    views[0] = (12, *np.frombuffer(b"twelve bytes", dtype=VIEW))
    views[2] = (16, int.from_bytes(b"more", "little"), 0, 4)
    made = text_of(views, np.array([True, False, True, True]), data)
    assert made.dtype == pl.String
    assert made.to_list() == ["twelve bytes", None, "more than twelve", ""]
    assert made.equals(pl.Series(["twelve bytes", None, "more than twelve", ""]))
