"""A database query as a source: streamed in batches, every column as text, read and never written."""

from __future__ import annotations

import hashlib
import weakref
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import polars as pl
import pyarrow as pa

from importer.errors import SourceError
from importer.ports import SourceDescription, SourceFile
from importer.sources.database_engines import BATCH_ROWS, running
from importer.sources.database_errors import translated
from importer.sources.database_query import bound
from importer.sources.readahead import read_ahead
from importer.sources.render import reason_unsupported
from importer.sources.sniff import Doubt
from importer.sources.typed_columns import TypedColumns, UnreadableColumnError, typed_chunk

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from importer.ports import SourceChunk, SourceOptions
    from importer.sources.database_place import DatabasePlace

QUERY: Final = "query"
"""Kind of a source that is the answer of a database."""

_CHUNK_BYTES: Final = 32 * 1024 * 1024
_TYPE_NAMES: Final = (b"POSTGRESQL:type", b"ADBC:postgresql:typname")
_MONEY: Final = "money"
"""Arrives as a whole number of cents, or of what the server's locale calls so: nothing says which."""


class DatabaseSource:
    """The rows of one query.

    The query runs when the source is described, because only then its columns are known; the first pass reads what
    it answers, and each further pass runs it again.

    Args:
        place: Where the query runs.
        options: What the user asked for; `SourceOptions.query` is the query.
    """

    def __init__(self, place: DatabasePlace, options: SourceOptions) -> None:
        self._place = place
        self._options = options
        self._description: SourceDescription | None = None
        self._columns = TypedColumns((), {}, (), (), (), ())
        self._fingerprint = ""
        self._open: tuple[pa.RecordBatchReader, ExitStack] | None = None
        self._close = weakref.finalize(self, lambda: None)

    def describe(self) -> SourceDescription:
        """Run the query and check its columns.

        Raises:
            SourceError: the database cannot be reached, or refuses the query; two columns have one name.
        """
        if self._description is None:
            reader, stack = self._running()
            with stack.pop_all() as held:
                self._description = self._described(reader.schema)
                self._open = reader, held.pop_all()
            self._close = weakref.finalize(self, self._open[1].close)
        return self._description

    def chunks(self) -> Iterator[SourceChunk]:
        """Yield all rows in the order the database answers; each call after the first runs the query again.

        Raises:
            SourceError: the query fails on the way. Rows before that were yielded: they are not the whole answer.
            SourceChangedError: never; a database is read as it is.
        """
        self.describe()
        return read_ahead(self._read)

    def fingerprint(self) -> str:
        """Return a hash over the rows of the last whole pass; without one, the query runs once more.

        Raises:
            SourceError: the query fails.
        """
        if not self._fingerprint:
            for _ in self.chunks():
                pass
        return self._fingerprint

    def _running(self) -> tuple[pa.RecordBatchReader, ExitStack]:
        options = self._options
        query, parameters = bound(self._place.engine, options.query, options.parameters, options.cursor)
        with ExitStack() as stack, translated(self._place.name):
            reader = stack.enter_context(running(self._place, query, parameters))
            return reader, stack.pop_all()
        raise AssertionError  # pragma: no cover - `translated` never swallows

    def _described(self, schema: pa.Schema) -> SourceDescription:
        if not len(schema):
            raise SourceError(f"{self._place.name}: the query answers no columns", hint="give a query that selects")
        try:
            columns = TypedColumns.of(schema, trim=self._options.trim_headers, unsupported=_unsupported)
        except Doubt as doubt:
            cause = doubt.cause.replace("the header", "the query")
            raise SourceError(f"{self._place.name}: {cause}", hint="name the columns in the query (AS)") from None
        if not columns.names:
            raise SourceError(f"{self._place.name}: no column can be read as text", hint="cast them in the query")
        self._columns = columns
        return SourceDescription(
            kind=QUERY,
            files=(SourceFile(name=self._place.name, path="", size_bytes=0, mtime_ns=0, inode=0),),
            columns=columns.names,
            notes=columns.notes(self._options),
            unsupported=columns.unsupported,
            naive=columns.open_times(self._options),
            floats=columns.floats,
        )

    def _read(self) -> Generator[SourceChunk, None, None]:
        reader, stack = self._open or self._running()
        self._open = None
        self._close.detach()
        seen, first = hashlib.blake2b(digest_size=16), 1
        with stack:
            for batch in _joined(_batches(reader, self._place.name)):
                frame = self._frame(batch)
                seen.update(_bytes_of(frame))
                yield typed_chunk(0, frame, first)
                first += frame.height
        if first == 1 and not self._options.allow_empty:
            raise SourceError(f"{self._place.name}: the query answers no rows", hint="check it, or --allow-empty")
        self._fingerprint = seen.hexdigest()

    def _frame(self, batch: pa.RecordBatch) -> pl.DataFrame:
        try:
            return self._columns.frame(batch, self._options)
        except UnreadableColumnError as error:
            raise SourceError(
                f"{self._place.name}: column '{error.column}' holds a value that has no text, such as an infinite date",
                hint="cast it to text in the query, or leave such rows out",
            ) from None


def _unsupported(field: pa.Field) -> str | None:
    metadata = field.metadata or {}
    stated = next((metadata[name].decode() for name in _TYPE_NAMES if name in metadata), "")
    if stated == _MONEY:
        return "of type money, whose unit the database does not tell; cast it to numeric in the query"
    why = reason_unsupported(field.type)
    if why is None:
        return None
    return (
        f"of type {stated}; cast it to text in the query" if stated.isidentifier() else f"{why}; cast it in the query"
    )


def _batches(reader: pa.RecordBatchReader, name: str) -> Iterator[pa.RecordBatch]:
    """Yield batches until the database says that there are no more; a failure on the way is never the end."""
    while True:
        with translated(name):
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
        yield batch


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join batches of a few rows and cut those of many: both cost, the one time and the other memory."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            piece = batch.slice(start, BATCH_ROWS)
            waiting.append(piece)
            rows, size = rows + piece.num_rows, size + piece.nbytes
            if rows >= BATCH_ROWS or size >= _CHUNK_BYTES:
                yield pa.concat_batches(waiting)
                waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.concat_batches(waiting)


def _bytes_of(frame: pl.DataFrame) -> bytes:
    """Return bytes that differ where a cell differs, whatever chunks the rows came in."""
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    texts = frame.with_columns(
        pl.col(lists).list.eval(pl.element().cast(pl.String)).list.join("\x1d", ignore_nulls=True)
    )
    cells = [pl.col(name).fill_null("\x1c") for name in frame.columns]
    rows = texts.select(pl.concat_str(*cells, pl.lit("\x1e"), separator="\x1f").str.join("")).item()
    return str(rows).encode()
