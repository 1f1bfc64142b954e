"""The package: what a run read and checked, on disk, from which alone it sends.

Layout of the folder (each a file of `importer.state.frames`):
  rows.arrow    every row read, in source order (`importer.core.packing.ROWS_SCHEMA` and key columns)
  valid.arrow   the valid rows, typed (`PackedChunk.valid`)
  extra-*.arrow rows whose payload changed after reading (combined, identifiers dropped); same columns
  index.arrow   one line a valid row: what was decided about it (`importer.core.index.INDEX_SCHEMA`)
  order.arrow   position in the send order -> line of index.arrow and slot of its payload
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from importer.state.frames import FrameFile, FrameWriter, gathered, put_back, write_frame
from importer.state.memory import give_back
from importer.state.sealed import Seal, damaged, missing

ROWS_FILE: Final = "rows.arrow"
VALID_FILE: Final = "valid.arrow"
EXTRA_FILES: Final = "extra-*.arrow"
_EXTRA_BATCH_ROWS: Final = 40_000
_SETTLED_CHUNKS: Final = 4
"""Chunks that are made durable together, while others are made: the disk would have all of it to do at the end."""


class PackageWriter:
    """Writes rows.arrow and valid.arrow while a source is read: one chunk, while the next one is made.

    Args:
        folder: Of the package.
        lasting: See `FrameWriter`.
    """

    def __init__(self, folder: Path, *, lasting: bool = True) -> None:
        self.folder = folder
        self.row_count = 0
        self._rows = FrameWriter(folder / ROWS_FILE, lasting=lasting)
        self._valid = FrameWriter(folder / VALID_FILE, lasting=lasting)
        self._thread = ThreadPoolExecutor(1, "package")
        self._writing: Future[None] | None = None
        self._chunks = 0

    @property
    def seals(self) -> Mapping[str, Seal]:
        """Seals of the finished files, by name."""
        files = {ROWS_FILE: self._rows.seal, VALID_FILE: self._valid.seal}
        return {name: seal for name, seal in files.items() if seal is not None}

    def append(self, rows: pl.DataFrame, valid: pl.DataFrame) -> None:
        """Add one packed chunk; what goes wrong with it is raised by the next call."""
        self._wait()
        self.row_count += rows.height
        # In a list, as an executor holds what it is given until the end: the writers let go of a frame before that.
        self._writing = self._thread.submit(self._write, [valid, rows])

    def _write(self, frames: list[pl.DataFrame]) -> None:
        for writer in (self._rows, self._valid):
            writer.append(frames.pop())
        self._chunks += 1
        if self._chunks % _SETTLED_CHUNKS == 0:
            self._rows.settle()
            self._valid.settle()

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Finish both files."""
        self._wait()
        self._thread.shutdown()
        self._rows.close()
        self._valid.close()
        give_back(self.row_count)  # what the source was read and checked with

    def abort(self) -> None:
        """Throw away what is not finished; a package is made anew from the source."""
        self._thread.shutdown(cancel_futures=True)
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

    Args:
        folder: Of the package.
        seals: Of files that this process wrote, by name; see `FrameFile`.
    """

    def __init__(self, folder: Path, seals: Mapping[str, Seal] | None = None) -> None:
        seals = seals or {}
        self._folder = folder
        self._rows = FrameFile(folder / ROWS_FILE, seals.get(ROWS_FILE))
        self._files = [FrameFile(folder / VALID_FILE, seals.get(VALID_FILE))]
        self._files += [FrameFile(path) for path in sorted(folder.glob(EXTRA_FILES))]
        self._starts = _starts_of(self._files)

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
        if not _below(order["slot"], int(self._starts[-1])):
            names = (EXTRA_FILES.replace("*", f"{number:03d}") for number in count(1))
            raise missing(next(path for name in names if not (path := self._folder / name).exists()))

    def valid_frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the valid rows in order, only the named columns if given."""
        return self._files[0].frames(columns)

    def rows_frames(self) -> Iterator[pl.DataFrame]:
        """Yield every row read, in order."""
        return self._rows.frames()

    def take_rows(self, rows: npt.NDArray[np.int64]) -> pl.DataFrame:
        """Return rows read by their positions, in the order given."""
        return self._rows.take(rows)

    def take(self, slots: npt.NDArray[np.int64], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return typed rows by slot, in the order given, only the named columns if given."""
        pieces, back = gathered(slots, self._starts, lambda number, rows: self._files[number].take(rows, columns))
        return put_back(pl.concat(pieces), back) if pieces else self._files[0].take(slots, columns)

    def take_table(self, slots: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Return the named columns of typed rows by slot, in the order given, as Arrow has them."""
        pieces, back = gathered(slots, self._starts, lambda number, rows: self._files[number].take_table(rows, columns))
        table = pa.concat_tables(pieces) if pieces else self._files[0].take_table(slots, columns)
        return table if back is None else table.take(pa.array(back))

    def seals(self, slots: npt.NDArray[np.int64]) -> bytes:
        """Return what the files that hold these rows are sealed with."""
        starts = self._starts
        # A batch has its rows in one file as a rule, and there are thousands of them.
        ends = np.searchsorted(starts, [slots.min(initial=starts[-1]), slots.max(initial=-1)], side="right") - 1
        numbers = [ends[0]] if ends[0] == ends[1] else np.unique(np.searchsorted(starts, slots, side="right") - 1)
        return b"".join(self._files[number].digest for number in numbers)

    def append_extra(self, frame: pl.DataFrame) -> int:
        """Keep changed rows in a file of their own; return the slot of the first."""
        first = int(self._starts[-1])
        path = self._folder / EXTRA_FILES.replace("*", f"{len(self._files):03d}")
        self._files.append(FrameFile(path, write_frame(path, frame, _EXTRA_BATCH_ROWS)))
        self._starts = _starts_of(self._files)
        return first

    def close(self) -> None:
        """Close the files."""
        for file in (self._rows, *self._files):
            file.close()


def _starts_of(files: Sequence[FrameFile]) -> npt.NDArray[np.int64]:
    """Return the first slot of each file, and the end of the last."""
    return np.cumsum([0, *(file.height for file in files)], dtype=np.int64)


def _below(numbers: pl.Series, end: int) -> bool:
    return bool(((numbers >= 0) & (numbers < end)).all())
