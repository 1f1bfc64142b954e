"""rejected.csv and rejected-malformed.txt: the rows as they stood in the source, to be mended."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.ports import MALFORMED_SCHEMA, Dialect
from importer.reports.rejected_files import RejectedSink
from tests.support.fakes import malformed_frame


def rejected_bytes(tmp_path: Path, dialect: Dialect | None, frame: pl.DataFrame) -> bytes:
    """Write rows and return what rejected.csv holds."""
    sink = RejectedSink(tmp_path, dialect, frame.columns)
    numbers = pl.Series(range(1, frame.height + 1), dtype=pl.UInt64)
    sink.append(frame, numbers, numbers + 1, pl.Series(["too-long;invalid-email"] * frame.height))
    assert sink.close() == ("rejected.csv",)
    return (tmp_path / "rejected.csv").read_bytes()


@pytest.mark.parametrize(
    ("dialect", "python_encoding"),
    [
        (None, "utf-8"),
        (Dialect(";", "latin-1", line_terminator="\r\n"), "latin-1"),
        (Dialect("\t", "utf-16-le", has_bom=True), "utf-16"),
        (Dialect("|", "utf-8", has_bom=True), "utf-8-sig"),
        (Dialect(",", "cp1252", quote="", compression="gz"), "cp1252"),
    ],
)
def test_rejected_rows_keep_the_dialect(tmp_path: Path, dialect: Dialect | None, python_encoding: str) -> None:
    """Delimiter, encoding, mark and line ends are the source's; three columns follow."""
    frame = pl.DataFrame({"näme": ["Zoë;\t,|", 'say "hi"', "", None], "b": ["x\ny", "1", "2", "3"]})
    raw = rejected_bytes(tmp_path, dialect, frame)
    text = raw.decode(python_encoding)
    dialect = dialect or Dialect(",", "utf-8")
    assert text.endswith(dialect.line_terminator)
    assert not text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter, strict=True))
    assert rows[0] == ["näme", "b", "_row_number", "_line", "_codes"]
    assert rows[1] == ["Zoë;\t,|", "x\ny", "1", "2", "too-long;invalid-email"]
    assert rows[2][0] == 'say "hi"'
    lines = text.split(dialect.line_terminator)
    assert lines[-3].startswith('""' + dialect.delimiter)
    assert lines[-2].startswith(dialect.delimiter)


CELLS = st.none() | st.text(st.characters(codec="latin-1") | st.sampled_from('";\r\n'), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_rejected_csv_round_trips(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, ...]]) -> None:
    """Whatever the values are, the standard library reads the original values from rejected.csv."""
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    raw = rejected_bytes(tmp_path_factory.mktemp("rejected"), Dialect(";", "latin-1"), frame)
    read = list(csv.reader(io.StringIO(raw.decode("latin-1"), newline=""), delimiter=";", strict=True))
    assert [row[:2] for row in read[1:]] == [[cell or "" for cell in row] for row in rows]


