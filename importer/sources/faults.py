"""Rows that have the right number of fields and are still no rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy.ma  # noqa: F401 - polars asks it about every array; at start-up, not while the first rows are waited for
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from importer.sources.decode import BAD_BYTES_PATTERN
from importer.sources.lines import values_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from importer.sources.feed import Seen
    from importer.sources.header import Layout
    from importer.sources.lines import LineEnds

_FEWEST_SWALLOWED = 2
_RUNAWAY_LINES = 100
_FEWEST_OF_HEADER = 2
_QUOTE = '"'


@dataclass(frozen=True, slots=True)
class Fault:
    """A row to be taken out of a frame.

    Attributes:
        row: Position in the frame.
        reason: Kebab-case.
        message: For people, without cell values.
        cells: The row's cells, None for an unquoted empty one.
    """

    row: int
    reason: str
    message: str
    cells: tuple[str | None, ...] = field(repr=False)


def find_faults(
    layout: Layout, frame: pl.DataFrame, columns: Sequence[pa.Array], seen: Seen, ends: LineEnds | None
) -> list[Fault]:
    """Find the rows of a frame that are no rows, each with its first cause, ascending.

    Args:
        layout: Of the file.
        frame: The named columns as text.
        columns: All columns as bytes, one without a name included.
        seen: What has passed in the file: what has not need not be looked for.
        ends: Line ends inside cells, None where there can be none.
    """
    causes: dict[int, tuple[str, str]] = {}

    def note(rows: Iterable[int], reason: str, message: str) -> None:
        for row in rows:
            causes.setdefault(row, (reason, message))

    if seen.bad_bytes:
        note(_rows_where(frame, pl.all().str.contains(BAD_BYTES_PATTERN)), "bad-bytes", "bytes that are no text")
    if seen.nul:
        note(_rows_where(frame, pl.all().str.contains("\0", literal=True)), "nul-byte", "a NUL byte in a cell")
    if ends is not None:
        for row, count in _runaway_rows(columns, layout, ends):
            note([row], "runaway-quote", f"a quoted cell swallows {count} line ends and what looks like rows")
    if layout.has_unnamed_last:
        extra = columns[-1].to_pylist() if columns[-1].null_count < len(columns[-1]) else []
        rows = [row for row, cell in enumerate(extra) if cell]
        note(rows, "too-many-fields", "a value in the last column, which has no name")
    note(_headers_again(frame, columns), "repeated-header", "the header again, as where files were put together")
    return [Fault(row, *causes[row], cells=_cells(columns, row)) for row in sorted(causes)]


def _rows_where(frame: pl.DataFrame, condition: pl.Expr) -> list[int]:
    hit = frame.select(pl.any_horizontal(condition).fill_null(value=False)).to_series()
    return hit.arg_true().to_list()


def _headers_again(frame: pl.DataFrame, columns: Sequence[pa.Array]) -> list[int]:
    """Find rows of which every cell is its column's name; of a single column that may be a value."""
    first = frame.to_series(0)
    if frame.width < _FEWEST_OF_HEADER or first.name.encode() not in values_of(columns[0])[0].tobytes():
        return []
    found = first.str.contains(first.name, literal=True).arg_true()
    alike = [_like_name(column) for column in frame[found]]
    return found.filter(pl.DataFrame(alike).select(pl.all_horizontal(pl.all())).to_series()).to_list()


def _like_name(column: pl.Series) -> pl.Series:
    # A file that was put behind another one may have brought its byte order mark.
    return (column.str.strip_chars("\ufeff \t") == column.name).fill_null(value=False)


def _cells(columns: Sequence[pa.Array], row: int) -> tuple[str | None, ...]:
    values = [column[row].as_py() for column in columns]
    return tuple(None if value is None else value.decode() for value in values)


def _runaway_rows(columns: Sequence[pa.Array], layout: Layout, ends: LineEnds) -> list[tuple[int, int]]:
    """Find cells whose text is the rest of one row, perhaps whole rows, and the beginning of another.

    A stray quote in a column and the next one in the same column some rows later leave a row of the right width. Its
    cell then holds, for each line end, exactly the delimiters between two such places. Prose hardly ever does, and
    where it does, blanks follow its commas.
    """
    between = layout.field_count - 1
    found: list[tuple[int, int]] = []
    for position, rows, counts in ends.cells:
        if position >= len(layout.columns):
            continue
        cells = columns[position].take(pa.array(rows))
        delimiters = pc.count_substring(cells, layout.delimiter).to_numpy()
        if between:
            hit = (delimiters == counts * between) & (delimiters >= _FEWEST_SWALLOWED)
            hit |= (counts > _RUNAWAY_LINES) & (delimiters * 2 >= counts * between)
        else:
            hit = counts > _RUNAWAY_LINES
        if not hit.any():
            continue
        spaced = pc.count_substring(cells, layout.delimiter + " ").to_numpy()
        hit &= (spaced * 2 < delimiters) | (delimiters == 0)
        found += zip(rows[hit].tolist(), counts[hit].tolist(), strict=True)
    return found


def write_row(cells: Sequence[str | None], delimiter: str) -> str:
    """Write a row again as it may have stood in the file; an empty text is quoted, a missing one is not."""
    special = {delimiter, _QUOTE, "\n", "\r"}
    return delimiter.join(
        ""
        if cell is None
        else f'"{cell.replace(_QUOTE, _QUOTE * 2)}"'
        if not cell or special.intersection(cell)
        else cell
        for cell in cells
    )


def ends_in_open_quote(text: str, delimiter: str) -> bool:
    """Tell whether a row's text ends inside a quoted cell; a quote opens only at the beginning of a cell."""
    quoted = False
    at_start = True
    position = 0
    while position < len(text):
        char = text[position]
        if quoted:
            if char == _QUOTE and text[position + 1 : position + 2] == _QUOTE:
                position += 1
            elif char == _QUOTE:
                quoted = False
        elif char == _QUOTE and at_start:
            quoted = True
        at_start = not quoted and char == delimiter
        position += 1
    return quoted


def tail_is_open_quote(last_cell: bytes | None, tail: bytes, delimiter: str) -> bool:
    """Tell whether a file's last cell was opened by a quote and ended by the end of the file.

    Args:
        last_cell: As it was read; None for an unquoted empty one.
        tail: The file's last bytes.
        delimiter: Of the file.
    """
    if last_cell is None:
        return False
    opened = b'"' + last_cell.replace(b'"', b'""')
    if len(opened) >= len(tail):
        # The cell fills all that was kept of the file: only a closed one ends with its quote.
        return bool(opened.endswith(tail))
    end = len(tail) - (2 if tail.endswith(b"\r\n") else 1 if tail.endswith((b"\n", b"\r")) else 0)
    if tail.endswith(opened + b'"', 0, end):
        return False
    before = tail[-len(opened) - 1 : -len(opened)]
    return tail.endswith(opened) and before in {delimiter.encode(), b"\n", b"\r"}
