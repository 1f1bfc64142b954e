"""Looking at a source: one pass that counts, and a second one over damaged columns that counts what repairs would mend.

Memory is bounded by the chunk and the number of columns, whatever the number of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from importer.core.fixes import FIXES, FixRequest
from importer.core.fixes_columns import FixPlan, repair, settle
from importer.core.inspect import SourceProfile
from importer.core.inspect_columns import SAMPLE_VALUES, ColumnCounter, Rows, Seen
from importer.core.inspect_findings import profile_columns
from importer.errors import RunInterrupted
from importer.pipeline.inspect_fixes import missing_as_null
from importer.ports import Progress, Source, SourceChunk, SourceDescription, StopSignal

_DISTINCT_IN_ALL: Final = 8_000_000
_DISTINCT_OF_ONE: Final = 1_000_000
_DISTINCT_AT_LEAST: Final = 1_000
_SAMPLED_IN_ALL: Final = 1_000_000
_SAMPLED_AT_LEAST: Final = 200

_FOOTER: Final = (
    "what cannot be read stands below the last row, like the footer of a report: it is rejected and does no harm, or "
    "take it off"
)
_TRIED: Final = tuple(FixRequest(code) for code, fix in FIXES.items() if not fix.needs_value)


@dataclass(slots=True)
class _Read:
    """What was read of a source."""

    rows: int = 0
    blank: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    last_good: int = 0
    first_malformed: int | None = None
    is_complete: bool = True

    def has_footer(self) -> bool:
        """Tell whether what cannot be read stands below all rows that can."""
        return self.first_malformed is not None and self.first_malformed > self.last_good > 0

    def add(self, chunk: SourceChunk) -> None:
        """Take in what a chunk says of itself."""
        self.reasons.update(chunk.malformed["reason"].to_list())
        self.blank += int(chunk.blank.sum())
        if self.first_malformed is None and chunk.malformed.height:
            self.first_malformed = self.rows + 1 + int((chunk.row_number < chunk.malformed["row_number"][0]).sum())
        good = chunk.row_number.filter(~chunk.blank)
        self.rows += chunk.frame.height + chunk.malformed.height
        if good.len():
            below = int((chunk.malformed["row_number"] > good[-1]).sum()) + int((chunk.row_number > good[-1]).sum())
            self.last_good = self.rows - below


def inspect_source(
    source: Source, progress: Progress, stop: StopSignal, *, sample_rows: int | None = None
) -> SourceProfile:
    """Look at a source.

    Args:
        source: Read once, and a second time where some column has damage that a repair might mend.
        progress: Told how far it is.
        stop: Ends the look.
        sample_rows: Look at so many rows from the start; at all of them if None.

    Raises:
        SourceError: the source cannot be read to its end.
        RunInterrupted: somebody asked to stop.
    """
    description = source.describe()
    width = max(1, len(description.columns))
    bound = max(_DISTINCT_AT_LEAST, min(_DISTINCT_OF_ONE, _DISTINCT_IN_ALL // width))
    sampled = max(_SAMPLED_AT_LEAST, min(SAMPLE_VALUES, _SAMPLED_IN_ALL // width))
    floats = frozenset(description.floats)
    counters = {name: ColumnCounter(name, bound, sampled, is_float=name in floats) for name in description.columns}
    read = _Read()
    progress.stage("look at columns", sample_rows)
    for chunk in _chunks(source, sample_rows, read, progress, stop):
        frame = missing_as_null(chunk.frame)
        rows = Rows(chunk.file_index, chunk.row_number, chunk.line)
        for column in frame:
            counters[column.name].add(column, rows)
    repairs = _count_repairs(source, _plan(counters), sample_rows, progress, stop)
    return _profile(description, counters, repairs, read)


def _chunks(
    source: Source, sample_rows: int | None, read: _Read, progress: Progress, stop: StopSignal
) -> Iterator[SourceChunk]:
    """Yield chunks without their blank lines, cut off after the sample."""
    for whole in source.chunks():
        if stop.is_set():
            raise RunInterrupted("stopped while the source was read", hint="start it again")
        chunk = whole
        if sample_rows is not None:
            chunk = _first_rows(whole, sample_rows - read.rows)
            read.is_complete = chunk is whole
        read.add(chunk)
        yield _filtered(chunk, ~chunk.blank) if chunk.blank.any() else chunk
        progress.advance(chunk.frame.height + chunk.malformed.height)
        if not read.is_complete:
            return


def _first_rows(chunk: SourceChunk, count: int) -> SourceChunk:
    """Return the first rows of a chunk, malformed ones counted; the chunk itself if it has no more."""
    if chunk.frame.height + chunk.malformed.height <= count:
        return chunk
    numbers = pl.concat([chunk.row_number, chunk.malformed["row_number"]]).sort()
    last = int(numbers[count - 1]) if count else 0
    cut = _filtered(chunk, chunk.row_number <= last)
    return replace(cut, malformed=chunk.malformed.filter(pl.col("row_number") <= last))


def _filtered(chunk: SourceChunk, kept: pl.Series) -> SourceChunk:
    return SourceChunk(
        chunk.file_index,
        chunk.frame.filter(kept),
        chunk.row_number.filter(kept),
        chunk.line.filter(kept) if chunk.line is not None else None,
        chunk.blank.filter(kept),
        chunk.malformed,
    )


def _plan(counters: Mapping[str, ColumnCounter]) -> FixPlan:
    """Return the repairs that may change something, as a run with all of them would make them."""
    evidence = {name: counter.evidence for name, counter in counters.items()}
    settled = settle(_TRIED, [name for name, counter in counters.items() if not counter.is_list], evidence).plan
    plan = {}
    for name, fixes in settled.items():
        shown = counters[name].symptoms
        hopeful = [fix for fix in fixes if fix.code in shown or not _shows_itself(fix.code)]
        if hopeful:
            plan[name] = tuple(hopeful)
    return plan


def _shows_itself(code: str) -> bool:
    """Tell whether single cells show what a repair mends; the column settles the other repairs."""
    return code in {
        "excel-wrapper",
        "invisible-characters",
        "non-breaking-spaces",
        "mojibake",
        "scientific-exact",
    }


def _count_repairs(
    source: Source, plan: FixPlan, sample_rows: int | None, progress: Progress, stop: StopSignal
) -> dict[str, dict[str, Seen]]:
    """Count the cells that each repair would change, by column and code."""
    found: dict[str, dict[str, Seen]] = {}
    if not plan:
        return found
    progress.stage("try repairs", sample_rows)
    for chunk in _chunks(source, sample_rows, _Read(), progress, stop):
        rows = Rows(chunk.file_index, chunk.row_number, chunk.line)
        for column in missing_as_null(
            chunk.frame.select(name for name in plan if chunk.frame.schema[name] == pl.String)
        ):
            for code, mask in repair(column, plan[column.name])[1].items():
                place = rows.place(int(mask.arg_max() or 0))
                found.setdefault(column.name, {}).setdefault(code, Seen()).add(int(mask.sum()), place)
    return found


def _profile(
    description: SourceDescription,
    counters: Mapping[str, ColumnCounter],
    repairs: Mapping[str, Mapping[str, Seen]],
    read: _Read,
) -> SourceProfile:
    files = tuple(file.name for file in description.files)
    dialect = description.dialect
    return SourceProfile(
        kind=description.kind,
        files=files,
        rows=read.rows,
        blank=read.blank,
        malformed=read.reasons.total(),
        columns=profile_columns(list(counters.values()), repairs, files),
        is_complete=read.is_complete,
        encoding=dialect.encoding if dialect is not None else None,
        delimiter=dialect.delimiter if dialect is not None else None,
        line_terminator=dialect.line_terminator if dialect is not None else None,
        compression=dialect.compression if dialect is not None else None,
        malformed_reasons=dict(sorted(read.reasons.items())),
        unsupported=dict(description.unsupported),
        naive=description.naive,
        notes=(*description.notes, _FOOTER) if read.has_footer() else description.notes,
    )
