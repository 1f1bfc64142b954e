"""rejected.csv is a source again: the project's own reader finds the same cells in it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from importer.ports import SourceOptions
from importer.reports.rejected_files import ADDED_COLUMNS, RejectedSink
from importer.sources import open_source

TEXT = 'id;name;note\n1;"Zoë; the ""first""";\n2;;""\n3;"two\nlines";x\n4;short\n5;=1+1; padded \n'


def reject_all(path: Path, folder: Path, encoding: str = "auto") -> pl.DataFrame:
    """Read a file, write all of its rows as rejected, and return them."""
    source = open_source(str(path), SourceOptions(encoding=encoding))
    about = source.describe()
    sink = RejectedSink(folder, about.dialect, about.columns, [file.name for file in about.files])
    frames = []
    for chunk in source.chunks():
        codes = pl.Series(["too-long"]).new_from_index(0, chunk.frame.height)
        sink.append(chunk.frame, chunk.row_number, chunk.line, codes)
        sink.append_malformed(chunk.malformed)
        frames.append(chunk.frame)
    sink.close()
    return pl.concat(frames)


@pytest.mark.parametrize(
    ("encoding", "wanted"),
    [("utf-8", "auto"), ("utf-8-sig", "auto"), ("utf-16", "auto"), ("latin-1", "latin-1")],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_rejected_csv_is_read_as_it_was(tmp_path: Path, encoding: str, wanted: str, line_end: str) -> None:
    """Every cell, quoted empty ones included, comes back; rejecting again changes nothing."""
    original = tmp_path / "a.csv"
    original.write_bytes(TEXT.replace("\n", line_end).encode(encoding))
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    rows = reject_all(original, first, wanted)
    assert rows.height == 4
    again = reject_all(first / "rejected.csv", second, wanted)
    assert again.drop(ADDED_COLUMNS).equals(rows)
    assert again["_row_number"].to_list() == ["1", "2", "3", "5"]
    assert again["_line"].to_list() == ["2", "3", "4", "7"]
    malformed = (first / "rejected-malformed.txt").read_bytes().decode(encoding)
    assert malformed.startswith(f"id;name;note{line_end}# row 4, line 6: ")
    assert malformed.endswith(f"4;short{line_end}")


def test_rejected_rows_of_a_parquet_file_are_read_again(tmp_path: Path) -> None:
    """Lists come back as JSON text, which a mapping takes for a list."""
    frame = pl.DataFrame({"id": ["1", "2"], "tags": [["a", 'b,"'], None]})
    frame.write_parquet(tmp_path / "a.parquet")
    reject_all(tmp_path / "a.parquet", tmp_path)
    source = open_source(str(tmp_path / "rejected.csv"), SourceOptions())
    again = pl.concat(chunk.frame for chunk in source.chunks())
    assert again["tags"].to_list() == ['["a","b,\\""]', None]
