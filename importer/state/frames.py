"""Frames on disk: Arrow IPC, lz4 where they last, sealed by `importer.state.sealed`, 0600, and read in pieces."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from importer.state.sealed import Seal, SealedFile, check_seal, damaged, read_sealed, stamp_of, unreadable

_FRAME_BATCH_ROWS: Final = 500_000

_Columns = tuple[str, ...] | None
"""Which columns are read; None for all."""

_CACHED_BATCHES: Final = 2
"""Rows that are wanted one after the other lie in one batch, or at the edge of two; a batch is tens of megabytes."""

_MOST_BYTES: Final = 2**31 - 1
"""What offsets of 32 bits reach."""

_SMALL: Final = pa.ipc.IpcWriteOptions(compression="lz4")
_QUICK: Final = pa.ipc.IpcWriteOptions()


class FrameWriter:
    """Writes frames of one schema to an Arrow IPC file, one record batch a frame.

    The file is there under its name once the writer is closed. All of it raises what `importer.files.WholeFile` does.

    Args:
        path: Where the file will be.
        lasting: Make it small, and see `SealedFile`. If not, it takes little time, and two or three times the disk.
        most_bytes: A larger frame becomes several record batches.
    """

    def __init__(self, path: Path, *, lasting: bool = True, most_bytes: int = _MOST_BYTES) -> None:
        self._file = SealedFile(path, lasting=lasting)
        self._most_bytes = most_bytes
        self._options = _SMALL if lasting else _QUICK
        self._closed = False
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self.height = 0
        self.seal: Seal | None = None

    def append(self, frame: pl.DataFrame) -> None:
        """Write a frame; the first one sets the schema. Empty frames after it are passed over.

        Whoever gives the last reference away has the memory of its texts back while a copy is compressed and written.
        """
        if frame.is_empty() and self._writer is not None:
            return
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if table.nbytes > self._most_bytes and frame.height > 1:
            for half in frame.iter_slices(-(-frame.height // 2)):
                self.append(half)
            return
        del frame
        table = _with_short_offsets(table)
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file.stream, table.schema, options=self._options)
        for batch in table.combine_chunks().to_batches():
            self._writer.write_batch(batch)
        self.height += table.num_rows

    def settle(self) -> None:
        """See `SealedFile`."""
        self._file.settle()

    def close(self) -> None:
        """Finish the file and put it in its place; a file without frames gets no columns."""
        if self._closed:
            return
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file.stream, pa.schema([]), options=self._options)
        self._writer.close()
        self.seal = self._file.commit()
        self._closed = True

    def abort(self) -> None:
        """Throw the file away; does nothing after `close`."""
        self._file.abort()
        self._closed = True


class FrameFile:
    """Random access to the rows of an Arrow IPC file; safe to use from several threads.

    Args:
        path: The file.
        seal: Given to whoever wrote it. While the file is still that one, it is not read whole to find its seal.
    """

    def __init__(self, path: Path, seal: Seal | None = None) -> None:
        self._lock = threading.RLock()
        self._cache: OrderedDict[tuple[int, _Columns], pa.RecordBatch] = OrderedDict()
        self._path = path
        with _readable(path):
            known = seal is not None and stamp_of(path) == seal.stamp
        self._seal = seal if seal is not None and known else check_seal(path)
        with _readable(path):
            # Mapped pages count as resident memory, so the file is read, not mapped.
            self._source = pa.OSFile(str(path), "rb")
            self._readers: dict[_Columns, pa.ipc.RecordBatchFileReader] = {}
            self._schema: pa.Schema = self._reader(None).schema
            self.columns: tuple[str, ...] = tuple(self._schema.names)
            first = self._reader(self.columns[:1])
            sizes = [first.get_batch(number).num_rows for number in range(first.num_record_batches)]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)

    @property
    def height(self) -> int:
        """Rows in the file."""
        return int(self._starts[-1])

    @property
    def digest(self) -> bytes:
        """Hash over the whole file, as it was when it was opened."""
        return self._seal.digest

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the file's frames in order, only the named columns if given."""
        if not self.height:
            return
        for number in range(len(self._starts) - 1):
            yield _frame(self._read(number, _named(columns)), columns)

    def take(self, rows: npt.NDArray[np.int64], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the given rows, in the given order, only the named columns if given."""
        table, back = self._gathered(rows, _named(columns))
        return put_back(_frame(table, columns), back)

    def take_table(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Return the named columns of the given rows, in the given order, as Arrow has them."""
        table, back = self._gathered(rows, _named(columns))
        return (table if back is None else table.take(pa.array(back))).select(columns)

    def _gathered(
        self, rows: npt.NDArray[np.int64], columns: _Columns
    ) -> tuple[pa.Table, npt.NDArray[np.int64] | None]:
        def read(number: int, here: npt.NDArray[np.int64]) -> pa.RecordBatch:
            return _rows(self._batch(number, columns), here)

        pieces, back = gathered(rows, self._starts, read)
        return pa.Table.from_batches(pieces) if pieces else self._schema.empty_table(), back

    def _batch(self, number: int, columns: _Columns) -> pa.RecordBatch:
        with self._lock:
            batch = self._cache.get((number, columns))
            if batch is None:
                batch = self._cache[number, columns] = self._read(number, columns)
                while len(self._cache) > _CACHED_BATCHES:
                    self._cache.popitem(last=False)
            else:
                self._cache.move_to_end((number, columns))
            return batch

    def _read(self, number: int, columns: _Columns) -> pa.RecordBatch:
        with self._lock, _readable(self._path):
            batch = self._reader(columns).get_batch(number)
            # Whatever wrote to the file since, its offsets would be followed anywhere.
            if stamp_of(self._source.fileno()) != self._seal.stamp:
                raise damaged(self._path, "it was written to while it was in use")
            return batch

    def _reader(self, columns: _Columns) -> pa.ipc.RecordBatchFileReader:
        reader = self._readers.get(columns)
        if reader is None:
            included = None if columns is None else [self.columns.index(name) for name in columns]
            options = pa.ipc.IpcReadOptions(included_fields=included)
            reader = pa.ipc.open_file(self._source, footer_offset=self._seal.end, options=options)
            self._readers[columns] = reader
        return reader

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._cache.clear()
            self._source.close()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise unreadable(path, exc) from None
    except (pa.ArrowException, pl.exceptions.PolarsError) as exc:
        raise damaged(path, type(exc).__name__) from None


def _with_short_offsets(table: pa.Table) -> pa.Table:
    """Give texts offsets of 32 bits: of short ones, those of 64 are half of all there is to write and to read."""
    fields = [field.with_type(pa.string()) if field.type == pa.large_string() else field for field in table.schema]
    return table.cast(pa.schema(fields))


def _named(columns: Sequence[str] | None) -> _Columns:
    return None if columns is None else tuple(columns)


_Piece = TypeVar("_Piece")


def gathered(
    rows: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], read: Callable[[int, npt.NDArray[np.int64]], _Piece]
) -> tuple[list[_Piece], npt.NDArray[np.int64] | None]:
    """Read rows from all places that hold some, each place once.

    Args:
        rows: In any order.
        starts: First row of each place, and the end of the last one.
        read: Given a place and which of its rows are wanted, ascending.

    Returns:
        What was read, rows ascending, and where each wanted row is among them; None where they came ascending.
    """
    order = None if np.all(rows[1:] >= rows[:-1]) else np.argsort(rows, kind="stable")
    if order is not None:
        rows = rows[order]
    edges = np.searchsorted(rows, starts)
    pieces = [
        read(number, rows[edges[number] : edges[number + 1]] - starts[number])
        for number in np.flatnonzero(np.diff(edges)).tolist()
    ]
    if order is None:
        return pieces, None
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return pieces, back


