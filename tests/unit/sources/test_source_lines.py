"""Line ends inside cells, found in the bytes of a whole column."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from importer.core.characters import PIECE_BYTES, bytes_held
from importer.sources.lines import line_ends_in_cells, values_of


def line_ends(cells: list[bytes | None], *, lone_cr: bool) -> list[int]:
    """Count the line ends of each row of a column."""
    column = pa.array(cells, pa.binary())
    held = bytes_held(*values_of(column), column.null_count)
    return list(line_ends_in_cells([column], [held], len(cells), lone_cr=lone_cr).per_row)


@pytest.mark.parametrize("before", [-2, -1, 0, 1])
def test_line_ends_are_found_wherever_they_stand_in_a_long_column(before: int) -> None:
    """Around the edge of the pieces that a column is looked at in as well, and in its last byte."""
    cells = [
        b"x" * (PIECE_BYTES + before - 1) + b"\r\n",
        b"\n\r",
        b"\ny",
        None,
        b"",
        b"z" * PIECE_BYTES + b"\r\n\r" + b"z" * PIECE_BYTES + b"\n",
        b"\r",
    ]
    assert line_ends(cells, lone_cr=True) == [len(re.findall(rb"\r\n|\r|\n", cell or b"")) for cell in cells]


def test_a_column_without_carriage_returns_is_not_searched_for_them() -> None:
    """The same, where no carriage return has passed."""
    assert line_ends([b"a\nb\n", b"c", b"\n" * 3], lone_cr=False) == [2, 0, 3]
