"""Text files as a source: several files, and several passes over one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from blake3 import blake3

from importer.errors import SourceChangedError
from importer.ports import SourceOptions
from importer.sources.open import open_source
from tests.support.texts import Write, chunks_of, refusal, source_of, writer


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and return its path."""
    return writer(tmp_path)


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
    assert before == other.fingerprint()
    assert before != source_of(write("a,b\n1,3\n", "x3.csv")).fingerprint()


def test_a_file_is_hashed_while_it_is_read_where_that_is_wanted(write: Write) -> None:
    """A pass gives the same hash as reading the file for it, and none where nobody asked."""
    path = write("a,b\n1,2\n")
    hashed, plain = open_source(str(path), SourceOptions(), hashed=True), open_source(str(path), SourceOptions())
    list(hashed.chunks())
    list(plain.chunks())
    assert hashed.describe().files[0].digest == blake3(path.read_bytes()).hexdigest()
    assert plain.describe().files[0].digest is None
    assert plain.fingerprint() == hashed.fingerprint()


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
