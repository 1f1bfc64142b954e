"""What the use cases ask of the outside world: small protocols and the frozen values that cross them.

`validate` and `plan` are handed a `Source` and a `StoreReader` only, so a dry run holds no object that can write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.delivery import BatchEntry, Changes, RowResult
from importer.core.schema import StoreSchema

# --- sources ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How to read a source; ``auto`` means sniffed and stated.

    Attributes:
        delimiter: One character, or ``auto``.
        encoding: A codec name, or ``auto``.
        skip_lines: Physical lines to pass over before the header.
        allow_empty: A source without rows is fine.
        max_field_bytes: A larger field refuses the file.
        max_decompressed_bytes: More than this out of a compressed file refuses it.
        assume_tz: Zone of naive timestamps, an IANA name.
        nan_as_missing: NaN of a float column means missing.
        trim_headers: Trim white space around header names instead of refusing them.
    """

    delimiter: str = "auto"
    encoding: str = "auto"
    skip_lines: int = 0
    allow_empty: bool = False
    max_field_bytes: int = 16 * 1024 * 1024
    max_decompressed_bytes: int = 4 * 1024**3
    assume_tz: str | None = None
    nan_as_missing: bool = False
    trim_headers: bool = False


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source, as it was when it was opened."""

    name: str
    path: str
    size_bytes: int
    mtime_ns: int
    inode: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written; enough to write another one the same way."""

    delimiter: str
    encoding: str
    quote: str = '"'
    line_terminator: str = "\n"
    compression: str | None = None
    has_bom: bool = False


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """What a source is, before its rows are read.

    Attributes:
        kind: ``csv`` or ``parquet``.
        files: In reading order.
        columns: Names of the columns `SourceChunk.frame` will have.
        dialect: Of a text source, None otherwise.
        notes: What was sniffed or dropped, for people.
        unsupported: Columns left out of the frame, and why.
    """

    kind: str
    files: tuple[SourceFile, ...]
    columns: tuple[str, ...]
    dialect: Dialect | None = None
    notes: tuple[str, ...] = ()
    unsupported: Mapping[str, str] = field(default_factory=dict)


MALFORMED_SCHEMA = pl.Schema(
    {"row_number": pl.UInt64, "line": pl.UInt64, "reason": pl.String, "message": pl.String, "raw": pl.Binary}
)
"""Rows that could not be read as a row. `message` holds no cell value; `raw` is the row as it stood in the file."""


@dataclass(frozen=True, slots=True)
class SourceChunk:
    """Some consecutive rows of one file.

    Attributes:
        file_index: Position in `SourceDescription.files`.
        frame: The source's columns, in its order, as text (a list column of Parquet stays a list); null is an
            unquoted empty cell or a null, ``""`` a quoted empty one.
        row_number: u64, 1-based in its file, header not counted; malformed and blank rows take a number too.
        line: u64, physical line of the row's first byte, the header's being 1; None for files without lines.
        blank: bool, true where the row is a blank line.
        malformed: Rows of this stretch that could not be read, `MALFORMED_SCHEMA`; they are not in `frame`.
    """

    file_index: int
    frame: pl.DataFrame
    row_number: pl.Series
    line: pl.Series | None
    blank: pl.Series
    malformed: pl.DataFrame


class Source(Protocol):
    """Something that yields rows as text."""

    def describe(self) -> SourceDescription:
        """Open, sniff and check the header.

        Raises:
            SourceError: it cannot be read as a table.
        """
        ...

    def chunks(self) -> Iterator[SourceChunk]:
        """Yield all rows once, in order; each call is a fresh pass.

        Raises:
            SourceError: the structure is lost or the file cannot be read further.
            SourceChangedError: a file changed while it was read.
        """
        ...

    def fingerprint(self) -> str:
        """Return a hash over the content of all files."""
        ...


# --- the service -----------------------------------------------------------------------------------------------------


class StoreReader(Protocol):
    """Reads of a store; nothing here can change it."""

    def fetch_schema(self) -> StoreSchema:
        """Read trait groups and identity settings, all pages.

        Raises:
            ApiError: the service refused or did not answer.
        """
        ...

    def lookup(self, id_type: str, value: str) -> tuple[str, ...]:
        """Return the canonical profile IDs that hold an identifier value. Billable: one read a call."""
        ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """A 202: accepted, not applied.

    Attributes:
        request_id: ``twilio-request-id``.
        operation_id: When the service names one.
        status_url: Where to poll, when the service names it.
    """

    request_id: str | None
    operation_id: str | None = None
    status_url: str | None = None


@dataclass(frozen=True, slots=True)
class OperationStatus:
    """State of an asynchronous operation: `errors` and `warnings` are None when it gave no counts."""

    status: str
    errors: int | None = None
    warnings: int | None = None
    request_id: str | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class CreatedImport:
    """An import task and where to put its file. `url` is a secret: never logged, never stored."""

    import_id: str
    url: str = field(repr=False)
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """State of an import task; `errors` and `warnings` are None while it has no summary."""

    status: str
    filename: str
    file_size_bytes: int | None
    errors: int | None = None
    warnings: int | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """One column of an import file and the trait it sets."""

    column_name: str
    trait_group: str
    trait_name: str


