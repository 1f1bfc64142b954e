"""A Parquet file written in pieces, in bounded memory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from importer.files import WholeFile

ROW_GROUP_ROWS: Final = 100_000
"""Rows held in memory until a row group is written."""

_COMPAT: Final = pl.CompatLevel.oldest()


class ParquetFile:
    """Collects frames of one schema; the file appears when it is closed.

    Args:
        path: Where the file will be.
        schema: Names and types; every frame handed in has these columns, in any order.
    """

    def __init__(self, path: Path, schema: pl.Schema) -> None:
        self._schema = schema
        self._arrow_schema = _arrow(pl.DataFrame(schema=schema)).schema
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self._file = WholeFile(path)
        self._writer = pq.ParquetWriter(self._file.stream, self._arrow_schema, compression="zstd")

    def append(self, frame: pl.DataFrame) -> None:
        """Add rows."""
        self._waiting.append(frame.select(pl.col(name).cast(dtype) for name, dtype in self._schema.items()))
        self._waiting_rows += frame.height
        if self._waiting_rows >= ROW_GROUP_ROWS:
            self._write()

    def _write(self) -> None:
        frame = pl.concat(self._waiting, rechunk=True)
        self._waiting, self._waiting_rows = [], 0
        self._writer.write_table(_arrow(frame).cast(self._arrow_schema), row_group_size=ROW_GROUP_ROWS)

    def close(self) -> None:
        """Write what is left and put the file in its place."""
        if self._waiting_rows:
            self._write()
        self._writer.close()
        self._file.commit()

    def abort(self) -> None:
        """Throw the file away; does nothing after `close`."""
        with suppress(OSError):  # a full disk is often why
            self._writer.close()
        self._writer.is_open = False  # or its destructor tries again
        self._file.abort()


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=_COMPAT)
