"""Frames that keep no more memory than their own rows take."""

from __future__ import annotations

from typing import cast

import polars as pl


def compact(frame: pl.DataFrame) -> pl.DataFrame:
    """Copy rows that were taken from larger frames.

    Texts taken from a column refer to the bytes of all of it: a few rows keep the whole column in memory.

    Args:
        frame: A few rows of many.

    Returns:
        The same rows, with bytes of their own.
    """
    return cast("pl.DataFrame", pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest())))
