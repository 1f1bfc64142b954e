"""A Parquet file written in pieces, in bounded memory, while the next piece is being made."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from importer.core.enum_texts import enum_texts
from importer.files import WholeFile

ROW_GROUP_ROWS: Final = 100_000
"""Rows held in memory until a row group is written."""

_NEWEST: Final = pl.CompatLevel.newest()  # the layout polars has itself: nothing is copied


class ParquetFile:
    """Collects frames of one schema; the file appears when it is closed.

    What goes wrong while a piece is written comes out of the next call.

    Args:
        path: Where the file will be.
        schema: Names and types; every frame handed in has these columns, in any order. An Enum is text in the file, and
            takes half the time of text.
        keys: Columns of text whose values seldom repeat: a dictionary of them would be work for nothing.
    """

    def __init__(self, path: Path, schema: pl.Schema, *, keys: Collection[str] = ()) -> None:
        self._schema = schema
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._file = WholeFile(path)
        self._held = _held(schema)
        numbers = [name for name, dtype in schema.items() if dtype.is_integer()]
        self._writer = pq.ParquetWriter(
            self._file.stream,
            self._held,
            compression="zstd",
            use_dictionary=[_leaf(name, dtype) for name, dtype in schema.items() if name not in {*numbers, *keys}],
            write_statistics=[*numbers, *keys],  # of a few texts, least and greatest leave no row group out
            column_encoding=dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),  # most are numbers of rows, which ascend
            store_schema=False,  # it would say how polars holds text, which is nothing to readers
        )
        self._thread = ThreadPoolExecutor(1, "parquet")
        self._writing: Future[None] | None = None

    def append(self, frame: pl.DataFrame) -> None:
        """Add rows."""
        # Not selected by a query: of small frames it would take longer than all that is cast.
        columns = [_cast(frame[name], dtype) for name, dtype in self._schema.items()]
        self._waiting.append(_arrow(pl.DataFrame(columns)))
        self._waiting_rows += frame.height
        if self._waiting_rows >= ROW_GROUP_ROWS:
            self._write()

    def _write(self) -> None:
        self._settle()
        table = pa.concat_tables(self._waiting).cast(self._held)
        self._waiting, self._waiting_rows = [], 0
        self._writing = self._thread.submit(self._writer.write_table, table, row_group_size=ROW_GROUP_ROWS)

    def _settle(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Write what is left and put the file in its place."""
        if self._waiting_rows:
            self._write()
        self._settle()
        self._writer.close()
        self._file.commit()

    def abort(self) -> None:
        """Throw the file away; does nothing after `close`."""
        self._thread.shutdown()
        with suppress(OSError):  # a full disk is often why
            self._writer.close()
        self._writer.is_open = False  # or its destructor tries again
        self._file.abort()


def write_parquet(path: Path, frame: pl.DataFrame, schema: pl.Schema) -> None:
    """Write a file of one frame.

    Args:
        path: Where the file will be.
        frame: Has the columns of the schema.
        schema: Names and types.

    Raises:
        DiskError, StateError: see `importer.files.WholeFile`.
    """
    file = ParquetFile(path, schema)
    try:
        file.append(frame)
        file.close()
    finally:
        file.abort()


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=_NEWEST)


def _held(schema: pl.Schema) -> pa.Schema:
    """Return how pieces are held: as polars has them, but for the texts of an Enum, which Parquet takes as no views."""
    types = {field.name: field.type for field in _arrow(pl.DataFrame(schema=schema)).schema}
    enums = {name: pa.dictionary(types[name].index_type, pa.string()) for name in types if schema[name] == pl.Enum}
    return pa.schema(types | enums)


def _cast(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    return enum_texts(column) if dtype == pl.String else column.cast(dtype)


def _leaf(name: str, dtype: pl.DataType) -> str:
    """Return what Parquet calls the values of a column."""
    return f"{name}.list.element" if isinstance(dtype, pl.List) else name
