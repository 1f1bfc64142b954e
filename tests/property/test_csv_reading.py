"""Whatever a file is made of, each row comes back with the number and the line it was written with."""

from __future__ import annotations

import csv
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.ports import SourceOptions
from importer.sources.csv_file import CsvSource
from importer.sources.csv_pass import ReadLimits
from importer.sources.files import inspect_file

LINE_END = re.compile(r"\r\n|\r|\n")
PLAIN = st.text(alphabet="abcXYZ 0123456789'é\\", max_size=12)
QUOTED = st.text(alphabet='ab,;\t|" é', max_size=12)
LINES = st.text(alphabet='ab \n\ré"', min_size=1, max_size=10)


@dataclass(frozen=True)
class Written:
    """A row as it is written: its text, and its cells or None when it is malformed."""

    text: str
    cells: tuple[str | None, ...] | None


def write_cell(cell: str | None, delimiter: str, *, quote: bool) -> str:
    """Write one cell; None is unquoted and empty."""
    if cell is None:
        return ""
    if quote or not cell or any(char in cell for char in (delimiter, '"', "\n", "\r")):
        return '"' + cell.replace('"', '""') + '"'
    return cell


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, str, int, list[Written], list[str], bool]:
    """Draw a delimiter, an encoding, a width, rows, their line ends, and whether the last line ends."""
    delimiter = draw(st.sampled_from(",;\t|"))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"]))
    width = draw(st.integers(2, 5))
    cell = st.one_of(st.none(), PLAIN, QUOTED, LINES)
    rows = []
    for _ in range(draw(st.integers(1, 40))):
        kind = draw(st.sampled_from(["good", "good", "good", "blank", "short", "long"]))
        if kind == "blank":
            rows.append(Written("", (None,) * width))
            continue
        size = {"good": width, "short": draw(st.integers(1, width - 1)), "long": width + draw(st.integers(1, 3))}[kind]
        cells = [draw(cell) for _ in range(size)]
        if kind == "short" and cells == [None]:
            cells = ["x"]
        if kind == "long":
            cells[-1] = "x"
        text = delimiter.join(write_cell(one, delimiter, quote=draw(st.booleans())) for one in cells)
        # A line of nothing but white space is a blank line, whatever its width.
        filled = tuple(cells) if kind == "good" else None if text.strip() else (None,) * width
        rows.append(Written(text, filled))
    style = draw(st.sampled_from(["\n", "\r\n", "\r", "mixed"]))
    ends = [draw(st.sampled_from(["\n", "\r\n"])) if style == "mixed" else style for _ in rows]
    closed = draw(st.booleans()) or not rows[-1].text
    return delimiter, encoding, width, rows, ends, closed


@given(
    tables(),
    st.sampled_from([16, 48, 200, 4096, 1 << 20]),
    st.sampled_from([1, 3, 10, 1000]),
    st.integers(0, 3),
)
@settings(max_examples=250, deadline=None)
def test_rows_come_back_with_number_and_line(
    table: tuple[str, str, int, list[Written], list[str], bool], block_bytes: int, chunk_rows: int, skip_lines: int
) -> None:
    """Any mix of good, blank, short and long rows keeps its numbers, lines, cells and raw text."""
    delimiter, encoding, width, rows, ends, closed = table
    title = "".join(f"title {number}{ends[0]}" for number in range(skip_lines))
    header = delimiter.join(f"col{number}" for number in range(width)) + ends[0]
    texts = [row.text + end for row, end in zip(rows, ends, strict=True)]
    content = title + header + "".join(texts)
    if not closed:
        content = content[: -len(ends[-1])]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(content.encode(encoding))
        options = SourceOptions(
            delimiter=delimiter,
            encoding=encoding if encoding in {"latin-1", "cp1252"} else "auto",
            skip_lines=skip_lines,
            allow_empty=True,
        )
        limits = ReadLimits(block_bytes=block_bytes, chunk_rows=chunk_rows)
        source = CsvSource([(inspect_file("table.csv", str(path)), None)], options, limits)
        chunks = list(source.chunks())
        plain = source.describe().dialect
    assert plain is not None

    # Blank lines alone are no rows: the file then has none.
    expected = expected_rows(rows, ends, skip_lines + 2) if any(row.text for row in rows) else []
    found: list[tuple[int, int, bool, tuple[str | None, ...] | None, str | None]] = []
    for chunk in chunks:
        assert chunk.line is not None
        columns = zip(chunk.row_number, chunk.line, chunk.blank, chunk.frame.rows(), strict=True)
        found += [(number, line, blank, cells, None) for number, line, blank, cells in columns]
        for number, line, raw in chunk.malformed.select("row_number", "line", "raw").rows():
            found.append((number, line, False, None, raw.decode(plain.encoding)))
    assert sorted(found, key=lambda row: row[0]) == expected


def expected_rows(
    rows: list[Written], ends: list[str], first_line: int
) -> list[tuple[int, int, bool, tuple[str | None, ...] | None, str | None]]:
    """Number rows and lines one by one, as a person would."""
    expected = []
    line = first_line
    for number, (row, _) in enumerate(zip(rows, ends, strict=True), 1):
        blank = row.cells is not None and all(cell is None for cell in row.cells)
        expected.append((number, line, blank, row.cells, None if row.cells is not None else row.text))
        line += 1 + len(LINE_END.findall(row.text))
    return expected


@given(st.lists(st.tuples(PLAIN, QUOTED, LINES), min_size=1, max_size=30), st.sampled_from([64, 4096]))
@settings(max_examples=50, deadline=None)
def test_what_the_standard_library_writes_is_read_back(rows: list[tuple[str, str, str]], block_bytes: int) -> None:
    """A file of the csv module comes back cell by cell."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        with path.open("w", newline="", encoding="utf-8") as content:
            writer = csv.writer(content, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerows([("a", "b", "c"), *rows])
        source = CsvSource(
            [(inspect_file("table.csv", str(path)), None)],
            SourceOptions(delimiter=","),
            ReadLimits(block_bytes=block_bytes, chunk_rows=7),
        )
        frame = pl.concat([chunk.frame for chunk in source.chunks()])
    assert frame.rows() == rows
