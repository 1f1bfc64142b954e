"""Columns of an Arrow table as texts, and texts put together row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

TEXT: Final = pa.large_string()
"""Of all texts here: what is put together of a column may have more bytes than offsets of 32 bits reach."""

_NOTHING: Final = pa.scalar("", TEXT)


def texts_of(rows: pa.Table, name: str) -> pa.LargeStringArray:
    """Return a column as texts: numbers in decimal, Booleans as ``true`` and ``false``; null stays null."""
    column = rows.column(name)
    # One piece as a rule, and to put one together would copy it.
    return (column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()).cast(TEXT)


def joined(pieces: Sequence[pa.LargeStringArray | pa.LargeStringScalar], *, nulls: str) -> pa.LargeStringArray:
    """Put texts together row by row.

    Args:
        pieces: At least one column; a scalar is the same in every row.
        nulls: ``skip`` leaves a null out, ``emit_null`` makes the row null.
    """
    return pc.binary_join_element_wise(*pieces, _NOTHING, null_handling=nulls)


def content_of(texts: pa.LargeStringArray) -> tuple[memoryview, npt.NDArray[np.int64]]:
    """Return the bytes of a column, and where in them each text begins and the last one ends."""
    if not len(texts):
        return memoryview(b""), np.zeros(1, dtype=np.int64)
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(content or b""), ends
