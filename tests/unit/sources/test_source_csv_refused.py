"""Text files as a source: what is refused."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pytest

from importer.errors import SourceError
from importer.ports import SourceOptions
from importer.sources.csv_file import CsvSource
from importer.sources.csv_pass import ReadLimits
from importer.sources.files import inspect_file
from tests.support.texts import Write, described, refusal, rows_of, writer


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and return its path."""
    return writer(tmp_path)


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
        (b"x@y.com,Ann,Ann\nz@y.com,Bob,Eve\n", "columns 2, 3 alike", "header line"),
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
