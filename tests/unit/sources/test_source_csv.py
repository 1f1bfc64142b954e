"""Text files as a source: what is read, what is refused, what becomes a malformed row."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from importer.errors import SourceChangedError, SourceError
from importer.ports import Source, SourceChunk, SourceDescription, SourceOptions
from importer.sources import open_source
from importer.sources.csv_file import CsvSource
from importer.sources.csv_pass import ReadLimits
from importer.sources.files import inspect_file

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and return its path."""

    def write_file(content: bytes | str, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def source_of(path: Path | Sequence[Path], **options: object) -> Source:
    """Open one file or several."""
    spec = str(path) if isinstance(path, Path) else [str(one) for one in path]
    return open_source(spec, SourceOptions(**options))  # type: ignore[arg-type]


def described(path: Path | Sequence[Path], **options: object) -> SourceDescription:
    """Open and describe."""
    return source_of(path, **options).describe()


def chunks_of(path: Path | Sequence[Path], **options: object) -> list[SourceChunk]:
    """Read all chunks."""
    return list(source_of(path, **options).chunks())


def rows_of(path: Path, **options: object) -> list[tuple[object, ...]]:
    """Read row number, line and cells of all good rows."""
    rows: list[tuple[object, ...]] = []
    for chunk in chunks_of(path, **options):
        assert chunk.line is not None
        rows += [
            (number, line, *cells)
            for number, line, cells in zip(chunk.row_number, chunk.line, chunk.frame.rows(), strict=True)
        ]
    return rows


def malformed_of(path: Path, **options: object) -> list[tuple[object, ...]]:
    """Read row number, line, reason and raw text of all malformed rows."""
    frames = [chunk.malformed for chunk in chunks_of(path, **options)]
    return pl.concat(frames).select("row_number", "line", "reason", "raw").rows()


def refusal(path: Path | Sequence[Path], **options: object) -> SourceError:
    """Return why a file is refused, at the latest when it is read."""
    with pytest.raises(SourceError) as caught:
        chunks_of(path, **options)
    assert caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint
    return caught.value


# --- what is read ----------------------------------------------------------------------------------------------------


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


# --- several files and passes ----------------------------------------------------------------------------------------


def test_several_files_count_rows_each(write: Write, tmp_path: Path) -> None:
    """A pattern reads files in order, rows and lines numbered per file."""
    write("a,b\n1,2\n", "x1.csv")
    write("a,b\n3,4\n5,6\n", "x2.csv")
    chunks = chunks_of(tmp_path / "x*.csv")
    assert [(chunk.file_index, chunk.row_number.to_list()) for chunk in chunks] == [(0, [1]), (1, [1, 2])]


def test_files_of_other_columns_are_refused(write: Write) -> None:
    """The file and the column that differ are named."""
    first = write("a,b\n1,2\n", "x1.csv")
    assert "'b' is missing" in refusal([first, write("a,c\n1,2\n", "x2.csv")]).message
    assert "column 1" in refusal([first, write("b,a\n1,2\n", "x3.csv")]).message
    assert "delimiter" in refusal([first, write("a;b\n1;2\n", "x4.csv")]).message
    assert "twice" in refusal([first, first]).message


def test_each_call_is_a_fresh_pass(write: Write) -> None:
    """Rows can be read again from the same source."""
    source = source_of(write("a,b\n1,2\n"))
    assert [len(list(source.chunks())) for _ in range(2)] == [1, 1]


def test_the_fingerprint_is_of_content(write: Write) -> None:
    """Two files of one content share a fingerprint, before and after a pass."""
    one, other = source_of(write("a,b\n1,2\n", "x1.csv")), source_of(write("a,b\n1,2\n", "x2.csv"))
    before = one.fingerprint()
    list(other.chunks())
    assert other.describe().files[0].sha256
    assert before == other.fingerprint()
    assert before != source_of(write("a,b\n1,3\n", "x3.csv")).fingerprint()


def test_a_consumer_may_leave_early(write: Write) -> None:
    """Closing the iterator ends the background thread at once."""
    path = write("a,b\n" + "12345678,12345678\n" * 2_000_000)
    chunks = source_of(path).chunks()
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name == "source-read-ahead"]


def test_a_file_that_grows_while_read_is_told(write: Write) -> None:
    """A change between opening and the end of a pass is an error of its own."""
    path = write("a,b\n1,2\n")
    source = source_of(path)
    source.describe()
    with path.open("a") as content:
        content.write("3,4\n")
    with pytest.raises(SourceChangedError):
        list(source.chunks())


# --- what is refused -------------------------------------------------------------------------------------------------


def test_an_open_quote_is_refused_with_its_line_alone(write: Write) -> None:
    """A quote that never closes loses the structure: one line naming the line, no data."""
    error = refusal(write('a,b\n1,2\n3,"secret\n4,5\n6,7\n'))
    assert "line 3" in error.message
    assert "secret" not in str(error) + error.hint
    assert "line 4" in refusal(write('a,b\n1,2\n3,4\n"5,6\n7,8\n', "first.csv")).message
    assert "line 2" in refusal(write('a,b\n1,"2', "cut.csv")).message


def test_an_open_quote_before_much_data_is_refused(write: Write) -> None:
    """Also when the rest of the file is larger than any block."""
    for start in ('1,2\n3,"x\n', '1\n"x\n'):
        path = write("a,b\n" + start + "4,5\n" * 500_000)
        limits = ReadLimits(block_bytes=4096, max_field_bytes=10_000)
        source = CsvSource([(inspect_file("table.csv", str(path)), None)], SourceOptions(), limits)
        with pytest.raises(SourceError, match="line 3"):
            list(source.chunks())