class ProfileWriter(StoreReader, Protocol):
    """Writes to a store. Every method is one HTTP request and raises the ApiError its answer means."""

    def put_bulk(self, body: bytes) -> Accepted:
        """Send one Bulk body."""
        ...

    def patch_profile(self, profile_id: str, body: bytes) -> Accepted:
        """Patch the traits of one profile, following a merge to the canonical profile."""
        ...

    def create_import(self, filename: str, size_bytes: int, columns: Sequence[ColumnMapping]) -> CreatedImport:
        """Create an import task."""
        ...

    def upload(self, url: str, content: BinaryIO, size_bytes: int) -> None:
        """Put an import file to its presigned URL: another client, no credentials, exact length."""
        ...

    def get_import(self, import_id: str) -> ImportStatus:
        """Read the state of an import task."""
        ...

    def list_imports(self, page_token: str | None = None) -> tuple[tuple[str, ...], str | None]:
        """Return one page of import IDs, newest first, and the next page's token."""
        ...

    def get_operation(self, status_url_or_id: str) -> OperationStatus:
        """Read the state of an operation; the URL must be on the API host."""
        ...


# --- time ------------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Time, so that tests can have their own."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    def utc_now_iso(self) -> str:
        """Wall-clock time in UTC, ISO 8601 with Z; for display only."""
        ...


# --- what preparing a run writes to ----------------------------------------------------------------------------------


class PackageSink(Protocol):
    """Takes packed chunks in order."""

    @property
    def row_count(self) -> int:
        """Rows appended so far."""
        ...

    def append(self, rows: pl.DataFrame, valid: pl.DataFrame) -> None:
        """Add one packed chunk; see `importer.core.packing.PackedChunk`."""
        ...


class IssueWriter(Protocol):
    """Takes issues: ``file``, ``line`` and ``key:`` columns, then `ISSUES_SCHEMA`."""

    def append(self, frame: pl.DataFrame) -> None:
        """Add issues of one chunk."""
        ...


class RejectedWriter(Protocol):
    """Takes rejected rows with their original values."""

    def append(
        self, frame: pl.DataFrame, row_number: pl.Series, line: pl.Series, codes: pl.Series, *, file_index: int = 0
    ) -> None:
        """Add rejected rows of one chunk, all columns as long as each other."""
        ...

    def append_malformed(self, frame: pl.DataFrame, *, file_index: int = 0) -> None:
        """Add rows that could not be read, `MALFORMED_SCHEMA`."""
        ...


class Progress(Protocol):
    """Told how far a run is."""

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage of `total` rows, None when unknown."""
        ...

    def advance(self, rows: int) -> None:
        """Report rows done since the last call."""
        ...


# --- what deciding and reporting read --------------------------------------------------------------------------------


class PackageAccess(Protocol):
    """Reads a package. Slots number its valid rows and, after them, rows whose payload changed later."""

    def valid_frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the valid rows in order, only the named columns if given."""
        ...

    def rows_frames(self) -> Iterator[pl.DataFrame]:
        """Yield every row read, in order; see `importer.core.packing.ROWS_SCHEMA`."""
        ...

    def take(self, slots: npt.NDArray[np.int64]) -> pl.DataFrame:
        """Return rows by slot, in the order given."""
        ...

    def append_extra(self, frame: pl.DataFrame) -> int:
        """Keep changed rows; return the slot of the first."""
        ...


# --- delivery --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PartFile:
    """One import file, ready to be uploaded; 0600."""

    path: str
    size_bytes: int
    columns: tuple[ColumnMapping, ...]
    sha256: str


class Payloads(Protocol):
    """What the rows at given positions of the send order look like on the wire. Used from several threads at once."""

    def bulk_body(self, start: int, stop: int, skip: frozenset[int] = frozenset()) -> bytes:
        """Encode a Bulk body of positions [start, stop) without those in `skip`, in order."""
        ...

    def part(self, batch_id: int, start: int, stop: int) -> PartFile:
        """Return the import file of positions [start, stop), writing it unless it is already there."""
        ...

    def identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return idType and value of each identifier of a row."""
        ...

    def patch_body(self, position: int) -> bytes:
        """Encode the removals of a row: nulls."""
        ...

    def digest(self, start: int, stop: int) -> str:
        """Return the pinned hash over the typed rows of positions [start, stop)."""
        ...


class Ledger(Protocol):
    """What is durable of a delivery. One thread uses it."""

    def entries(self) -> Iterator[BatchEntry]:
        """Yield every batch, in order of its ID."""
        ...

    def open_rows(self) -> Sequence[RowResult]:
        """Return the row results of batches that were begun and are not over."""
        ...

    def apply(self, changes: Changes) -> None:
        """Make changes durable, all or none.

        Raises:
            StateError: they could not be written; nothing may be sent any more.
        """
        ...


class StopSignal(Protocol):
    """Tells whether somebody asked to stop; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Tell whether to stop."""
        ...


class PackageStore(Protocol):
    """Where a package is made."""

    def writer(self) -> AbstractContextManager[PackageSink]:
        """Begin a package, replacing what an interrupted run left."""
        ...

    def reader(self) -> PackageAccess:
        """Open the package once its writer is closed."""
        ...
