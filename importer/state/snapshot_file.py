"""The snapshot of a sync on disk: a Parquet file that is read in pieces, and replaced as a whole.

Its lines are sorted by key. The file's own metadata has, as JSON under `META`, its version, the number of the run it
was written after, and the sets of traits by number; pages carry checksums. It holds keys and identifiers: 0600.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from importer.core.fingerprint import FINGERPRINT_VERSION
from importer.core.snapshot import SNAPSHOT_SCHEMA, SNAPSHOT_VERSION
from importer.errors import StateError
from importer.files import WholeFile
from importer.state.versions import parse_versioned

META: Final = b"memory-importer.snapshot"
PIECE_ROWS: Final = 50_000
"""Lines of a row group."""

NEWER_HINT: Final = (
    "run the sync with that version, or a newer one; or forget what was delivered (`sync reset`) and send everything"
)
"""What to do where a newer version wrote what a sync knows."""

_ADDED: Final = ("decided",)
"""Columns that files of earlier versions do not have; null there."""

_CRC: Final = "CRC"
_COMPAT: Final = pl.CompatLevel.oldest()


class SnapshotMeta(BaseModel):
    """What a snapshot says of itself.

    Attributes:
        run: Number of the run it was written after.
        traits: Sets of traits, in the order of their numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = SNAPSHOT_VERSION
    fingerprint_version: int = FINGERPRINT_VERSION
    run: int
    traits: tuple[tuple[str, ...], ...] = ()

    @property
    def is_comparable(self) -> bool:
        """Whether its fingerprints are made as those of this version are."""
        return self.fingerprint_version == FINGERPRINT_VERSION


class SnapshotFile:
    """A snapshot that is there: as it was when this was made, whatever takes its place meanwhile.

    Args:
        path: Of the file.

    Raises:
        FileNotFoundError: there is none.
        StateError: it is damaged, or of a newer version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _readable(path):
            # Held open: opened a second time, another run may have put its own there, of which nothing fits this one's
            # numbers. It is read by offset, so by any number of readers at once.
            self._file = pa.OSFile(str(path))
            with pq.ParquetFile(self._file) as file:
                self.height: int = file.metadata.num_rows
                self._groups: int = file.metadata.num_row_groups
                self._columns = set(file.schema_arrow.names)
                raw = (file.metadata.metadata or {}).get(META)
            if raw is None:
                raise ValueError("no metadata")
            self.meta = parse_versioned(raw, SnapshotMeta, SNAPSHOT_VERSION, what=str(path), hint=NEWER_HINT)

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the lines in order, only the named columns if given.

        Raises:
            StateError: the file is damaged.
        """
        wanted = list(columns or SNAPSHOT_SCHEMA.names())
        missing = [pl.lit(None).alias(name) for name in _ADDED if name not in self._columns]
        present = [name for name in wanted if name in self._columns or name not in _ADDED]
        with _readable(self._path), pq.ParquetFile(self._file, page_checksum_verification=True) as file:
            for number in range(self._groups):
                table = file.read_row_group(number, columns=present, use_threads=False)
                frame = cast("pl.DataFrame", pl.from_arrow(table)).with_columns(missing)
                yield frame.select(pl.col(name).cast(SNAPSHOT_SCHEMA[name]) for name in wanted)

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return all lines, with the named columns alone.

        Raises:
            StateError: the file is damaged.
        """
        schema = pl.Schema({name: SNAPSHOT_SCHEMA[name] for name in columns})
        return pl.concat([pl.DataFrame(schema=schema), *self.pieces(columns)])


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except MemoryError:  # also one of the errors below
        raise
    except FileNotFoundError:
        raise
    except (pa.ArrowException, pl.exceptions.PolarsError, ValidationError, ValueError) as exc:
        raise _unusable(path, f"damaged ({type(exc).__name__})") from exc
    except OSError as exc:
        # Without a number it is the reader's word for a page that is not what was written.
        damage = "a checksum differs" if _CRC in str(exc) else "a page cannot be decoded"
        raise _unusable(path, exc.strerror if exc.errno and exc.strerror else f"damaged ({damage})") from exc


def _unusable(path: Path, why: str) -> StateError:
    return StateError(
        f"{path} cannot be used: {why}",
        hint="put a copy of the sync's state folder back, or forget what was delivered (`sync reset`)",
    )


class SnapshotWriter:
    """Writes a snapshot that takes the place of the one before when it is complete; a context manager.

    Args:
        path: Of the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = WholeFile(path)
        self._schema = pl.DataFrame(schema=SNAPSHOT_SCHEMA).to_arrow(compat_level=_COMPAT).schema
        self._writer = pq.ParquetWriter(
            self._file.stream, self._schema, compression="zstd", write_page_checksum=True, write_statistics=False
        )
        self._closed = False

    def append(self, lines: pl.DataFrame) -> None:
        """Add lines; all keys follow those before.

        Raises:
            DiskError, StateError: see `importer.files.WholeFile`.
        """
        for piece in lines.iter_slices(PIECE_ROWS):
            self._writer.write_table(piece.to_arrow(compat_level=_COMPAT).cast(self._schema))

    def commit(self, meta: SnapshotMeta) -> None:
        """Put the file in its place.

        Raises:
            DiskError, StateError: see `importer.files.WholeFile`.
        """
        self._writer.add_key_value_metadata({META.decode(): meta.model_dump_json()})
        self._writer.close()
        self._file.commit()
        self._closed = True

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Throw away what was not committed."""
        if self._closed:
            return
        with suppress(OSError, StateError):  # a full disk is often why
            self._writer.close()
        self._writer.is_open = False  # or its destructor tries again
        self._file.abort()
