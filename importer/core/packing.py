"""One chunk, read and checked, as the two frames a package keeps: every row read, and the valid rows typed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.characters import TextBytes, is_one_of
from importer.core.check import EARLY_SCHEMA, CheckedRows
from importer.core.entries import as_text
from importer.core.filled import FilledSets
from importer.core.findings import kept, nulls
from importer.core.issues import Severity
from importer.core.transform import TransformPlan
from importer.core.wire import body_bytes_bound, removal_column

KEY_PREFIX: Final = "key:"
"""Prefix of the columns that hold the source's key columns as text."""

KEY_TEXT: Final = "key"
"""Column of a packaged row that holds its whole key as one text; null where any key column is empty."""

ROWS_SCHEMA: Final = pl.Schema({"file": pl.UInt16(), "row_number": pl.UInt64(), "line": pl.UInt64(), **EARLY_SCHEMA})
"""Every row read, in source order; the key columns follow. `state` is null where the row was packaged."""

_KEY_SEPARATOR: Final = "\x1f"
_MALFORMED: Final = "malformed-row"
_TEXT: Final = pl.String()


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
            (u64, upper bound of the encoded size in bytes), then the typed trait columns that are kept.
    """

    rows: pl.DataFrame
    valid: pl.DataFrame


def pack_chunk(
    chunk: ChunkRows,
    checked: CheckedRows,
    plan: TransformPlan,
    sets: FilledSets,
    *,
    rows_before: int,
    wanted: Collection[str] | None = None,
) -> PackedChunk:
    """Pack one chunk.

    Args:
        chunk: The rows as read.
        checked: The same rows, checked.
        plan: Names the key columns and the null tokens.
        sets: Interns filled sets.
        rows_before: Rows of earlier chunks, malformed ones included.
        wanted: Traits whose values are kept, where rows are not measured; all if None.
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
    typed = checked.column("row")
    place = typed.to_numpy().astype(np.uint64) + np.uint64(rows_before)
    if not chunk.malformed.is_empty():
        between = np.bincount(np.searchsorted(_numbers(rows), _numbers(chunk.malformed)), minlength=rows.height + 1)
        place += between.cumsum().take(typed.to_numpy()).astype(np.uint64)
        rows = _in_order(rows, _malformed_rows(chunk))
    front = pl.DataFrame([pl.Series("row", place), _key_text(keys, typed, plan).alias(KEY_TEXT)])
    if wanted is None:
        return PackedChunk(rows, with_measures(front.hstack(checked.typed.drop("row")), sets))
    set_ids = sets.intern(checked.judged, checked.going_on)
    values = [checked.column(name) for name in checked.judged.columns if name in wanted]
    return PackedChunk(rows, front.hstack([set_ids, _unmeasured(front.height), *values]))


def _key_column(chunk: ChunkRows, name: str) -> pl.Series:
    text, seen = as_text(chunk.frame[name]), chunk.seen.get(name)
    return (text if seen is not None and not seen.spaced else text.str.strip_chars()).alias(KEY_PREFIX + name)