def put_back(frame: pl.DataFrame, back: npt.NDArray[np.int64] | None) -> pl.DataFrame:
    """Put rows that `gathered` read in the order in which they were wanted."""
    return frame if back is None else frame[back]


def _rows(batch: pa.RecordBatch, rows: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """Return rows of a batch; a stretch of it is not copied."""
    if np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows))):
        return batch.slice(int(rows[0]), len(rows))
    return batch.take(pa.array(rows))


def _frame(arrow: pa.RecordBatch | pa.Table, columns: Sequence[str] | None) -> pl.DataFrame:
    frame = cast("pl.DataFrame", pl.from_arrow(arrow))
    return frame if columns is None else frame[list(columns)]


def write_frame(path: Path, frame: pl.DataFrame, batch_rows: int = _FRAME_BATCH_ROWS) -> Seal | None:
    """Write one frame as an Arrow IPC file, 0600, whole or not at all.

    Args:
        path: Where to.
        frame: May be empty.
        batch_rows: Rows that are read together, at most.

    Raises:
        DiskError, StateError: see `importer.files.WholeFile`.
    """
    writer = begun_frame(path, frame, batch_rows)
    try:
        writer.close()
    finally:
        writer.abort()
    return writer.seal


def begun_frame(path: Path, frame: pl.DataFrame, batch_rows: int = _FRAME_BATCH_ROWS) -> FrameWriter:
    """Do all of `write_frame` but the last step: the file is in its place once the writer is closed."""
    writer = FrameWriter(path)
    try:
        for piece in frame.iter_slices(batch_rows) if frame.height else (frame,):
            writer.append(piece)
    except BaseException:
        writer.abort()
        raise
    return writer


def read_frame(path: Path) -> pl.DataFrame:
    """Read what `write_frame` wrote.

    Raises:
        StateError: the file is missing or damaged.
    """
    content = read_sealed(path)
    with _readable(path):
        return pl.read_ipc(content, use_pyarrow=False)
