"""Where the package of a run is written and read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa


class PackageSink(Protocol):
    """Takes packed chunks in order."""

    @property
    def row_count(self) -> int:
        """Rows appended so far."""
        ...

    def append(self, rows: pl.DataFrame, valid: pl.DataFrame) -> None:
        """Add one packed chunk; see `importer.core.packing.PackedChunk`."""
        ...


class PackageAccess(Protocol):
    """Reads a package. Slots number its valid rows and, after them, rows whose payload changed later."""

    def valid_frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the valid rows in order, only the named columns if given."""
        ...

    def rows_frames(self) -> Iterator[pl.DataFrame]:
        """Yield every row read, in order; see `importer.core.packing.ROWS_SCHEMA`."""
        ...

    def take_rows(self, rows: npt.NDArray[np.int64]) -> pl.DataFrame:
        """Return rows read by their positions, in the order given."""
        ...

    def take(self, slots: npt.NDArray[np.int64], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return rows by slot, in the order given, only the named columns if given."""
        ...

    def take_table(self, slots: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Return the named columns of rows by slot, in the order given, as Arrow has them."""
        ...

    def seals(self, slots: npt.NDArray[np.int64]) -> bytes:
        """Return what tells the content of all that holds these rows from any other; rows that are added leave it."""
        ...

    def append_extra(self, frame: pl.DataFrame) -> int:
        """Keep changed rows; return the slot of the first."""
        ...


class HashSpill(Protocol):
    """Keeps hashes of the valid rows, a column at a time, most of many out of memory, while a source is read."""

    def append(self, name: str, hashes: npt.NDArray[np.uint64]) -> None:
        """Take the next hashes of a column."""
        ...

    def read(self, name: str) -> npt.NDArray[np.uint64]:
        """Return all hashes of a column, in the order they came; none where there was no row."""
        ...


class PackageStore(Protocol):
    """Where a package is made."""

    def writer(self) -> AbstractContextManager[PackageSink]:
        """Begin a package, replacing what an interrupted run left."""
        ...

    def reader(self) -> PackageAccess:
        """Open the package once its writer is closed."""
        ...

    def spill(self) -> AbstractContextManager[HashSpill]:
        """Begin a spill beside the package; it is gone once it is closed."""
        ...
