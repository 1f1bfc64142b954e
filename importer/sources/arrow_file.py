"""Arrow files (IPC, Feather) as a source: streamed in batches, every column as text."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from importer.errors import SourceError
from importer.ports import SourceDescription
from importer.sources.csv_file import column_difference
from importer.sources.files import check_unchanged, fingerprint_of, shown
from importer.sources.readahead import read_ahead
from importer.sources.sniff import Doubt
from importer.sources.typed_columns import TypedColumns, UnreadableColumnError, chunk_rows, typed_chunk

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from importer.ports import SourceChunk, SourceFile, SourceOptions

ARROW_MARK: Final = b"ARROW1\0\0"


class ArrowSource:
    """One or more Arrow files of the same columns, read in order.

    Args:
        files: To read.
        options: What the user asked for.
    """

    def __init__(self, files: Sequence[SourceFile], options: SourceOptions) -> None:
        self._files = list(files)
        self._options = options
        self._columns: TypedColumns | None = None

    def describe(self) -> SourceDescription:
        """Read the schemas and check the columns.

        Raises:
            SourceError: a file is damaged, empty, or differs from the first.
        """
        columns = self._checked()
        return SourceDescription(
            kind="arrow",
            files=tuple(self._files),
            columns=columns.names,
            notes=columns.notes(self._options),
            unsupported=columns.unsupported,
            naive=columns.open_times(self._options),
            floats=columns.floats,
        )

    def chunks(self) -> Iterator[SourceChunk]:
        """Yield all rows of all files; each call is a fresh pass.

        Raises:
            SourceError: a file cannot be read further.
            SourceChangedError: a file changed since it was opened.
        """
        self._checked()
        return read_ahead(self._read_files)

    def fingerprint(self) -> str:
        """Return a hash over content and size of all files.

        Raises:
            SourceError: a file cannot be read.
            SourceChangedError: a file changed since it was opened.
        """
        return fingerprint_of(self._files)

    def _checked(self) -> TypedColumns:
        if self._columns is None:
            shapes = []
            has_rows = False
            for file in self._files:
                with _opened(file) as reader:
                    shapes.append(_columns(file, reader.schema, self._options))
                    has_rows = has_rows or any(
                        _batch(file, reader, number).num_rows for number in range(reader.num_record_batches)
                    )
            for file, shape in zip(self._files, shapes, strict=True):
                difference = column_difference(shapes[0].names, shape.names)
                if not difference and shapes[0].lists != shape.lists:
                    difference = "a list column in one is none in the other"
                if difference:
                    raise SourceError(
                        f"{shown(file.name)}: differs from {shown(self._files[0].name)}: {difference}",
                        hint="import files of one kind together",
                    )
            if not has_rows and not self._options.allow_empty:
                raise SourceError(
                    f"{shown(self._files[0].name)}: columns and no rows", hint="check the export, or --allow-empty"
                )
            self._columns = shapes[0]
        return self._columns

    def _read_files(self) -> Generator[SourceChunk, None, None]:
        for index, file in enumerate(self._files):
            check_unchanged(file)
            first = 1
            with _opened(file) as reader:
                columns = _columns(file, reader.schema, self._options)
                at_once = chunk_rows(len(columns.names))
                for number in range(reader.num_record_batches):
                    batch = _batch(file, reader, number)
                    for start in range(0, batch.num_rows, at_once):
                        piece = batch.slice(start, at_once)
                        try:
                            frame = columns.frame(piece, self._options)
                        except UnreadableColumnError as error:
                            raise SourceError(
                                f"{shown(file.name)}: column '{error.column}' is damaged or holds a value without text",
                                hint="export the file again",
                            ) from None
                        yield typed_chunk(index, frame, first)
                        first += frame.height
            check_unchanged(file)


def _columns(file: SourceFile, schema: pa.Schema, options: SourceOptions) -> TypedColumns:
    try:
        columns = TypedColumns.of(schema, trim=options.trim_headers)
    except Doubt as doubt:
        raise SourceError(f"{shown(file.name)}: {doubt.cause}", hint=doubt.fix) from None
    if not columns.names:
        raise SourceError(f"{shown(file.name)}: no column can be read as text", hint="write the table anew")
    return columns


def _batch(file: SourceFile, reader: pa.RecordBatchFileReader, number: int) -> pa.RecordBatch:
    with _translated(file):
        return reader.get_batch(number)


@contextmanager
def _opened(file: SourceFile) -> Iterator[pa.RecordBatchFileReader]:
    with _translated(file):
        content = pa.OSFile(file.path)  # not mapped: pages of a map count as memory of this process
    with content:
        with _translated(file):
            reader = pa.ipc.open_file(content)
        yield reader


@contextmanager
def _translated(file: SourceFile) -> Iterator[None]:
    """Word what the engine raises; its own text may hold cells, so it stays here."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError):
        check_unchanged(file)
        raise SourceError(
            f"{shown(file.name)}: the Arrow file is truncated, damaged, or of an unknown form",
            hint="copy or export it again",
        ) from None
