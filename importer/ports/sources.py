"""Where rows come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from importer.core.characters import TextBytes


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
        sheet: Sheet of an Excel file; the first one if empty.
        query: One statement that selects, where the source is a database; empty where it is not.
        parameters: Texts bound to the query's parameters, in order.
        cursor: Text bound in the place of ``$cursor`` in the query; None where it has no such place.
        driver: Name or path of an ADBC driver, for a database without an engine of its own here.
        driver_options: ``NAME=VALUE`` or ``NAME=env:VARIABLE``, given to the driver.
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
    sheet: str = ""
    query: str = ""
    parameters: tuple[str, ...] = ()
    cursor: str | None = None
    driver: str = ""
    driver_options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source, as it was when it was opened."""

    name: str
    path: str
    size_bytes: int
    mtime_ns: int
    inode: int
    digest: str | None = None

    @property
    def stamp(self) -> str:
        """Tell whether a file is the same later; a copy of an object has another inode each time."""
        inode = "" if "://" in self.name else self.inode
        return f"{self.size_bytes}:{self.mtime_ns}:{inode}"


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
        kind: ``csv``, ``ndjson``, ``excel``, ``parquet``, ``arrow`` or ``query``.
        files: In reading order.
        columns: Names of the columns `SourceChunk.frame` will have.
        dialect: Of a text source, None otherwise.
        notes: What was sniffed or dropped, for people.
        unsupported: Columns left out of the frame, and why.
        naive: Columns of times without a zone, where nobody said which zone they are of.
        floats: Columns whose type is a decimal number: their text is written here, by no spreadsheet.
    """

    kind: str
    files: tuple[SourceFile, ...]
    columns: tuple[str, ...]
    dialect: Dialect | None = None
    notes: tuple[str, ...] = ()
    unsupported: Mapping[str, str] = field(default_factory=dict)
    naive: tuple[str, ...] = ()
    floats: tuple[str, ...] = ()


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
        seen: What the bytes of text columns allow for, where the source had them at hand.
    """

    file_index: int
    frame: pl.DataFrame
    row_number: pl.Series
    line: pl.Series | None
    blank: pl.Series
    malformed: pl.DataFrame
    seen: Mapping[str, TextBytes] = field(default_factory=dict)


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
