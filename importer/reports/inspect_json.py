"""What `inspect --json` prints: a shape that people may build on; fields are added, never changed or taken away."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from importer.core.inspect import ColumnFinding, ColumnProfile, Guess, SourceProfile
from importer.reports.masks import mask_expr

INSPECT_VERSION: Final = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MeaningEntry(_Frozen):
    """One reading of a column; see `importer.core.inspect.Guess`."""

    meaning: str
    score: float
    evidence: str
    date_format: str = ""
    regions: dict[str, int] = Field(default_factory=dict)
    codes_share: float = 0.0
    international_share: float = 0.0
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()
    separator: str = ""
    currency: str = ""

    @classmethod
    def of(cls, guess: Guess) -> MeaningEntry:
        """Take a guess down."""
        return cls(
            meaning=guess.meaning.value,
            score=guess.score,
            evidence=guess.evidence,
            date_format=guess.date_format,
            regions=dict(guess.regions),
            codes_share=guess.codes_share,
            international_share=guess.international_share,
            true_values=guess.true_values,
            false_values=guess.false_values,
            separator=guess.separator,
            currency=guess.currency,
        )


class FindingEntry(_Frozen):
    """One kind of damage; see `importer.core.inspect.ColumnFinding`."""

    code: str
    severity: Literal["error", "warning"]
    count: int
    first_row: int | None
    first_line: int | None
    first_file: str | None
    fix: str | None
    repairable: int
    message: str

    @classmethod
    def of(cls, finding: ColumnFinding) -> FindingEntry:
        """Take a finding down."""
        return cls(
            code=finding.code,
            severity="error" if finding.severity.value == "error" else "warning",
            count=finding.count,
            first_row=finding.first_row,
            first_line=finding.first_line,
            first_file=finding.first_file,
            fix=finding.fix,
            repairable=finding.repairable,
            message=finding.message,
        )


class ColumnEntry(_Frozen):
    """One column; see `importer.core.inspect.ColumnProfile`. `examples` are masked without ``--show-values``."""

    name: str
    position: int
    rows: int
    filled: int
    fill_percent: float
    distinct: int
    distinct_is_exact: bool
    is_key: bool
    min_chars: int
    max_chars: int
    is_list: bool
    meanings: tuple[MeaningEntry, ...]
    examples: tuple[str, ...]
    findings: tuple[FindingEntry, ...]
    null_words: dict[str, int] = Field(default_factory=dict)


class InspectReport(_Frozen):
    """What a source looks like; see `importer.core.inspect.SourceProfile`.

    Attributes:
        version: Of this shape.
        examples_masked: Whether `examples` are masked.
        fixes: Repairs that would change something: argument of ``--fix`` -> cells.
    """

    version: int = INSPECT_VERSION
    kind: str
    files: tuple[str, ...]
    encoding: str | None
    delimiter: str | None
    line_terminator: str | None
    compression: str | None
    rows: int
    blank: int
    malformed: int
    malformed_reasons: dict[str, int]
    is_complete: bool
    examples_masked: bool
    notes: tuple[str, ...]
    unsupported: dict[str, str]
    fixes: dict[str, int]
    columns: tuple[ColumnEntry, ...]


def shown_examples(column: ColumnProfile, *, show_values: bool) -> tuple[str, ...]:
    """Return a column's examples as they may be shown: masked ones that look alike only once."""
    if show_values:
        return column.examples
    masked = pl.Series(column.examples, dtype=pl.String).to_frame("v").select(mask_expr(pl.col("v"))).to_series()
    return tuple(dict.fromkeys(masked.to_list()))


def repairs_of(profile: SourceProfile) -> dict[str, int]:
    """Return the repairs that would change something, and how many cells each, the most first."""
    cells: dict[str, int] = {}
    for column in profile.columns:
        for finding in column.findings:
            if finding.fix is not None:
                cells[finding.fix] = cells.get(finding.fix, 0) + finding.repairable
    return dict(sorted(cells.items(), key=lambda entry: (-entry[1], entry[0])))


def inspect_report(profile: SourceProfile, *, show_values: bool) -> InspectReport:
    """Take a profile down, with its examples masked unless values may be shown."""
    return InspectReport(
        kind=profile.kind,
        files=profile.files,
        encoding=profile.encoding,
        delimiter=profile.delimiter,
        line_terminator=profile.line_terminator,
        compression=profile.compression,
        rows=profile.rows,
        blank=profile.blank,
        malformed=profile.malformed,
        malformed_reasons=dict(profile.malformed_reasons),
        is_complete=profile.is_complete,
        examples_masked=not show_values,
        notes=profile.notes,
        unsupported=dict(profile.unsupported),
        fixes=repairs_of(profile),
        columns=tuple(_column(column, show_values=show_values) for column in profile.columns),
    )


def _column(column: ColumnProfile, *, show_values: bool) -> ColumnEntry:
    return ColumnEntry(
        name=column.name,
        position=column.position,
        rows=column.rows,
        filled=column.filled,
        fill_percent=round(100 * column.fill_share, 2),
        distinct=column.distinct,
        distinct_is_exact=column.distinct_is_exact,
        is_key=column.is_key,
        min_chars=column.min_chars,
        max_chars=column.max_chars,
        is_list=column.is_list,
        meanings=tuple(MeaningEntry.of(guess) for guess in column.guesses),
        examples=shown_examples(column, show_values=show_values),
        findings=tuple(FindingEntry.of(finding) for finding in column.findings),
        null_words=dict(column.null_words),
    )
