"""Text files as a source: what is read, and what becomes a malformed row."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from importer.ports import SourceOptions
from importer.sources.csv_file import CsvSource
from importer.sources.csv_pass import ReadLimits
from importer.sources.files import inspect_file
from tests.support.texts import Write, chunks_of, described, malformed_of, refusal, rows_of, writer


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and return its path."""
    return writer(tmp_path)


def test_empty_and_quoted_empty_cells_differ(write: Write) -> None:
    """An unquoted empty cell is null, a quoted one is an empty text."""
    assert rows_of(write('a,b\n,""\n00123,x\n')) == [(1, 2, None, ""), (2, 3, "00123", "x")]


def test_blank_lines_take_a_number_and_are_marked(write: Write) -> None:
    """A blank line is a row of nulls, marked, and later lines stay true."""
    (chunk,) = chunks_of(write("a,b\n1,2\n\n3,4\n\n"))
    assert chunk.row_number.to_list() == [1, 2, 3, 4]
    assert chunk.blank.to_list() == [False, True, False, True]
    assert chunk.row_number.dtype == pl.UInt64


def test_rows_of_the_wrong_width_are_malformed_and_the_rest_goes_on(write: Write) -> None:
    """Short and long rows keep their number, line and raw text."""
    path = write('a,b\n1,2\n3\n"x\ny",4,5\n6,7\n')
    assert malformed_of(path) == [(2, 3, "too-few-fields", b"3"), (3, 4, "too-many-fields", b'"x\ny",4,5')]
    assert rows_of(path) == [(1, 2, "1", "2"), (4, 6, "6", "7")]


def test_malformed_message_names_counts_only(write: Write) -> None:
    """The message says how many fields there are, and never a cell."""
    (chunk,) = chunks_of(write("a,b,c\nsecret,1,2\nsecret,2\n"))
    assert chunk.malformed["message"].to_list() == ["2 fields where the header has 3"]


def test_a_file_of_malformed_rows_only_is_read(write: Write) -> None:
    """Where no row is good, all are malformed and none is lost."""
    assert [row[0] for row in malformed_of(write("a,b\n1\n2\n3\n"), delimiter=",")] == [1, 2, 3]


def test_a_header_in_the_middle_is_one_malformed_row(write: Write) -> None:
    """Files put together bring their headers, perhaps with a byte order mark; where one cell differs it is data."""
    path = write("id,name\n1,x\nid,name\n2,name\nid,y\n\ufeffid, name\n3,z\n")
    assert [row[:3] for row in malformed_of(path)] == [(2, 3, "repeated-header"), (5, 6, "repeated-header")]
    assert [row[2:] for row in rows_of(path)] == [("1", "x"), ("2", "name"), ("id", "y"), ("3", "z")]
    assert rows_of(write("name\nx\nname\n"))[-1][2] == "name", "of a single column it may be a value"


def test_backslash_quotes_get_a_hint(write: Write) -> None:
    """A row broken by a backslash before a quote says how quotes are written."""
    (chunk,) = chunks_of(write('a,b\n1,"say \\"hi\\", ok"\n2,3\n'))
    assert "written as two" in chunk.malformed["message"][0]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems(write: Write, end: str) -> None:
    """LF, CRLF and lone CR end lines, and the dialect says which."""
    path = write(end.join(["a,b", "1,2", '"x', 'y",3', "4,5", ""]))
    assert rows_of(path) == [(1, 2, "1", "2"), (2, 3, f"x{end}y", "3"), (3, 5, "4", "5")]
    dialect = described(path).dialect
    assert dialect is not None
    assert dialect.line_terminator == end


@pytest.mark.parametrize(
    ("encoding", "stated"),
    [("utf-8-sig", "utf-8"), ("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be"), ("utf-32-le", "utf-32-le")],
)
def test_a_byte_order_mark_decides_and_is_stated(write: Write, encoding: str, stated: str) -> None:
    """A file is read by its byte order mark, its first header clean."""
    mark = "" if encoding == "utf-8-sig" else "\ufeff"
    path = write((mark + "naïve,b\nJosé,2\nx\n").encode(encoding))
    description = described(path)
    assert description.columns == ("naïve", "b")
    assert description.dialect is not None
    assert (description.dialect.encoding, description.dialect.has_bom) == (stated, True)
    assert any(stated in note and "byte order mark" in note for note in description.notes)
    assert rows_of(path) == [(1, 2, "José", "2")]
    assert malformed_of(path)[0][3] == "x".encode(stated)


