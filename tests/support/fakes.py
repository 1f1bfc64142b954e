"""Fakes of the ports that preparing, deciding and reporting speak to: one a port, all in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl
import pyarrow as pa

from importer.core.check_values import Checks, compile_checks
from importer.core.index import INDEX_SCHEMA
from importer.core.mapping_resolve import resolve_mapping
from importer.core.mapping_seed import seed_for
from importer.core.mapping_yaml import parse_mapping
from importer.core.schema import StoreSchema
from importer.pipeline.hashes import HeldHashes
from importer.ports import MALFORMED_SCHEMA, SourceChunk, SourceDescription, SourceFile

Rows = Sequence[Mapping[str, str | None]]


@dataclass
class FakePackage:
    """A package in memory: `PackageSink`, `PackageAccess` and `PackageStore` in one.

    Attributes:
        rows: Frames of rows read.
        valid: Frames of valid rows.
        extra: Frames of changed rows, in the order they came.
        takes: How many rows each `take` asked for.
    """

    rows: list[pl.DataFrame] = field(default_factory=list)
    valid: list[pl.DataFrame] = field(default_factory=list)
    extra: list[pl.DataFrame] = field(default_factory=list)
    takes: list[int] = field(default_factory=list)

    @property
    def row_count(self) -> int:
        """Rows read so far."""
        return sum(frame.height for frame in self.rows)

    def append(self, rows: pl.DataFrame, valid: pl.DataFrame) -> None:
        """Keep one packed chunk."""
        self.rows.append(rows)
        self.valid.append(valid)

    def valid_frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the valid rows."""
        for frame in self.valid:
            yield frame if columns is None else frame.select(columns)

    def rows_frames(self) -> Iterator[pl.DataFrame]:
        """Yield every row read."""
        yield from self.rows

    def take_rows(self, rows: npt.NDArray[np.int64]) -> pl.DataFrame:
        """Return rows read by their positions, in the order given."""
        return pl.concat(self.rows)[rows]

    def take(self, slots: npt.NDArray[np.int64], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return rows by slot, in the order given, only the named columns if given."""
        self.takes.append(len(slots))
        rows = pl.concat([*self.valid, *self.extra])[slots]
        return rows if columns is None else rows.select(columns)

    def take_table(self, slots: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Return the named columns of rows by slot, in the order given."""
        return self.take(slots, columns).to_arrow()

    def seals(self, slots: npt.NDArray[np.int64]) -> bytes:
        """Return a hash over all valid rows, and one over each frame of changed rows that is asked for."""
        held, frames = slots, []
        for frame in (pl.concat(self.valid), *self.extra):
            if ((held >= 0) & (held < frame.height)).any():
                frames.append(frame)
            held = held - frame.height
        return b"".join(hashlib.sha256(frame.write_csv().encode()).digest() for frame in frames)

    def append_extra(self, frame: pl.DataFrame) -> int:
        """Keep changed rows; return the slot of the first."""
        first = sum(part.height for part in [*self.valid, *self.extra])
        self.extra.append(frame.select(self.valid[0].columns))
        return first

    @contextmanager
    def writer(self) -> Iterator[FakePackage]:
        """Begin anew."""
        self.rows, self.valid, self.extra = [], [], []
        yield self

    def reader(self) -> FakePackage:
        """Return the package."""
        return self

    @contextmanager
    def spill(self) -> Iterator[HeldHashes]:
        """Keep hashes in memory."""
        yield HeldHashes()


@dataclass
class FakeSource:
    """A source of one file whose chunks are given; `passes` counts how often it was read."""

    given: Sequence[SourceChunk]
    passes: int = 0

    def describe(self) -> SourceDescription:
        """Describe the one file."""
        columns = tuple(self.given[0].frame.columns) if self.given else ()
        return SourceDescription("csv", (SourceFile("rows.csv", "rows.csv", 1, 1, 1),), columns)

    def chunks(self) -> Iterator[SourceChunk]:
        """Yield the chunks."""
        self.passes += 1
        yield from self.given

    def fingerprint(self) -> str:
        """Return a hash that says nothing."""
        return "fake"


@dataclass
class FakeIssues:
    """Keeps the issues it is given."""

    frames: list[pl.DataFrame] = field(default_factory=list)

    def append(self, frame: pl.DataFrame) -> None:
        """Keep issues."""
        self.frames.append(frame)

    def shown(self) -> list[tuple[Any, ...]]:
        """Return row number, code, severity, column and trait of each issue."""
        names = ("row_number", "code", "severity", "column", "trait")
        return [row for frame in self.frames for row in frame.select(names).iter_rows()]


@dataclass
class FakeRejected:
    """Keeps what rejected rows come to: (file, row number, line, codes), and the text of malformed ones."""

    rows: list[tuple[int, int, int | None, str]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    malformed: list[bytes] = field(default_factory=list)

    def append(
        self, frame: pl.DataFrame, row_number: pl.Series, line: pl.Series, codes: pl.Series, *, file_index: int = 0
    ) -> None:
        """Keep rejected rows."""
        self.rows += [(file_index, *row) for row in zip(row_number, line, codes, strict=True)]
        self.cells += frame.to_dicts()

    def append_malformed(self, frame: pl.DataFrame, *, file_index: int = 0) -> None:  # noqa: ARG002 - one file
        """Keep malformed rows."""
        self.malformed += frame["raw"].to_list()


@dataclass
class FakeProgress:
    """Keeps the stages, and the rows of each."""

    stages: list[tuple[str, int]] = field(default_factory=list)

    def stage(self, name: str, total: int | None) -> None:  # noqa: ARG002 - shown to people only
        """Begin a stage."""
        self.stages.append((name, 0))

    def advance(self, rows: int) -> None:
        """Add rows to the stage."""
        name, done = self.stages[-1]
        self.stages[-1] = name, done + rows


def chunk_of(
    rows: Rows,
    *,
    first: int = 1,
    malformed: Mapping[int, bytes] | None = None,
    columns: Sequence[str] | None = None,
    file_index: int = 0,
) -> SourceChunk:
    """Make a chunk of rows that stand on one line each; a row without cells is a blank line.

    Args:
        rows: Cells by column; None is an empty cell.
        first: Row number of the first.
        malformed: Raw text of rows that could not be read, by row number; the others take the numbers around them.
        columns: Names, where no row has cells.
        file_index: Which file.
    """
    names = columns or next(tuple(row) for row in rows if row)
    bad = malformed or {}
    free = (number for number in range(first, first + len(rows) + len(bad)) if number not in bad)
    numbers = [number for number, _ in zip(free, rows, strict=False)]
    cells = {name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in names}
    raw = [(number, number + 1, "fields", "too many fields", text) for number, text in bad.items()]
    return SourceChunk(
        file_index=file_index,
        frame=pl.DataFrame(cells),
        row_number=pl.Series(numbers, dtype=pl.UInt64),
        line=pl.Series([number + 1 for number in numbers], dtype=pl.UInt64),
        blank=pl.Series([not row for row in rows], dtype=pl.Boolean),
        malformed=pl.DataFrame(raw, schema=MALFORMED_SCHEMA, orient="row"),
    )


def checks_of(mapping: Mapping[str, Any], columns: Sequence[str]) -> tuple[Checks, StoreSchema]:
    """Compile a mapping against a store that has just what it needs."""
    parsed = parse_mapping(orjson.dumps({"version": 1, **mapping}), "mapping.yaml")
    seed = seed_for(parsed)
    schema = StoreSchema.from_api(
        {"id": "mem_store_00000000000000000000000000", "displayName": "fake"},
        [group | {"version": 1} for group in seed["traitGroups"]],
        {"identifierConfigs": seed["identifierConfigs"], "matchingRules": seed["matchingRules"]},
    )
    return compile_checks(resolve_mapping(parsed, columns, schema)), schema


def index_of(*lines: Mapping[str, Any]) -> pl.DataFrame:
    """Make an index; what a line does not say is that of an ordinary row that was not put in the send order."""
    plain = {
        "set": 0,
        "size": 100,
        "state": "send",
        "code": None,
        "carried_by": -1,
        "group": -1,
        "apart": -1,
        "wave": 0,
    }
    rows = [plain | {"row": at, "slot": at, "position": -1} | dict(line) for at, line in enumerate(lines)]
    return pl.DataFrame([{name: row[name] for name in INDEX_SCHEMA} for row in rows], schema=INDEX_SCHEMA)


def malformed_frame(*raws: bytes) -> pl.DataFrame:
    """Make a malformed row of each text."""
    count = len(raws)
    return pl.DataFrame(
        {
            "row_number": range(3, 3 + count),
            "line": [4] * count,
            "reason": ["too-many-fields"] * count,
            "message": ["5 fields where the header has 3"] * count,
            "raw": list(raws),
        },
        schema=MALFORMED_SCHEMA,
    )
