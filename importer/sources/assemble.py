"""From a stretch of raw rows to a chunk: row numbers, lines, text columns, and the rows that are none.

No cell value enters a message. Rows are only ever moved from the frame to the malformed ones, never dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from importer.core.characters import TextBytes, bytes_held
from importer.errors import SourceError
from importer.ports import MALFORMED_SCHEMA, SourceChunk
from importer.sources.decode import BAD_BYTES, restore_bytes
from importer.sources.faults import Fault, ends_in_open_quote, find_faults, tail_is_open_quote, write_row
from importer.sources.files import shown
from importer.sources.lines import LineEnds, count_line_ends, first_lines, line_ends_in_cells, row_numbers, values_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.sources.csv_pass import BadRow, FilePlan, Stretch
    from importer.sources.lines import Ints

_LONGEST_BAD_ROW_LINES = 100
_QUOTE_FIX = "close the quote; a quote inside a cell is written as two"
_SIZE_FIX = "close the quote if one is open, or give --max-field (MiB) if the cell is meant to be so large"


@dataclass(frozen=True, slots=True)
class _Malformed:
    number: int
    reason: str
    message: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class _LastRow:
    """How a row ended: its last cell, or all of it where it has too few or too many fields."""

    line: int
    end: bytes | str | None

    def is_open(self, tail: bytes, delimiter: str) -> bool:
        """Tell whether the file ended inside a quoted cell of the row."""
        if isinstance(self.end, str):
            return ends_in_open_quote(self.end, delimiter)
        return tail_is_open_quote(self.end, tail, delimiter)


class Assembler:
    """Turns the stretches of one file, in order, into chunks; it carries how a row ended and where the next begins."""

    def __init__(self, file_index: int, plan: FilePlan, max_field_bytes: int) -> None:
        self._file_index = file_index
        self._plan = plan
        self._max_field_bytes = max_field_bytes
        self._next_line = plan.layout.data_line
        self._last = _LastRow(plan.layout.data_line, None)

    def assemble(self, stretch: Stretch) -> SourceChunk | None:
        """Return the stretch's rows; None for the end of a file behind its last row.

        Raises:
            SourceError: a quote that is not closed, or a field beyond the limit: the file's structure is lost.
        """
        if stretch.lost:
            size = f"{self._max_field_bytes / 1024 / 1024:.4g} MiB"
            raise self._lost(
                self._next_line, f"a row begins here that does not end within {size}; is a quote not closed?", _SIZE_FIX
            )
        if stretch.end == stretch.first:
            self._refuse_open_end(stretch)
            return None
        columns = stretch.columns or (pa.array([], pa.binary()),) * self._plan.layout.field_count
        count = len(columns[0])
        bad_numbers = np.array([row.number for row in stretch.bad], np.int64)
        numbers = row_numbers(stretch.first, count, bad_numbers)
        held = [bytes_held(*values_of(column), column.null_count) for column in columns]
        ends = line_ends_in_cells(columns, held, count, lone_cr=stretch.seen.cr) if stretch.seen.quote else None
        lines, next_line = self._lines(stretch, numbers, ends)
        self._refuse_lost_structure(stretch, columns, lines)
        frame = _frame(columns, self._plan.layout.columns)
        faults = find_faults(self._plan.layout, frame, columns, stretch.seen, ends)
        self._refuse_long(faults, lines, numbers, stretch, ends)
        self._refuse_big_fields(columns, held, lines[numbers - stretch.first])
        self._next_line = next_line
        seen = dict(zip(frame.columns, held, strict=False))
        return replace(self._chunk(stretch, frame, numbers, lines, faults), seen=seen)

    def _lines(self, stretch: Stretch, numbers: Ints, ends: LineEnds | None) -> tuple[Ints, int]:
        extra = [(numbers, ends.per_row)] if ends is not None else []
        with_ends = [(row.number, count_line_ends(row.text)) for row in stretch.bad]
        if with_ends:
            pairs = np.array(with_ends, np.int64)
            extra.append((pairs[:, 0], pairs[:, 1]))
        return first_lines(stretch.first, stretch.end, self._next_line, extra)

    def _lost(self, line: int, what: str, fix: str = _QUOTE_FIX) -> SourceError:
        return SourceError(f"{shown(self._plan.file.name)}: line {line}: {what}", hint=fix)

    def _refuse_lost_structure(self, stretch: Stretch, columns: Sequence[pa.Array], lines: Ints) -> None:
        """Refuse a quote that swallows the rest of the file, or a good part of it."""
        for row in stretch.bad:
            line = int(lines[row.number - stretch.first])
            span = count_line_ends(row.text)
            if span > _LONGEST_BAD_ROW_LINES:
                raise self._lost(line, f"a quote opened here closes at line {line + span} or never")
        is_bad = bool(stretch.bad) and stretch.bad[-1].number == stretch.end - 1
        self._last = _LastRow(int(lines[-1]), stretch.bad[-1].text if is_bad else columns[-1][-1].as_py())
        self._refuse_open_end(stretch)

    def _refuse_open_end(self, stretch: Stretch) -> None:
        if stretch.tail is not None and self._last.is_open(stretch.tail, self._plan.layout.delimiter):
            raise self._lost(self._last.line, "a quote is opened here and not closed")

    def _refuse_long(
        self, faults: list[Fault], lines: Ints, numbers: Ints, stretch: Stretch, ends: LineEnds | None
    ) -> None:
        for fault in faults:
            if fault.reason != "runaway-quote" or ends is None:
                continue
            span = int(ends.per_row[fault.row])
            if span > _LONGEST_BAD_ROW_LINES:
                line = int(lines[int(numbers[fault.row]) - stretch.first])
                raise self._lost(line, f"a quote opened here closes at line {line + span} and swallows rows")

    def _refuse_big_fields(self, columns: Sequence[pa.Array], held: Sequence[TextBytes], lines: Ints) -> None:
        for column, bytes_ in zip(columns, held, strict=True):
            if bytes_.longest > self._max_field_bytes:
                line = int(lines[int(np.diff(values_of(column)[1]).argmax())])
                size = f"{self._max_field_bytes / 1024 / 1024:.4g} MiB"
                raise self._lost(line, f"a field is larger than {size}", _SIZE_FIX)

    def _chunk(
        self, stretch: Stretch, frame: pl.DataFrame, numbers: Ints, lines: Ints, faults: list[Fault]
    ) -> SourceChunk:
        encoding = self._plan.encoding
        layout = self._plan.layout
        # Between rows of several columns, a line of nothing but white space is a blank line.
        blank = np.array([row.number for row in stretch.bad if not row.text.strip()], np.int64)
        found = [_wrong_width(row, encoding) for row in stretch.bad if row.text.strip()]
        if faults:
            found += [
                _Malformed(
                    int(numbers[fault.row]),
                    fault.reason,
                    fault.message,
                    restore_bytes(write_row(fault.cells, layout.delimiter), encoding),
                )
                for fault in faults
            ]
            keep = np.ones(frame.height, np.bool_)
            keep[[fault.row for fault in faults]] = False
            frame, numbers = frame.filter(pl.Series(keep)), numbers[keep]
        if blank.size:
            numbers = np.concatenate([numbers, blank])
            order = np.argsort(numbers)
            numbers = numbers[order]
            frame = pl.concat([frame, frame.clear(blank.size)])[order]
        found.sort(key=lambda row: row.number)
        return SourceChunk(
            file_index=self._file_index,
            frame=frame,
            row_number=_u64("row_number", numbers),
            line=_u64("line", lines[numbers - stretch.first]),
            blank=_blank(frame, only_column=layout.field_count == 1),
            malformed=_malformed_frame(found, lines, stretch.first),
        )


def _frame(columns: Sequence[pa.Array], names: tuple[str, ...]) -> pl.DataFrame:
    """Show binary columns as text without a copy of it: the stream below let only valid UTF-8 through.

    The views are made by Arrow: polars wakes its threads for it and takes twice the processor time. One call casts all
    columns, so that the interpreter is given back and taken again once.
    """
    texts = [
        pa.Array.from_buffers(pa.utf8(), len(column), column.buffers(), offset=column.offset)
        for column in columns[: len(names)]
    ]
    views = pa.struct([(name, pa.string_view()) for name in names])
    rows = pa.StructArray.from_arrays(texts, names=list(names)).cast(views)
    frame = pl.from_arrow(pa.RecordBatch.from_struct_array(rows), rechunk=False)
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()


def _blank(frame: pl.DataFrame, *, only_column: bool) -> pl.Series:
    if only_column:
        return frame.select((pl.nth(0).is_null() | pl.nth(0).str.contains(r"^\s+$")).alias("blank")).to_series()
    if any(column.null_count() == 0 for column in frame):
        return pl.Series("blank", np.zeros(frame.height, np.bool_))
    return frame.select(pl.all_horizontal(pl.all().is_null()).alias("blank")).to_series()


def _u64(name: str, values: npt.NDArray[np.int64]) -> pl.Series:
    return pl.Series(name, values.astype(np.uint64), dtype=pl.UInt64)


def _wrong_width(row: BadRow, encoding: str) -> _Malformed:
    reason = "too-few-fields" if row.actual < row.expected else "too-many-fields"
    message = f"{row.actual} fields where the header has {row.expected}"
    if '\\"' in row.text:
        message += '; a quote inside a cell is written as two, not as \\"'
    elif BAD_BYTES.search(row.text):
        message += f"; it also holds bytes that are not {encoding}"
    return _Malformed(row.number, reason, message, restore_bytes(row.text, encoding))


def _malformed_frame(found: list[_Malformed], lines: Ints, first: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "row_number": [row.number for row in found],
            "line": [int(lines[row.number - first]) for row in found],
            "reason": [row.reason for row in found],
            "message": [row.message for row in found],
            "raw": [row.raw for row in found],
        },
        schema=MALFORMED_SCHEMA,
    )