def _numbers(rows: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """Return row numbers, which ascend in all that comes from a source."""
    return rows["row_number"].to_numpy()


def _malformed_rows(chunk: ChunkRows) -> dict[str, pl.Series]:
    count = chunk.malformed.height
    return {
        "file": pl.Series(np.full(count, chunk.file_index, dtype=np.uint16)),
        "row_number": chunk.malformed["row_number"],
        "line": chunk.malformed["line"],
        "state": _repeated("rejected", count, EARLY_SCHEMA["state"]),
        "code": _repeated(_MALFORMED, count, EARLY_SCHEMA["code"]),
    }


def _repeated(text: str, count: int, dtype: pl.DataType = _TEXT) -> pl.Series:
    return pl.Series([text], dtype=dtype).new_from_index(0, count)


def _in_order(frame: pl.DataFrame, more: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Put more rows among those of a frame, all by their numbers; a column that they have not is null there.

    A column at a time: a query, or rows gathered of a whole frame, would wait for polars' threads. Each in one piece:
    rows of two pieces take three times as long to gather.
    """
    numbers = more["row_number"]
    order = pl.Series(
        np.argsort(np.concatenate([_numbers(frame), numbers.to_numpy()]), kind="stable").astype(np.uint32)
    )
    return pl.DataFrame(
        [
            pl.concat([column, more.get(column.name, nulls(column.dtype, len(numbers)))], rechunk=True)[order]
            for column in frame
        ]
    )


def key_text_expr(names: Sequence[str]) -> pl.Expr:
    """Join key columns to the one text that a packaged row has as its key; null where one of them is null."""
    return pl.concat_str([pl.col(name) for name in names], separator=_KEY_SEPARATOR)


def _key_text(keys: Sequence[pl.Series], rows: pl.Series, plan: TransformPlan) -> pl.Series:
    if not keys:
        return nulls(pl.String, len(rows))
    return joined_key([key[rows] for key in keys], plan.null_tokens)


def joined_key(parts: Sequence[pl.Series], null_tokens: Collection[str]) -> pl.Series:
    """Join key columns as the source has them to one text a row; null where one of them is no value."""
    # A null token must not become a key: it would make one person of all rows that have it.
    tokens = {*null_tokens, ""}
    missing = [is_one_of(part, tokens) for part in parts]
    values = [kept(part, pl.Series(~mask)) if mask.any() else part for part, mask in zip(parts, missing, strict=True)]
    if len(values) == 1:
        return values[0]
    return pl.DataFrame(values).select(key_text_expr([part.name for part in parts])).to_series()


def issue_lines(packed: PackedChunk, chunk: ChunkRows, issues: pl.DataFrame) -> pl.DataFrame:
    """Join place and key to a chunk's issues, and add the issues of its malformed rows.

    Returns:
        ``file``, ``line`` and ``key:`` columns in front of `ISSUES_SCHEMA`, sorted by row number.
    """
    if not chunk.malformed.is_empty():
        malformed = {
            "row_number": chunk.malformed["row_number"],
            "code": _repeated(_MALFORMED, chunk.malformed.height),
            "severity": _repeated(Severity.ERROR.value, chunk.malformed.height),
            "message": chunk.malformed["message"],
        }
        issues = _in_order(issues, malformed)
    at = _places(packed.rows["row_number"], issues["row_number"])
    names = [name for name in packed.rows.columns if name not in {"row_number", "state", "code"}]
    return pl.DataFrame([*(packed.rows[name][at] for name in names), *issues])


def _places(row_numbers: pl.Series, wanted: pl.Series) -> pl.Series:
    """Return where some row numbers stand among all, which ascend."""
    return pl.Series(np.searchsorted(row_numbers.to_numpy(), wanted.to_numpy()).astype(np.uint32))


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
    severe = checked.issues["severity"] == Severity.ERROR.value
    errors = pl.DataFrame([checked.issues[name].filter(severe) for name in ("row_number", "code")])
    if len(errors) != len(np.unique(_numbers(errors))):
        errors = errors.group_by("row_number", maintain_order=True).agg(
            pl.col("code").unique(maintain_order=True).str.join(";")
        )
    at = _places(chunk.row_number, errors["row_number"])
    return RejectedRows(chunk.frame[at], errors["row_number"], _line(chunk)[at], errors["code"])


def _line(chunk: ChunkRows) -> pl.Series:
    if chunk.line is not None:
        return chunk.line
    return nulls(pl.UInt64, chunk.frame.height)


def with_measures(valid: pl.DataFrame, sets: FilledSets) -> pl.DataFrame:
    """Add ``set`` and ``size`` to packaged rows and put the columns in the package's order."""
    refs = [trait.ref for trait in sets.traits]
    flags = [removal_column(trait.ref) for trait in sets.traits if trait.removable]
    return pl.DataFrame(
        [
            *valid[["row", KEY_TEXT]],
            sets.intern(valid),
            _sizes(valid, sets),
            *valid[refs + flags],
        ]
    )


def _sizes(valid: pl.DataFrame, sets: FilledSets) -> pl.Series:
    if not sets.sized:
        return _unmeasured(valid.height)
    return pl.Series("size", body_bytes_bound(sets.traits, valid))


def _unmeasured(height: int) -> pl.Series:
    return pl.Series("size", np.zeros(height, dtype=np.uint64))