def test_other_encodings_are_read_when_asked_for(write: Write) -> None:
    """Any codec reads a file, and malformed rows keep its bytes."""
    path = write("name;b\nJosé;1\né\n".encode("cp1252"))
    assert rows_of(path, encoding="cp1252") == [(1, 2, "José", "1")]
    assert malformed_of(path, encoding="cp1252")[0][3] == "é".encode("cp1252")


def test_bytes_the_codec_does_not_know_make_a_malformed_row(write: Write) -> None:
    """An undefined byte is attributed to its row and kept as it is."""
    path = write(b"name,b\nx\x81y,1\nok,2\nb\x81d\n")
    assert malformed_of(path, encoding="cp1252") == [
        (1, 2, "bad-bytes", b"x\x81y,1"),
        (3, 4, "too-few-fields", b"b\x81d"),
    ]
    assert rows_of(path, encoding="cp1252") == [(2, 3, "ok", "2")]


def test_bad_bytes_far_into_the_file_reject_their_row(write: Write) -> None:
    """After the first 4 MiB a byte that is not UTF-8 costs its row only."""
    good = b"abcdefgh,12345678\n" * 300_000
    path = write(b"a,b\n" + good + b"\xff\xed\xa0\x80,bad\n" + "José,ok\n".encode() + b"\xe9,1,2\n")
    assert malformed_of(path) == [
        (300_001, 300_002, "bad-bytes", b"\xff\xed\xa0\x80,bad"),
        (300_003, 300_004, "too-many-fields", b"\xe9,1,2"),
    ]
    assert rows_of(path)[-1] == (300_002, 300_003, "José", "ok")


def test_asking_for_utf8_reads_on_past_early_bad_bytes(write: Write) -> None:
    """With the encoding named, bad bytes are always a matter of their row."""
    assert malformed_of(write(b"a,b\n\xff,1\n2,3\n"), encoding="utf-8") == [(1, 2, "bad-bytes", b"\xff,1")]


