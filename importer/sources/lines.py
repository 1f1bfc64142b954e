r"""Row numbers and physical lines, from offsets alone.

A line ends at ``\n``, ``\r\n`` or a lone ``\r``, inside quotes as outside. Everything here is numpy over the value
buffers of one stretch of rows: no loop over rows, except over the few malformed ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from importer.core.characters import byte_pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from importer.core.characters import Offsets, TextBytes

Ints = npt.NDArray[np.int64]
_LF, _CR = 10, 13
_LINE_END = re.compile(r"\r\n|\r|\n")


def count_line_ends(text: str) -> int:
    """Count the line ends inside a text."""
    return len(_LINE_END.findall(text))


def values_of(column: pa.Array) -> tuple[npt.NDArray[np.uint8], Offsets]:
    """Return bytes and offsets (rows + 1, from 0, 32 bits) of a binary or string column, without copying the bytes."""
    _, offset_buffer, value_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, count=len(column) + 1, offset=4 * column.offset)
    first, last = int(offsets[0]), int(offsets[-1])
    if value_buffer is None or first == last:
        return np.empty(0, np.uint8), np.zeros(len(column) + 1, np.int32)
    values = np.frombuffer(value_buffer, np.uint8, count=last - first, offset=first)
    return values, offsets - first if first else offsets


@dataclass(frozen=True, slots=True)
class LineEnds:
    """Line ends inside the cells of one stretch of rows.

    Attributes:
        per_row: Line ends inside each row.
        cells: For each column that has any: its position, the rows concerned (ascending) and their counts.
    """

    per_row: Ints
    cells: tuple[tuple[int, Ints, Ints], ...]


def line_ends_in_cells(
    columns: Sequence[pa.Array], held: Sequence[TextBytes], row_count: int, *, lone_cr: bool
) -> LineEnds:
    """Find the line ends inside cells.

    Args:
        columns: Binary columns of one length.
        held: What the bytes of each column allow for.
        row_count: The length of the columns.
        lone_cr: Whether the file has any carriage return; without one the search for them is saved.
    """
    per_row = np.zeros(row_count, np.int64)
    cells: list[tuple[int, Ints, Ints]] = []
    for position, column in enumerate(columns):
        if not held[position].broken:
            continue
        values, offsets = values_of(column)
        rows = _rows_of(offsets, _places_of(_LF, values))
        if lone_cr:
            rows = np.concatenate([rows, _rows_of_lone_cr(offsets, values)])
        if not rows.size:
            continue
        counts = np.bincount(rows, minlength=row_count)
        per_row += counts
        hit = np.flatnonzero(counts)
        cells.append((position, hit, counts[hit]))
    return LineEnds(per_row, tuple(cells))


def _places_of(byte: int, values: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    found = [start + np.flatnonzero(piece == byte) for start, piece in byte_pieces(values)]
    return np.concatenate(found) if found else np.empty(0, np.intp)


def _rows_of(offsets: Offsets, places: npt.NDArray[np.intp]) -> Ints:
    # Empty cells share their offset with the next one; the last of equals is the cell that holds the byte.
    after: Ints = np.searchsorted(offsets, places, side="right").astype(np.int64)
    return after - 1


def _rows_of_lone_cr(offsets: Offsets, values: npt.NDArray[np.uint8]) -> Ints:
    places = _places_of(_CR, values)
    if not places.size:
        return np.empty(0, np.int64)
    rows = _rows_of(offsets, places)
    following = values.take(places + 1, mode="clip")  # behind the last byte, that byte again: it is no line feed
    paired = (following == _LF) & (places + 1 < offsets[rows + 1])
    lone: Ints = rows[~paired]
    return lone


def row_numbers(first: int, row_count: int, malformed: Ints) -> Ints:
    """Number the good rows of a stretch: consecutive from `first`, passing over the malformed ones.

    Args:
        first: Number of the stretch's first row, good or malformed.
        row_count: Good rows.
        malformed: Ascending numbers of malformed rows, all at least `first`; later ones do no harm.
    """
    good = np.ones(row_count + malformed.size, np.bool_)
    places = malformed - first
    good[places[places < good.size]] = False
    numbers: Ints = first + np.flatnonzero(good)[:row_count]
    return numbers


def first_lines(first: int, end: int, first_line: int, extra: Sequence[tuple[Ints, Ints]]) -> tuple[Ints, int]:
    """Give each row of a stretch the line it begins on.

    Args:
        first: Number of the stretch's first row.
        end: One past its last row.
        first_line: Line on which row `first` begins.
        extra: Pairs of row numbers and the line ends inside those rows.

    Returns:
        The lines of rows ``first .. end - 1``, and the line on which row `end` begins.
    """
    taken = np.ones(end - first, np.int64)
    for numbers, counts in extra:
        taken[numbers - first] += counts
    after = first_line + np.cumsum(taken)
    next_line = int(after[-1]) if taken.size else first_line
    return after - taken, next_line
