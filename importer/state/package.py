"""The package: what a run read and checked, on disk, from which alone it sends.

Layout of the folder (Arrow IPC, lz4, sealed by `importer.state.sealed`, 0600):
  rows.arrow    every row read, in source order (`importer.core.packing.ROWS_SCHEMA` and key columns)
  valid.arrow   the valid rows, typed (`PackedChunk.valid`)
  extra-*.arrow rows whose payload changed after reading (combined, identifiers dropped); same columns
  index.arrow   one line a valid row: what was decided about it (`importer.core.index.INDEX_SCHEMA`)
  order.arrow   position in the send order -> line of index.arrow and slot of its payload
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from importer.state.sealed import SealedFile, check_seal, damaged, missing, read_sealed, unreadable

ROWS_FILE: Final = "rows.arrow"
VALID_FILE: Final = "valid.arrow"
EXTRA_FILES: Final = "extra-*.arrow"
_EXTRA_BATCH_ROWS: Final = 40_000
_FRAME_BATCH_ROWS: Final = 500_000

_CACHED_BATCHES: Final = 4
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="lz4")


class FrameWriter:
    """Writes frames of one schema to an Arrow IPC file, one record batch a frame.

    The file is there under its name once the writer is closed. All of it raises what `importer.files.WholeFile` does.
    """

    def __init__(self, path: Path) -> None:
        self._file = SealedFile(path)
        self._closed = False
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self.height = 0

    def append(self, frame: pl.DataFrame) -> None:
        """Write a frame; the first one sets the schema. Empty frames after it are passed over."""
        if frame.is_empty() and self._writer is not None:
            return
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file.stream, table.schema, options=_OPTIONS)
        for batch in table.combine_chunks().to_batches():
            self._writer.write_batch(batch)
        self.height += frame.height

    def close(self) -> None:
        """Finish the file and put it in its place; a file without frames gets no columns."""
        if self._closed:
            return
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file.stream, pa.schema([]), options=_OPTIONS)
        self._writer.close()
        self._file.commit()
        self._closed = True

    def abort(self) -> None:
        """Throw the file away; does nothing after `close`."""
        self._file.abort()
        self._closed = True


class FrameFile:
    """Random access to the rows of an Arrow IPC file; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, pl.DataFrame] = OrderedDict()
        self._path = path
        self._end = check_seal(path)
        with _readable(path):
            # Mapped pages count as resident memory, so the file is read, not mapped.
            self._source = pa.OSFile(str(path), "rb")
            self._reader = pa.ipc.open_file(self._source, footer_offset=self._end)
            self.columns: tuple[str, ...] = tuple(self._reader.schema.names)
            sizes = [batch.num_rows for batch in self._batches(self.columns[:1])]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)

    @property
    def height(self) -> int:
        """Rows in the file."""
        return int(self._starts[-1])

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the file's frames in order, only the named columns if given."""
        if not self.height:
            return
        with _readable(self._path):
            for batch in self._batches(columns):
                frame = _frame(batch)
                yield frame if columns is None else frame.select(columns)

    def _batches(self, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        included = None if columns is None else [self.columns.index(name) for name in columns]
        options = pa.ipc.IpcReadOptions(included_fields=included)
        with pa.OSFile(str(self._path), "rb") as source:
            reader = pa.ipc.open_file(source, footer_offset=self._end, options=options)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)

    def take(self, rows: npt.NDArray[np.int64]) -> pl.DataFrame:
        """Return the given rows, in the given order."""
        batch_of = np.searchsorted(self._starts, rows, side="right") - 1
        pieces = []
        order = []
        for number in np.unique(batch_of):
            where = np.flatnonzero(batch_of == number)
            frame = self._batch(int(number))
            pieces.append(frame[rows[where] - self._starts[number]])
            order.append(where)
        if not pieces:
            return _frame(self._reader.schema.empty_table())
        joined: pl.DataFrame = pl.concat(pieces)
        back = np.argsort(np.concatenate(order), kind="stable")
        if not np.array_equal(back, np.arange(len(back))):
            joined = joined[back]
        return joined

    def _batch(self, number: int) -> pl.DataFrame:
        with self._lock:
            frame = self._cache.get(number)
            if frame is None:
                with _readable(self._path):
                    frame = _frame(self._reader.get_batch(number))
                self._cache[number] = frame
                while len(self._cache) > _CACHED_BATCHES:
                    self._cache.popitem(last=False)
            else:
                self._cache.move_to_end(number)
            return frame

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


