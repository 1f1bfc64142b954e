"""One chunk, read and checked, as the two frames a package keeps: every row read, and the valid rows typed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.characters import TextBytes
from importer.core.check import CheckedRows
from importer.core.entries import as_text
from importer.core.filled import FilledSets
from importer.core.issues import Severity
from importer.core.transform import TransformPlan
from importer.core.wire import body_bytes_bound_expr, removal_column

KEY_PREFIX: Final = "key:"
"""Prefix of the columns that hold the source's key columns as text."""

KEY_TEXT: Final = "key"
"""Column of a packaged row that holds its whole key as one text; null where any key column is empty."""

ROWS_SCHEMA: Final = pl.Schema(
    {"file": pl.UInt16, "row_number": pl.UInt64, "line": pl.UInt64, "state": pl.String, "code": pl.String}
)
"""Every row read, in source order; the key columns follow. `state` is null where the row was packaged."""

_KEY_SEPARATOR: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class ChunkRows:
    """A source chunk as far as packing needs it; see `importer.ports.SourceChunk` for the fields."""

    file_index: int
    frame: pl.DataFrame
    row_number: pl.Series
    line: pl.Series | None
    malformed: pl.DataFrame
    seen: Mapping[str, TextBytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PackedChunk:
    """What a package stores of one chunk.

    Attributes:
        rows: `ROWS_SCHEMA` and ``key:`` columns, sorted by row number, malformed rows included.
        valid: Packaged rows: ``row`` (u64, position in the run's rows), ``key`` (String), ``set`` (u32), ``size``
            (u64, upper bound of the encoded size in bytes), then the typed trait columns.
    """

    rows: pl.DataFrame
    valid: pl.DataFrame


def pack_chunk(
    chunk: ChunkRows, checked: CheckedRows, plan: TransformPlan, sets: FilledSets, *, rows_before: int
) -> PackedChunk:
    """Pack one chunk.

    Args:
        chunk: The rows as read.
        checked: The same rows, checked.
        plan: Names the key columns and the null tokens.
        sets: Interns filled sets.
        rows_before: Rows of earlier chunks, malformed ones included.
    """
    keys = [_key_column(chunk, name) for name in plan.key]
    rows = pl.DataFrame(
        [
            pl.Series("file", np.full(chunk.frame.height, chunk.file_index, dtype=np.uint16)),
            chunk.row_number.alias("row_number"),
            _line(chunk).alias("line"),
            checked.early["state"],
            checked.early["code"],
            *keys,
        ]
    )
    typed = checked.typed["row"]
    place = typed.to_numpy().astype(np.uint64) + np.uint64(rows_before)
    if not chunk.malformed.is_empty():
        between = np.bincount(np.searchsorted(_numbers(rows), _numbers(chunk.malformed)), minlength=rows.height + 1)
        place += between.cumsum()[typed.to_numpy()].astype(np.uint64)
        rows = pl.concat([rows, _malformed_rows(chunk)], how="diagonal", rechunk=True)
        rows = rows[np.argsort(_numbers(rows), kind="stable")]
    return PackedChunk(rows, _valid(pl.Series("row", place), _key_text(keys, typed, plan), checked, sets))


def _key_column(chunk: ChunkRows, name: str) -> pl.Series:
    text, seen = as_text(chunk.frame[name]), chunk.seen.get(name)
    return (text if seen is not None and not seen.spaced else text.str.strip_chars()).alias(KEY_PREFIX + name)


def _numbers(rows: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """Return row numbers, which ascend in all that comes from a source."""
    return rows["row_number"].to_numpy()


def _malformed_rows(chunk: ChunkRows) -> pl.DataFrame:
    return chunk.malformed.select(
        pl.lit(chunk.file_index, dtype=pl.UInt16).alias("file"),
        "row_number",
        "line",
        state=pl.lit("rejected"),
        code=pl.lit("malformed-row"),
    )


def key_text_expr(names: Sequence[str]) -> pl.Expr:
    """Join key columns to the one text that a packaged row has as its key; null where one of them is null."""
    return pl.concat_str([pl.col(name) for name in names], separator=_KEY_SEPARATOR)


def _key_text(keys: Sequence[pl.Series], rows: pl.Series, plan: TransformPlan) -> pl.Series:
    if not keys:
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(rows))
    return joined_key([key.gather(rows) for key in keys], plan.null_tokens)


def joined_key(parts: Sequence[pl.Series], null_tokens: Collection[str]) -> pl.Series:
    """Join key columns as the source has them to one text a row; null where one of them is no value."""
    # A null token must not become a key: it would make one person of all rows that have it.
    missing = pl.Series(sorted({*null_tokens, ""}), dtype=pl.String).implode()
    values = [pl.when(~pl.col(part.name).is_in(missing)).then(part.name) for part in parts]
    return pl.DataFrame(parts).select(pl.concat_str(values, separator=_KEY_SEPARATOR)).to_series()


def _valid(row: pl.Series, key_text: pl.Series, checked: CheckedRows, sets: FilledSets) -> pl.DataFrame:
    typed = [column for column in checked.typed if column.name != "row"]
    return with_measures(pl.DataFrame([row, key_text.alias(KEY_TEXT), *typed]), sets)


def issue_lines(packed: PackedChunk, chunk: ChunkRows, issues: pl.DataFrame) -> pl.DataFrame:
    """Join place and key to a chunk's issues, and add the issues of its malformed rows.

    Returns:
        ``file``, ``line`` and ``key:`` columns in front of `ISSUES_SCHEMA`, sorted by row number.
    """
    if not chunk.malformed.is_empty():
        kind = {"code": pl.lit("malformed-row"), "severity": pl.lit(Severity.ERROR.value)}
        malformed = chunk.malformed.select("row_number", "message", **kind)
        issues = pl.concat([issues, malformed], how="diagonal", rechunk=True)
        issues = issues[np.argsort(_numbers(issues), kind="stable")]
    names = [name for name in packed.rows.columns if name not in {"row_number", "state", "code"}]
    return packed.rows[names][np.searchsorted(_numbers(packed.rows), _numbers(issues))].hstack(issues)


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """Rejected rows as the source has them.

    Attributes:
        frame: Source columns, original values.
        row_number: u64.
        line: u64, null where the source has no lines.
        codes: Error codes of each row, joined by ``;``.
    """

    frame: pl.DataFrame
    row_number: pl.Series
    line: pl.Series
    codes: pl.Series


def rejected_rows(chunk: ChunkRows, checked: CheckedRows) -> RejectedRows:
    """Return a chunk's rejected rows (malformed ones are kept apart, as raw text)."""
    errors = checked.issues[["row_number", "code"]][(checked.issues["severity"] == Severity.ERROR.value).arg_true()]
    if len(errors) != len(np.unique(_numbers(errors))):
        errors = errors.group_by("row_number", maintain_order=True).agg(
            pl.col("code").unique(maintain_order=True).str.join(";")
        )
    at = np.searchsorted(chunk.row_number.to_numpy(), _numbers(errors))
    return RejectedRows(chunk.frame[at], errors["row_number"], _line(chunk)[at], errors["code"])


def _line(chunk: ChunkRows) -> pl.Series:
    if chunk.line is not None:
        return chunk.line
    return pl.Series([None], dtype=pl.UInt64).new_from_index(0, chunk.frame.height)


def with_measures(valid: pl.DataFrame, sets: FilledSets) -> pl.DataFrame:
    """Add ``set`` and ``size`` to packaged rows and put the columns in the package's order."""
    size = body_bytes_bound_expr(sets.traits, valid.columns) if sets.sized else pl.repeat(0, pl.len())
    refs = [trait.ref for trait in sets.traits]
    flags = [removal_column(trait.ref) for trait in sets.traits if trait.removable]
    return pl.DataFrame(
        [
            *valid[["row", KEY_TEXT]],
            sets.intern(valid).alias("set"),
            valid.select(size.cast(pl.UInt64)).to_series().alias("size"),
            *valid[refs + flags],
        ]
    )
