"""Findings with their place, and the issue frame that is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from importer.core.findings import Finding, nulls
from importer.core.issues import ISSUES_SCHEMA, Severity

_LINES_SCHEMA: Final = pl.Schema({"at": pl.UInt32, "value": pl.String, "entry": pl.UInt32})


@dataclass(frozen=True, slots=True)
class Entry:
    """A finding with its place; the issues of a row come in the order of their entries."""

    finding: Finding
    severity: Severity
    column: str | None = None
    trait: str | None = None


def rejected_rows(entries: Sequence[Entry], height: int) -> pl.Series:
    """Tell which rows have an error."""
    rejected = pl.repeat(False, height, eager=True)  # noqa: FBT003
    for entry in entries:
        if entry.severity is Severity.ERROR:
            rejected |= entry.finding.mask
    return rejected


def issues_of(entries: Sequence[Entry], source: pl.DataFrame) -> pl.DataFrame:
    """Return `ISSUES_SCHEMA` with ``at``, the position in the source, in place of the row number, sorted by it."""
    pieces = []
    for number, entry in enumerate(entries):
        rows = entry.finding.mask.arg_true()
        text = nulls(pl.String, len(rows)) if entry.column is None else as_text(source[entry.column].gather(rows))
        pieces.append(pl.DataFrame({"at": rows, "value": text}).with_columns(entry=pl.lit(number, dtype=pl.UInt32)))
    kinds = pl.DataFrame(
        [
            (entry.finding.code, entry.severity.value, entry.column, entry.trait, entry.finding.message)
            for entry in entries
        ],
        schema=dict.fromkeys(("code", "severity", "column", "trait", "message"), pl.String()),
        orient="row",
    )
    lines = pl.concat([pl.DataFrame(schema=_LINES_SCHEMA), *pieces]).sort("at", maintain_order=True)
    return lines.hstack(kinds[lines["entry"]]).select("at", *ISSUES_SCHEMA.names()[1:])


def as_text(values: pl.Series) -> pl.Series:
    """Return source values as text, the items of a list joined by ``|``."""
    if values.dtype == pl.List:
        return values.list.eval(pl.element().cast(pl.String)).list.join("|", ignore_nulls=True)
    return values.cast(pl.String)