def _frame(arrow: pa.RecordBatch | pa.Table) -> pl.DataFrame:
    # Offsets that a damaged disk changed would be followed anywhere.
    arrow.validate(full=True)
    return cast("pl.DataFrame", pl.from_arrow(arrow))


class PackageWriter:
    """Writes rows.arrow and valid.arrow while a source is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows = FrameWriter(folder / ROWS_FILE)
        self._valid = FrameWriter(folder / VALID_FILE)

    @property
    def row_count(self) -> int:
        """Rows read so far."""
        return self._rows.height

    def append(self, rows: pl.DataFrame, valid: pl.DataFrame) -> None:
        """Add one packed chunk."""
        self._rows.append(rows)
        self._valid.append(valid)

    def close(self) -> None:
        """Finish both files."""
        self._rows.close()
        self._valid.close()

    def abort(self) -> None:
        """Throw away what is not finished; a package is made anew from the source."""
        self._rows.abort()
        self._valid.abort()

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish the files, unless something went wrong."""
        try:
            if kind is None:
                self.close()
        finally:
            self.abort()


class PackageReader:
    """Implements `importer.ports.PackageAccess`. Slots number the lines of valid.arrow, then those of extra files.

    Extra rows come in rounds (when the run is planned, when groups are released), each in a file of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows = FrameFile(folder / ROWS_FILE)
        self._files = [FrameFile(folder / VALID_FILE)]
        self._files += [FrameFile(path) for path in sorted(folder.glob(EXTRA_FILES))]

    def check_fits(self, index: pl.DataFrame, order: pl.DataFrame) -> None:
        """Compare index and send order with the rows: a file of another run, or of another time, is as bad as none.

        Raises:
            StateError: they speak of rows that are not there.
        """
        fits = (
            index.height == self._files[0].height
            and _below(index["row"], self._rows.height)
            and _below(order["line"], index.height)
        )
        if not fits:
            raise damaged(self._folder, "its files are not of one run and time")
        if not _below(order["slot"], sum(file.height for file in self._files)):
            names = (EXTRA_FILES.replace("*", f"{number:03d}") for number in count(1))
            raise missing(next(path for name in names if not (path := self._folder / name).exists()))

    def valid_frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the valid rows in order, only the named columns if given."""
        return self._files[0].frames(columns)

    def rows_frames(self) -> Iterator[pl.DataFrame]:
        """Yield every row read, in order."""
        return self._rows.frames()

    def take(self, slots: npt.NDArray[np.int64]) -> pl.DataFrame:
        """Return typed rows by slot, in the order given."""
        if len(self._files) == 1:
            return self._files[0].take(slots)
        starts = np.concatenate([[0], np.cumsum([file.height for file in self._files])])
        owner = np.searchsorted(starts, slots, side="right") - 1
        pieces, places = [], []
        for number in np.unique(owner):
            where = np.flatnonzero(owner == number)
            pieces.append(self._files[number].take(slots[where] - starts[number]))
            places.append(where)
        if not pieces:
            return self._files[0].take(slots)
        back = np.argsort(np.concatenate(places), kind="stable")
        joined: pl.DataFrame = pl.concat(pieces)[back]
        return joined

    def append_extra(self, frame: pl.DataFrame) -> int:
        """Keep changed rows in a file of their own; return the slot of the first."""
        first = sum(file.height for file in self._files)
        path = self._folder / EXTRA_FILES.replace("*", f"{len(self._files):03d}")
        _write(path, frame, _EXTRA_BATCH_ROWS)
        self._files.append(FrameFile(path))
        return first

    def close(self) -> None:
        """Close the files."""
        for file in (self._rows, *self._files):
            file.close()


def _below(numbers: pl.Series, end: int) -> bool:
    return bool(((numbers >= 0) & (numbers < end)).all())


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write one frame as an Arrow IPC file, 0600, whole or not at all.

    Raises:
        DiskError, StateError: see `importer.files.WholeFile`.
    """
    _write(path, frame, _FRAME_BATCH_ROWS)


def _write(path: Path, frame: pl.DataFrame, batch_rows: int) -> None:
    writer = FrameWriter(path)
    try:
        for piece in frame.iter_slices(batch_rows) if frame.height else (frame,):
            writer.append(piece)
        writer.close()
    finally:
        writer.abort()


def read_frame(path: Path) -> pl.DataFrame:
    """Read what `write_frame` wrote.

    Raises:
        StateError: the file is missing or damaged.
    """
    content = read_sealed(path)
    with _readable(path):
        return pl.read_ipc(content, use_pyarrow=False)
