"""How much a Parquet file unpacks to, told before it is unpacked: a few kilobytes can stand for billions of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow.parquet as pq

_FREE_ROWS = 1_000_000
_FREE_BYTES = 64 * 1024 * 1024
_RATIO_CAP = 200
_BATCH_BYTES = 256 * 1024 * 1024
_PIECE_BYTES = 64 * 1024 * 1024


def reason_too_dense(footer: pq.FileMetaData, size_bytes: int) -> str | None:
    """Say why a file of this size cannot hold what its footer promises, None if it may.

    Rows that can be told apart take a byte at least, each.
    """
    if footer.num_rows > max(_FREE_ROWS, size_bytes):
        return f"its footer promises {footer.num_rows} rows, more than it has bytes"
    unpacked = sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
    if unpacked > max(_FREE_BYTES, _RATIO_CAP * size_bytes):
        return f"unpacks to more than {_RATIO_CAP} times its size"
    return None


def text_columns(schema: pa.Schema) -> list[str]:
    """Name the columns of texts that can be read as dictionaries."""
    return [one.name for one in schema if _is_text(one.type) and "." not in one.name]


def swollen_columns(content: pq.ParquetFile, names: Sequence[str], batch_rows: int) -> list[str]:
    """Name the columns that must be read as dictionaries, because a batch of their texts may be too large otherwise.

    A dictionary stands before the rows that refer to it, so one row of each row group shows how long its texts are.

    Args:
        content: The file, opened to read `names` as dictionaries.
        names: Of `text_columns`.
        batch_rows: Rows of a batch.
    """
    swollen: dict[str, None] = {}
    for group in range(content.metadata.num_row_groups):
        left = [name for name in names if name not in swollen]
        batch = (
            next(content.iter_batches(1, row_groups=[group], columns=left, use_threads=False), None) if left else None
        )
        for name, column in zip(left, batch.columns if batch is not None else (), strict=False):
            texts = column.dictionary if pa.types.is_dictionary(column.type) else column
            longest = pc.max(pc.binary_length(texts)).as_py() or 0
            if longest * batch_rows > _BATCH_BYTES:
                swollen[name] = None
    return list(swollen)


def pieces_of(batch: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Cut a batch where its texts would take too much room, and say how many bytes those of each piece come to."""
    sizes = _text_bytes(batch)
    total = int(sizes.sum())
    if total <= _PIECE_BYTES:
        yield batch, total
        return
    # The first one says how much is to come in all, so that it can be refused before any of it is unpacked.
    ends = np.cumsum(sizes)
    first, before = 0, 0
    while first < batch.num_rows:
        end = max(first + 1, int(np.searchsorted(ends, before + _PIECE_BYTES, side="right")))
        yield batch.slice(first, end - first), total if first == 0 else 0
        first, before = end, int(ends[end - 1])


def _text_bytes(batch: pa.RecordBatch) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the bytes that the texts of dictionaries take in each row."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        kind = column.type
        if pa.types.is_dictionary(kind) and _is_text(kind.value_type):
            lengths = pc.binary_length(column.dictionary).take(column.indices)
            sizes += lengths.fill_null(0).to_numpy(zero_copy_only=False)
    return sizes


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
