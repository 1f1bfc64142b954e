"""Findings with their place, and the issue frame that is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from importer.core.findings import Finding, marked, nulls
from importer.core.issues import ISSUES_SCHEMA, Severity


@dataclass(frozen=True, slots=True)
class Entry:
    """A finding with its place; the issues of a row come in the order of their entries."""

    finding: Finding
    severity: Severity
    column: str | None = None
    trait: str | None = None


def rejected_rows(entries: Sequence[Entry], height: int) -> pl.Series:
    """Tell which rows have an error."""
    return marked([entry.finding.rows for entry in entries if entry.severity is Severity.ERROR], height)


def issues_of(entries: Sequence[Entry], source: pl.DataFrame) -> pl.DataFrame:
    """Return `ISSUES_SCHEMA` with ``at``, the position in the source, in place of the row number, sorted by it."""
    if not entries:
        return pl.DataFrame(schema={"at": pl.UInt32, **dict(list(ISSUES_SCHEMA.items())[1:])})
    at = pl.concat([entry.finding.rows for entry in entries])
    order = pl.Series(np.argsort(at.to_numpy(), kind="stable").astype(np.uint32))
    numbers = np.repeat(np.arange(len(entries), dtype=np.uint32), [entry.finding.rows.len() for entry in entries])
    entry_of = pl.Series(numbers)[order]
    value = pl.concat([_values(entry, source) for entry in entries])
    kinds: dict[str, list[str | None]] = {
        "code": [entry.finding.code for entry in entries],
        "severity": [entry.severity.value for entry in entries],
        "column": [entry.column for entry in entries],
        "trait": [entry.trait for entry in entries],
        "message": [entry.finding.message for entry in entries],
    }
    lines = {name: pl.Series(kind, dtype=pl.String)[entry_of] for name, kind in kinds.items()}
    lines |= {"at": at[order], "value": value[order]}
    return pl.DataFrame({name: lines[name] for name in ("at", *ISSUES_SCHEMA.names()[1:])})


def _values(entry: Entry, source: pl.DataFrame) -> pl.Series:
    """Return the original texts of a finding's cells."""
    rows = entry.finding.rows
    return nulls(pl.String, rows.len()) if entry.column is None else as_text(source[entry.column][rows])


def as_text(values: pl.Series) -> pl.Series:
    """Return source values as text, the items of a list joined by ``|``."""
    if values.dtype == pl.List:
        return values.list.eval(pl.element().cast(pl.String)).list.join("|", ignore_nulls=True)
    return values.cast(pl.String)
