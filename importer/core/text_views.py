"""Columns of text made by numpy: as Arrow's views of 16 bytes, so that polars takes them as they are.

A view has the length of a text in bytes, and then the text itself where it has up to 12 bytes, else its first four, the
number of a buffer and the place in it (Arrow's columnar format, "Variable-size Binary View Layout").
"""

from __future__ import annotations

from typing import Final, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

VIEW: Final = np.dtype("<u4")
VIEW_PARTS: Final = 4
INLINE_BYTES: Final = 12
"""A text of so many bytes stands in its view."""

Views = npt.NDArray[np.uint32]
BoolArray = npt.NDArray[np.bool_]


def not_null(column: pl.Series) -> BoolArray:
    """Return which values of a column are not null."""
    if not column.null_count():
        return np.ones(len(column), dtype=np.bool_)
    array = column.to_arrow(compat_level=pl.CompatLevel.newest())
    bitmap, end = array.buffers()[0], array.offset + len(column)
    bits = np.unpackbits(np.frombuffer(bitmap, dtype=np.uint8), count=end, bitorder="little")
    return bits[array.offset :].view(np.bool_)


def text_of(views: Views, is_there: BoolArray, data: npt.NDArray[np.uint8]) -> pl.Series:
    """Return a String column.

    Args:
        views: `VIEW_PARTS` numbers a text; the texts that stand in no view are in buffer 0.
        is_there: False where a text is null.
        data: Buffer 0: UTF-8.
    """
    bitmap = np.packbits(is_there, bitorder="little")
    buffers = [pa.py_buffer(part) for part in (bitmap, views, data)]
    return cast("pl.Series", pl.from_arrow(pa.Array.from_buffers(pa.string_view(), len(is_there), buffers)))