def test_codes_as_lists_and_rows_without_lines(tmp_path: Path) -> None:
    """Codes may come as lists; a source without lines leaves the column empty; lists are JSON."""
    sink = RejectedSink(tmp_path, None, ["tags"])
    sink.append(pl.DataFrame({"tags": [["a", "b"]]}), pl.Series([7]), None, pl.Series([["x-y", "z"]]))
    sink.append(pl.DataFrame({"tags": [["c"]]}), pl.Series([9]), None, pl.Series([["x-y"]]))
    sink.close()
    with (tmp_path / "rejected.csv").open(encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    assert rows[1:] == [['["a","b"]', "7", "", "x-y;z"], ['["c"]', "9", "", "x-y"]]
    assert sink.row_count == 2


def test_rows_of_several_files_name_theirs(tmp_path: Path) -> None:
    """Row numbers count in their file, so rows of a glob name it."""
    sink = RejectedSink(tmp_path, None, ["a"], ["one.csv", "two.csv"])
    sink.append(pl.DataFrame({"a": ["x"]}), pl.Series([1]), pl.Series([2]), pl.Series(["c"]), file_index=1)
    sink.append(pl.DataFrame({"a": ["y"]}), pl.Series([2]), pl.Series([3]), pl.Series(["c"]))
    sink.append_malformed(malformed_frame(b"a,b"), file_index=1)
    sink.close()
    assert (tmp_path / "rejected.csv").read_text() == "a,_row_number,_line,_codes,_file\nx,1,2,c,two.csv\ny,2,3,c,\n"
    assert "# two.csv, row 3, line 4: " in (tmp_path / "rejected-malformed.txt").read_text()


def test_columns_of_an_earlier_rejected_csv_are_replaced(tmp_path: Path) -> None:
    """Importing rejected.csv again does not pile up its columns; a source's own column of that name stays."""
    earlier = ["a", "_row_number", "_line", "_codes"]
    sink = RejectedSink(tmp_path, None, earlier)
    frame = pl.DataFrame({name: ["old"] for name in earlier})
    sink.append(frame, pl.Series([1]), pl.Series([2]), pl.Series(["new"]))
    sink.close()
    assert (tmp_path / "rejected.csv").read_text() == "a,_row_number,_line,_codes\nold,1,2,new\n"
    sink = RejectedSink(tmp_path, None, ["_line", "a"])
    sink.append(frame, pl.Series([1]), pl.Series([2]), pl.Series(["new"]))
    sink.close()
    assert (tmp_path / "rejected.csv").read_text() == "_line,a,_row_number,__line,_codes\nold,old,1,2,new\n"


def test_rows_wait_until_there_are_many_and_come_in_their_order(tmp_path: Path) -> None:
    """Writing has a price whatever the rows, so they are written together; a column may turn from text to lists."""
    sink = RejectedSink(tmp_path, None, ["a"])
    expected, begun = [], 0
    for chunk in range(30):
        numbers = range(1000 * chunk, 1000 * chunk + 1000)
        is_list = chunk % 20 == 15
        frame = pl.DataFrame({"a": [[f"v{number}"] if is_list else f"v{number}" for number in numbers]})
        sink.append(frame, pl.Series(numbers), None, pl.Series(["c"]).new_from_index(0, len(numbers)))
        expected += [[f'["v{number}"]' if is_list else f"v{number}", str(number), "", "c"] for number in numbers]
        begun += chunk == 8 and (tmp_path / ".rejected.csv.part").stat().st_size > 1000
    assert (begun, (tmp_path / ".rejected.csv.part").stat().st_size > 100_000) == (0, True)
    sink.close()
    with (tmp_path / "rejected.csv").open(encoding="utf-8") as stream:
        assert list(csv.reader(stream))[1:] == expected


def test_wide_rows_do_not_wait_for_many(tmp_path: Path) -> None:
    """Memory is bounded by what rows hold, not by how many there are."""
    sink = RejectedSink(tmp_path, None, ["a"])
    part = tmp_path / ".rejected.csv.part"
    for number in range(12):
        sink.append(pl.DataFrame({"a": ["x" * 2**20]}), pl.Series([number]), None, pl.Series(["c"]))
    assert part.stat().st_size > 8 * 2**20
    sink.close()
    assert (tmp_path / "rejected.csv").read_text().count("\n") == 13


def test_rows_that_wait_keep_no_more_than_their_own(tmp_path: Path) -> None:
    """A few rows that were taken from a chunk would keep all of its texts in memory."""
    before = pa.total_allocated_bytes()
    texts = pa.array([f"a text that is no short one, number {number}" for number in range(100_000)])
    chunk = pl.Series("a", texts.cast(pa.string_view()))
    del texts
    assert pa.total_allocated_bytes() - before > 4_000_000
    sink = RejectedSink(tmp_path, None, ["a"])
    sink.append(chunk[pl.Series([7], dtype=pl.UInt32)].to_frame(), pl.Series([7]), None, pl.Series(["c"]))
    del chunk
    assert pa.total_allocated_bytes() - before < 100_000
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_nothing_rejected_is_no_file(tmp_path: Path) -> None:
    """A run without rejected rows has no rejected files."""
    sink = RejectedSink(tmp_path, None, ["a"])
    sink.append(pl.DataFrame({"a": []}, schema={"a": pl.String}), pl.Series([]), None, pl.Series([]))
    sink.append_malformed(MALFORMED_SCHEMA.to_frame())
    assert sink.close() == ()
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_malformed_rows_are_kept_byte_for_byte(tmp_path: Path) -> None:
    """Bad bytes stand as they were, under the header and a line that says what is wrong."""
    sink = RejectedSink(tmp_path, Dialect(",", "utf-8"), ["a", "b"])
    sink.append_malformed(malformed_frame(b"1,2,\xff3", b'4,"5\n6"\n'))
    sink.append_malformed(malformed_frame(b"7"))
    assert sink.close() == ("rejected-malformed.txt",)
    assert (tmp_path / "rejected-malformed.txt").read_bytes() == (
        b"a,b\n"
        b"# row 3, line 4: 5 fields where the header has 3\n1,2,\xff3\n"
        b'# row 4, line 4: 5 fields where the header has 3\n4,"5\n6"\n'
        b"# row 3, line 4: 5 fields where the header has 3\n7\n"
    )
    assert sink.malformed_count == 3


def test_malformed_rows_in_utf_16(tmp_path: Path) -> None:
    """Comments are in the file's own encoding, so the whole file opens as one text."""
    sink = RejectedSink(tmp_path, Dialect(",", "utf-16-le", has_bom=True, line_terminator="\r\n"), ["a"])
    sink.append_malformed(malformed_frame("é,x".encode("utf-16-le")).with_columns(line=pl.lit(None, dtype=pl.UInt64)))
    sink.close()
    text = (tmp_path / "rejected-malformed.txt").read_bytes().decode("utf-16")
    assert text == "a\r\n# row 3: 5 fields where the header has 3\r\né,x\r\n"
