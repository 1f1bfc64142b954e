"""Parquet files as a source: streamed in batches, every column as text."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from importer.errors import SourceError
from importer.ports import SourceDescription
from importer.sources.csv_file import column_difference
from importer.sources.files import check_unchanged, fingerprint_of, shown
from importer.sources.header import check_names
from importer.sources.parquet_size import pieces_of, reason_too_dense, swollen_columns, text_columns
from importer.sources.readahead import read_ahead
from importer.sources.render import is_list, is_naive_timestamp, reason_unsupported, render_column
from importer.sources.sniff import Doubt
from importer.sources.typed_columns import CHUNK_ROWS, chunk_rows, notes_of, typed_chunk

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from importer.ports import SourceChunk, SourceFile, SourceOptions

_RATIO_CAP = 200
_BUFFER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Shape:
    """Columns of a file: all as stored, the ones read, and the ones left out."""

    names: tuple[str, ...]
    positions: tuple[int, ...]
    kept: tuple[str, ...]
    lists: tuple[bool, ...]
    unsupported: tuple[tuple[str, str], ...]
    naive: tuple[str, ...]
    floats: tuple[str, ...]
    row_count: int
    texts: tuple[str, ...]


class ParquetSource:
    """One or more Parquet files of the same columns, read in order.

    Args:
        files: To read.
        options: What the user asked for.
        batch_rows: Rows of a chunk at most; fewer where there are many columns.
    """

    def __init__(self, files: Sequence[SourceFile], options: SourceOptions, batch_rows: int = CHUNK_ROWS) -> None:
        self._files = list(files)
        self._options = options
        self._batch_rows = batch_rows
        self._shapes: tuple[_Shape, ...] | None = None

    def describe(self) -> SourceDescription:
        """Read the footers and check the columns.

        Raises:
            SourceError: a file is damaged, empty, or differs from the first.
        """
        shape = self._shaped()[0]
        rows = sum(one.row_count for one in self._shaped())
        naive = shape.naive if self._options.assume_tz is None else ()
        unsupported = dict(shape.unsupported)
        return SourceDescription(
            kind="parquet",
            files=tuple(self._files),
            columns=shape.kept,
            dialect=None,
            notes=(f"Parquet, {rows:,} rows by its footer", *notes_of(unsupported, naive)),
            unsupported=unsupported,
            naive=naive,
            floats=shape.floats,
        )

    def chunks(self) -> Iterator[SourceChunk]:
        """Yield all rows of all files; each call is a fresh pass.

        Raises:
            SourceError: a file cannot be read further, or unpacks to far more than it is.
            SourceChangedError: a file changed since it was opened.
        """
        self._shaped()
        return read_ahead(self._read_files)

    def fingerprint(self) -> str:
        """Return a hash over content and size of all files.

        Raises:
            SourceError: a file cannot be read.
            SourceChangedError: a file changed since it was opened.
        """
        return fingerprint_of(self._files)

    def _read_files(self) -> Generator[SourceChunk, None, None]:
        unpacked = 0
        for index, (file, shape) in enumerate(zip(self._files, self._shaped(), strict=True)):
            check_unchanged(file)
            first = 1
            for frame in self._frames(file, shape, unpacked):
                unpacked += int(frame.estimated_size())
                self._check_size(file, unpacked)
                yield typed_chunk(index, frame, first)
                first += frame.height
            check_unchanged(file)

    def _check_size(self, file: SourceFile, unpacked: int) -> None:
        stored = sum(one.size_bytes for one in self._files)
        if unpacked > max(self._options.max_decompressed_bytes, _RATIO_CAP * stored):
            raise SourceError(
                f"{shown(file.name)}: unpacks to more than {_RATIO_CAP} times its size",
                hint="write it again with fewer rows a file if it is genuine",
            )

    def _frames(self, file: SourceFile, shape: _Shape, unpacked: int) -> Generator[pl.DataFrame, None, None]:
        batch_rows = chunk_rows(len(shape.kept), self._batch_rows)
        # A dot in a name means a path to the engine, which would then pick other columns: such a file is read whole.
        dotted = any("." in name for name in shape.names)
        wanted = None if dotted else [shape.names[position] for position in shape.positions]
        places = shape.positions if dotted else range(len(shape.positions))
        with _translated(file), _opened(file, shape.texts, batch_rows) as content:
            for batch in content.iter_batches(batch_size=batch_rows, columns=wanted, use_threads=False):
                for piece, text_bytes in pieces_of(batch):
                    unpacked += text_bytes
                    self._check_size(file, unpacked)
                    columns = [
                        render_column(piece.column(place), self._options).alias(name)
                        for place, name in zip(places, shape.kept, strict=True)
                    ]
                    yield pl.DataFrame(columns)

    def _shaped(self) -> tuple[_Shape, ...]:
        if self._shapes is None:
            _check_zone(self._options.assume_tz)
            shapes = tuple(_shape(file, trim=self._options.trim_headers) for file in self._files)
            for file, shape in zip(self._files, shapes, strict=True):
                _check_alike(self._files[0], shapes[0], file, shape)
            if not any(shape.row_count for shape in shapes) and not self._options.allow_empty:
                raise SourceError(
                    f"{shown(self._files[0].name)}: columns and no rows", hint="check the export, or --allow-empty"
                )
            self._shapes = shapes
        return self._shapes


@contextmanager
def _opened(file: SourceFile, texts: tuple[str, ...], batch_rows: int) -> Iterator[pq.ParquetFile]:
    """Open a file so that no batch of it takes more memory than there may be."""
    with pq.ParquetFile(file.path, buffer_size=_BUFFER_BYTES, read_dictionary=list(texts)) as content:
        swollen = swollen_columns(content, texts, batch_rows)
    with pq.ParquetFile(file.path, buffer_size=_BUFFER_BYTES, read_dictionary=swollen) as content:
        yield content


def _shape(file: SourceFile, *, trim: bool) -> _Shape:
    with _translated(file), pq.ParquetFile(file.path) as content:
        schema = content.schema_arrow
        footer = content.metadata
        row_count = footer.num_rows
        too_dense = reason_too_dense(footer, file.size_bytes)
    if too_dense is not None:
        raise SourceError(f"{shown(file.name)}: {too_dense}", hint="write it again if it is genuine")
    try:
        names, odd = check_names([name.strip() if trim else name for name in schema.names])
    except Doubt as doubt:
        raise SourceError(f"{shown(file.name)}: {doubt.cause}", hint=doubt.fix) from None
    whys = [odd.get(name) or reason_unsupported(one.type) for name, one in zip(names, schema, strict=True)]
    kept = [position for position, why in enumerate(whys) if why is None]
    if not kept:
        raise SourceError(f"{shown(file.name)}: no column can be read as text", hint="write the table anew")
    kept_names = {schema.names[position] for position in kept}
    return _Shape(
        names=tuple(schema.names),
        positions=tuple(kept),
        kept=tuple(names[position] for position in kept),
        lists=tuple(is_list(schema.field(position).type) for position in kept),
        unsupported=tuple((name, why) for name, why in zip(names, whys, strict=True) if why is not None),
        naive=tuple(names[position] for position in kept if is_naive_timestamp(schema.field(position).type)),
        floats=tuple(names[position] for position in kept if pa.types.is_floating(schema.field(position).type)),
        row_count=row_count,
        texts=tuple(name for name in text_columns(schema) if name in kept_names),
    )


def _check_alike(first_file: SourceFile, first: _Shape, file: SourceFile, shape: _Shape) -> None:
    difference = column_difference(first.kept, shape.kept)
    if not difference and first.lists != shape.lists:
        difference = "a list column in one is none in the other"
    if difference:
        raise SourceError(
            f"{shown(file.name)}: differs from {shown(first_file.name)}: {difference}",
            hint="import files of one kind together",
        )


def _check_zone(zone: str | None) -> None:
    if zone is None:
        return
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, LookupError):
        raise SourceError(
            "the zone asked for is not known",
            hint="`assume_tz` under `source:` in the mapping takes a name such as Europe/Berlin",
        ) from None


@contextmanager
def _translated(file: SourceFile) -> Iterator[None]:
    """Word what the engines raise; their own text may hold cells, so it stays here.

    Which codec a file wants cannot be said: asked for one outside its list, pyarrow's footer ends the process.
    """
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        check_unchanged(file)
        raise SourceError(
            f"{shown(file.name)}: the Parquet file is truncated, damaged, or of an unknown form",
            hint="copy or export it again, with zstd or without compression if it is sound",
        ) from None