def test_a_quote_that_closes_far_below_is_refused_with_both_lines(write: Write) -> None:
    """Two stray quotes 150 rows apart are not taken for a cell."""
    path = write('a,b,c\n1,"2,3\n' + "4,5,6\n" * 150 + '7,"8,9\n1,2,3\n')
    error = refusal(path)
    assert "line 2" in error.message
    assert "line 153" in error.message


def test_long_prose_stays_a_cell(write: Write) -> None:
    """A note of 200 lines is long, not lost."""
    path = write('id,note,x\n1,"' + "some words here\n" * 200 + '",2\n3,4,5\n')
    assert rows_of(path)[1][:2] == (2, 203)


def test_a_field_beyond_the_limit_is_refused(write: Write) -> None:
    """The line of a field larger than allowed is named."""
    path = write("a,b\n1,2\n3," + "x" * 3000 + "\n")
    assert "line 3" in refusal(path, max_field_bytes=2000).message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"PK\x03\x04....", "Excel or zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1..", "xls"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF89a....", "GIF"),
        (b"BZh91AY&SY....", "bz2"),
        (b"\xfd7zXZ\x00...", "xz"),
        (b"\x00" * 5000, "NUL"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b'\n {"error": "no"}', "JSON"),
        (b'[{"a": 1}]', "JSON"),
        (gzip.compress(b"PK\x03\x04....", mtime=0), "zip"),
        (gzip.compress(b"", mtime=0), "empty"),
        ("a,b\n1,2\n".encode("utf-16-le"), "UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-be"), "UTF-16"),
    ],
)
def test_what_is_no_table_is_refused_by_content(write: Write, content: bytes, words: str) -> None:
    """The cause is named, whatever the file's name says."""
    assert words in refusal(write(content)).message


def test_text_that_begins_like_a_signature_is_a_table(write: Write) -> None:
    """Headers such as PAR1, PARENT or BZh are headers."""
    assert described(write("PARENT_ID,b\n1,2\n")).columns[0] == "PARENT_ID"
    assert described(write("PAR1,b\n1,2\n", "par1.csv")).columns[0] == "PAR1"
    assert described(write("BZhalt,b\n1,2\n", "bz.csv")).columns[0] == "BZhalt"


@pytest.mark.parametrize(
    ("content", "words", "fix"),
    [
        (b"a,a\n1,2\n", "'a' more than once", "rename"),
        (b"a,,c\n1,2,3\n", "column 2", "name"),
        ("a,b\u200b\n1,2\n".encode(), "\\u200b", "anew"),
        ("a\u202e,b\n1,2\n".encode(), "\\u202e", "anew"),
        (b"a,\x00b\n1,2\n", "cannot be seen", "anew"),
        (b"Customer report\na,b,c\n1,2,3\n4,5,6\n", "not the header", "--skip-lines 1"),
        (b"# made by x\n# today\na;b;c\n1;2;3\n4;5;6\n", "not the header", "--skip-lines 2"),
        (b"a,b;c\n1,2;3\n4,5;6\n", "could be the delimiter", "--delimiter"),
        (b"a,b\nJos\xe9,1\n", "byte 7 (line 2)", "--encoding latin-1"),
        (b"a,b\n\x93x\x94,1\n", "not UTF-8", "--encoding cp1252"),
        (b'"a,b\n1,2\n', "quote", "close"),
    ],
)
def test_headers_and_texts_that_are_doubtful(write: Write, content: bytes, words: str, fix: str) -> None:
    """One line of cause, one of fix."""
    error = refusal(write(content))
    assert words in error.message
    assert fix in error.hint


@pytest.mark.parametrize(
    "options",
    [{"encoding": "nonsense"}, {"encoding": "base64"}, {"encoding": "utf-16"}, {"delimiter": "||"}, {"skip_lines": 9}],
)
def test_options_that_cannot_be_followed(write: Write, options: dict[str, object]) -> None:
    """An option that does not fit is refused with a fix."""
    refusal(write("a,b\n1,2\n"), **options)


def test_a_mark_against_the_encoding_asked_for(write: Write) -> None:
    """A byte order mark contradicts --encoding."""
    assert "byte order mark" in refusal(write("\ufeffa,b\n1,2\n"), encoding="cp1252").message


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_truncated_compressed_files_are_refused(write: Write, compression: str) -> None:
    """The end of a broken file is not the end of the data."""
    content = b"a,b\n" + os.urandom(50_000).hex().encode().replace(b"0", b",\n")
    packed = gzip.compress(content) if compression == "gz" else pa.Codec("zstd").compress(content).to_pybytes()
    assert "too early" in refusal(write(packed[:-9]), delimiter=",").message
    assert "damaged" in refusal(write(packed[:-9] + b"123456789" * 2, "damaged.csv"), delimiter=",").message


def test_a_decompression_bomb_is_refused(write: Write) -> None:
    """Far more content than a table holds, or more than the cap, ends the pass."""
    path = write(gzip.compress(b"a,b\n" + b"1,2\n" * 25_000_000, 9))
    assert "200 times" in refusal(path).message
    small = write(gzip.compress(b"a,b\n" + b"1,2\n" * 3_000_000), "small.gz")
    assert "more than 8388608 bytes" in refusal(small, max_decompressed_bytes=8 * 1024 * 1024).message


def test_no_row_fits_the_header(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in which nothing fits is refused before its rows fill the memory."""
    monkeypatch.setattr("importer.sources.csv_pass._MOST_BAD_ROWS", 100)
    assert "no row" in refusal(write("a,b\n" + "x\n" * 1000), delimiter=",").message