def test_a_nul_byte_makes_a_malformed_row(write: Write) -> None:
    """A NUL inside a cell takes its row out."""
    path = write(b"a,b\n1\x00,2\n3,4\n")
    assert malformed_of(path) == [(1, 2, "nul-byte", b"1\x00,2")]
    assert rows_of(path) == [(2, 3, "3", "4")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_usual_delimiters_are_sniffed_past_quotes(write: Write, delimiter: str) -> None:
    """The delimiter is found although other ones stand inside quotes."""
    path = write(f'id{delimiter}text\n1{delimiter}"a,b;c|d\te"\n2{delimiter}"x,y"\n')
    description = described(path)
    assert description.dialect is not None
    assert description.dialect.delimiter == delimiter
    assert "sniffed" in " ".join(description.notes)
    assert [row[2] for row in rows_of(path)] == ["1", "2"]


def test_decimal_commas_do_not_make_a_delimiter(write: Write) -> None:
    """Numbers with a comma do not outvote the header."""
    description = described(write("id;preis\n1;2,50\n2;3,10\n"))
    assert description.columns == ("id", "preis")


def test_a_rare_delimiter_is_found_when_nothing_else_fits(write: Write) -> None:
    """A caret that fits every line is taken."""
    assert described(write("a^b\n1^2\n3^4\n")).columns == ("a", "b")


def test_the_sep_line_of_excel_is_honoured(write: Write) -> None:
    """A first line 'sep=;' names the delimiter and is no header; lines count it."""
    assert rows_of(write("sep=;\r\na;b\r\n1;2\r\n")) == [(1, 3, "1", "2")]


def test_skipped_lines_count_as_lines(write: Write) -> None:
    """Lines before the header move lines, not row numbers."""
    assert rows_of(write("Report\nmade today\na,b\n1,2\n"), skip_lines=2) == [(1, 4, "1", "2")]


def test_one_column_is_a_table_too(write: Write) -> None:
    """A list of values under one header is read."""
    assert rows_of(write("email\na@x.io\nb@x.io\n")) == [(1, 2, "a@x.io"), (2, 3, "b@x.io")]


def test_a_trailing_delimiter_makes_no_column(write: Write) -> None:
    """A nameless last column is left out with a note; a value in it makes its row malformed."""
    path = write("a,b,\n1,2,\n3,4,x\n")
    assert described(path).columns == ("a", "b")
    assert any("no name" in note for note in described(path).notes)
    assert rows_of(path) == [(1, 2, "1", "2")]
    assert malformed_of(path) == [(2, 3, "too-many-fields", b"3,4,x")]
    assert rows_of(write("a,b\n1,2,\n3,4,\n", "rows.csv")) == [(1, 2, "1", "2"), (2, 3, "3", "4")]
    assert rows_of(write("a,b,\n1,2\n3,4\n", "head.csv")) == [(1, 2, "1", "2"), (2, 3, "3", "4")]


def test_a_stray_quote_that_swallows_rows_is_malformed(write: Write) -> None:
    """Two stray quotes in one column leave a row of the right width; it is no row all the same."""
    path = write('a,b,c,d\n1,"x,y,z\n2,q,r,s\n3,"w,y,z\n4,5,6,7\n')
    assert [row[:3] for row in malformed_of(path)] == [(1, 2, "runaway-quote")]
    assert rows_of(path) == [(2, 5, "4", "5", "6", "7")]


def test_addresses_over_lines_are_no_runaway_quotes(write: Write) -> None:
    """Prose with line ends and commas stays a cell."""
    path = write('id,address,city\n1,"12 Main St, Apt 4\nBack door, left",Rome\n2,"a\nb",Oslo\n')
    assert [row[2] for row in rows_of(path)] == ["1", "2"]


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_compressed_files_are_read_by_content(write: Write, compression: str) -> None:
    """A gz or zst file is read whatever its name, member after member."""
    members = [b"a,b\n1,2\n", b"3,4\n"]
    pack = gzip.compress if compression == "gz" else lambda part: pa.Codec("zstd").compress(part).to_pybytes()
    path = write(b"".join(pack(part) for part in members))
    assert rows_of(path) == [(1, 2, "1", "2"), (2, 3, "3", "4")]
    dialect = described(path).dialect
    assert dialect is not None
    assert dialect.compression == compression


def test_a_row_larger_than_a_block_is_read(write: Write) -> None:
    """A field beyond the engine's block is read with a wider one, and rows before it come once."""
    path = write("a,b\n" + "1,2\n" * 5000 + '3,"' + "x" * 50_000 + '"\n' + "4,5\n" * 10)
    limits = ReadLimits(block_bytes=4096, max_field_bytes=60_000, chunk_rows=100)
    source = CsvSource([(inspect_file("table.csv", str(path)), None)], SourceOptions(), limits)
    chunks = list(source.chunks())
    numbers = pl.concat([chunk.row_number for chunk in chunks])
    lines = pl.concat([chunk.line for chunk in chunks if chunk.line is not None])
    assert numbers.to_list() == list(range(1, 5012))
    assert lines.to_list() == list(range(2, 5013))


def test_many_columns_are_read(write: Write) -> None:
    """Ten thousand columns are a table."""
    width = 10_001
    path = write(",".join(f"c{n}" for n in range(width)) + "\n" + (",".join(["x"] * width) + "\n") * 3)
    (chunk,) = chunks_of(path)
    assert chunk.frame.shape == (3, width)


def test_header_only_needs_leave(write: Write) -> None:
    """A header without rows is refused unless an empty source is allowed."""
    path = write("a,b\n")
    assert "no rows" in refusal(path).message
    assert chunks_of(path, allow_empty=True) == []
    assert described(path, allow_empty=True).columns == ("a", "b")


def test_trimmed_headers(write: Write) -> None:
    """White space around names is refused with the name to write, or trimmed when asked."""
    path = write("id, email \n1,2\n")
    assert "'email'" in refusal(path).hint
    assert described(path, trim_headers=True).columns == ("id", "email")


@pytest.mark.parametrize(
    ("header", "columns", "why"),
    [
        ("a,,c", ("a", "unnamed column 2", "c"), "column 2 of the header has no name"),
        ("a,b\u200b,c", ("a", "b\\u200b", "c"), "'b\\u200b'"),
        ("a,\u202eb,c", ("a", "\\u202eb", "c"), "'\\u202eb'"),
        ("a,\0b,c", ("a", "\\x00b", "c"), "'\\x00b'"),
        ('a,"b\nb",c', ("a", "b\\nb", "c"), "'b\\nb'"),
    ],
)
def test_a_column_that_nobody_can_name_is_read_by_another_name(
    write: Write, header: str, columns: tuple[str, ...], why: str
) -> None:
    """A name that is missing or cannot be seen becomes one that can be shown, with the reason not to map it."""
    path = write(f"{header}\n1,2,3\n")
    assert described(path).columns == columns
    (reason,) = described(path).unsupported.values()
    assert why in reason
    assert [row[2:] for row in rows_of(path)] == [("1", "2", "3")]


def test_lines_of_white_space_are_blank_lines(write: Write) -> None:
    """They take a number, in their place among good and malformed rows, and lines stay true."""
    chunks = chunks_of(write("a,b\n1,2\n  \n3\n\t\n4,5\n"))
    assert pl.concat([chunk.row_number for chunk in chunks]).to_list() == [1, 2, 4, 5]
    assert pl.concat([chunk.blank for chunk in chunks]).to_list() == [False, True, True, False]
    assert pl.concat([chunk.line for chunk in chunks if chunk.line is not None]).to_list() == [2, 3, 5, 6]
    assert malformed_of(write("a,b\n1,2\n  \n3\n", "short.csv")) == [(3, 4, "too-few-fields", b"3")]


def test_a_row_over_many_members_is_read(write: Write) -> None:
    """How a file was compressed says nothing about its rows: each member may be a part of one."""
    content = b'a,b\n1,"' + b"x\n" * 50 + b'"\n3,4\n'
    path = write(b"".join(gzip.compress(content[at : at + 7]) for at in range(0, len(content), 7)))
    assert [(row[0], row[1], row[2]) for row in rows_of(path)] == [(1, 2, "1"), (2, 53, "3")]


def test_the_first_chunk_is_one_block(write: Write) -> None:
    """Whoever checks the rows can begin while the next blocks are read; chunks are of the usual size from then on."""
    path = write("a,b\n" + "1,2\n" * 4000)
    limits = ReadLimits(block_bytes=1024, chunk_rows=1000)
    source = CsvSource([(inspect_file("table.csv", str(path)), None)], SourceOptions(), limits)
    heights = [chunk.frame.height for chunk in source.chunks()]
    assert heights[0] == 256
    assert all(1000 <= height < 1300 for height in heights[1:-1])
    assert sum(heights) == 4000


def test_a_file_is_judged_by_as_much_of_its_beginning_as_it_takes(write: Write) -> None:
    """Long before the header, or far below it, something stands that matters."""
    before = 1200
    blank = (" " * 1000 + "\n") * before
    assert described(write(blank + "a,b\n1,2\n")).columns == ("a", "b")
    title = ("x" * 1000 + "\n") * before
    assert described(write(title + "a,b\n1,2\n"), skip_lines=before).columns == ("a", "b")
    hole = write("a,b\n" + "\n" * 1_200_000 + "1,2\n", "hole.csv")
    assert sum(chunk.frame.height for chunk in chunks_of(hole)) == 1_200_001
    named = write("sep=;\n" + "\n" * 1_200_000 + "a;b\n1;2\n")
    assert described(named).columns == ("a", "b")
    far = b"a,b\n" + b"1,2\n" * 500_000 + b"Jos\xe9,1\n"
    assert "byte 2000007 (line 500002)" in refusal(write(far)).message
