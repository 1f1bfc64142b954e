"""One chunk, read and checked, as the two frames a package keeps: every row read, and the valid rows typed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from importer.core.check import CheckedRows
from importer.core.entries import as_text
from importer.core.filled import FilledSets
from importer.core.issues import ISSUES_SCHEMA, Severity
from importer.core.transform import TransformPlan
from importer.core.wire import WireTrait, body_bytes_bound_expr, removal_column

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
    keys = [as_text(chunk.frame[name]).str.strip_chars().alias(KEY_PREFIX + name) for name in plan.key]
    rows = pl.DataFrame(
        [
            pl.repeat(chunk.file_index, chunk.frame.height, dtype=pl.UInt16, eager=True).alias("file"),
            chunk.row_number.alias("row_number"),
            _line(chunk).alias("line"),
            checked.early["state"],
            checked.early["code"],
            *keys,
        ]
    )
    rows = rows.with_row_index("at")
    if not chunk.malformed.is_empty():
        rows = pl.concat([rows, _malformed_rows(chunk)], how="diagonal").sort("row_number")
    ordinal = rows.with_row_index("ordinal").filter(pl.col("at").is_not_null()).sort("at")["ordinal"]
    row = ordinal.gather(checked.typed["row"]).cast(pl.UInt64) + rows_before
    return PackedChunk(rows.drop("at"), _valid(row, _key_text(keys, checked, plan), checked, sets))


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


def _key_text(keys: Sequence[pl.Series], checked: CheckedRows, plan: TransformPlan) -> pl.Series:
    rows = checked.typed["row"]
    if not keys:
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(rows))
    return joined_key([key.gather(rows) for key in keys], plan.null_tokens)


def joined_key(parts: Sequence[pl.Series], null_tokens: Collection[str]) -> pl.Series:
    """Join key columns as the source has them to one text a row; null where one of them is no value."""
    # A null token must not become a key: it would make one person of all rows that have it.
    missing = pl.Series(sorted({*null_tokens, ""}), dtype=pl.String).implode()
    values = [pl.when(~column.is_in(missing)).then(column) for column in parts]
    return pl.select(pl.concat_str(values, separator=_KEY_SEPARATOR)).to_series()


def _valid(row: pl.Series, key_text: pl.Series, checked: CheckedRows, sets: FilledSets) -> pl.DataFrame:
    typed = checked.typed.drop("row")
    return with_measures(typed.select(row.alias("row"), key_text.alias(KEY_TEXT), pl.all()), sets)


def issue_lines(packed: PackedChunk, chunk: ChunkRows, issues: pl.DataFrame) -> pl.DataFrame:
    """Join place and key to a chunk's issues, and add the issues of its malformed rows.

    Returns:
        ``file``, ``line`` and ``key:`` columns in front of `ISSUES_SCHEMA`, sorted by row number.
    """
    malformed = chunk.malformed.select(
        "row_number",
        code=pl.lit("malformed-row"),
        severity=pl.lit(Severity.ERROR.value),
        column=pl.lit(None, dtype=pl.String),
        trait=pl.lit(None, dtype=pl.String),
        value=pl.lit(None, dtype=pl.String),
        message="message",
    )
    places = packed.rows.select("file", "row_number", "line", pl.col(f"^{KEY_PREFIX}.*$"))
    lines = pl.concat([issues, malformed.cast(ISSUES_SCHEMA)]).sort("row_number", maintain_order=True)
    return lines.join(places, on="row_number", how="left", maintain_order="left").select(
        *[name for name in places.columns if name != "row_number"], *ISSUES_SCHEMA.names()
    )


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
    mask = (checked.early["state"] == "rejected").fill_null(value=False)
    numbers = chunk.row_number.filter(mask)
    codes = (
        checked.issues.filter(pl.col("severity") == Severity.ERROR.value)
        .group_by("row_number", maintain_order=True)
        .agg(pl.col("code").unique(maintain_order=True).str.join(";").alias("codes"))
    )
    joined = pl.DataFrame({"row_number": numbers}).join(codes, on="row_number", how="left", maintain_order="left")
    return RejectedRows(chunk.frame.filter(mask), numbers, _line(chunk).filter(mask), joined["codes"])


def _line(chunk: ChunkRows) -> pl.Series:
    if chunk.line is not None:
        return chunk.line
    return pl.Series([None], dtype=pl.UInt64).new_from_index(0, chunk.frame.height)


def with_measures(valid: pl.DataFrame, sets: FilledSets) -> pl.DataFrame:
    """Add ``set`` and ``size`` to packaged rows and put the columns in the package's order."""
    traits: Sequence[WireTrait] = sets.traits
    size = body_bytes_bound_expr(traits, valid.columns).cast(pl.UInt64)
    flags = [removal_column(trait.ref) for trait in traits if trait.removable]
    return valid.select(
        "row",
        KEY_TEXT,
        sets.intern(valid).alias("set"),
        size.alias("size"),
        *[trait.ref for trait in traits],
        *flags,
    )
