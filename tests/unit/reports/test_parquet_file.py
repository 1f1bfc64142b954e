"""Parquet files: what any program reads from them, and disks that end while a piece is written."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from importer.errors import DiskError
from importer.reports.issue_files import CAP_PER_CODE, IssueSink
from importer.reports.parquet_file import ROW_GROUP_ROWS, ParquetFile
from tests.support.disks import small_disk
from tests.unit.reports.test_report_files import issue_frame

KIB = 1024


def test_values_come_back_with_plain_types(tmp_path: Path) -> None:
    """Texts, numbers and lists are read as they were, by readers that know nothing of how they were held."""
    frame = pl.DataFrame(
        {
            "id": ["a", "text that is longer than what is kept in place", None],
            "state": pl.Series(["x", "y", "x"], dtype=pl.Enum(["x", "y"])),
            "file": pl.Series(["b.csv", "a.csv", None], dtype=pl.Enum(["b.csv", "a.csv"])),
            "row": pl.Series([1, None, 2**64 - 1], dtype=pl.UInt64),
            "change": pl.Series([-5, None, 2**63 - 1], dtype=pl.Int64),
            "links": [["email", None], [], None],
            "held": [True, None, False],
        }
    )
    schema = pl.Schema(dict(frame.schema) | {"state": pl.String()})
    file = ParquetFile(tmp_path / "x.parquet", schema, keys=["id"])
    file.append(frame.select(reversed(frame.columns)))
    file.append(frame.clear())
    file.append(frame)
    file.close()
    file.abort()
    expected = pl.concat([frame, frame]).cast({"state": pl.String, "file": pl.String})
    assert pl.read_parquet(tmp_path / "x.parquet").equals(expected)
    types = {field.name: field.type for field in pq.read_schema(tmp_path / "x.parquet")}
    assert (types["id"], types["state"], types["file"]) == (pa.string(),) * 3
    assert types["links"] == pa.list_(pa.field("element", pa.string()))


def test_keys_and_numbers_of_rows_take_little_room(tmp_path: Path) -> None:
    """A key that does not repeat gets no dictionary, and numbers that ascend are kept as their differences.

    Of both a reader is told the least and the greatest; of texts that repeat everywhere it would be of no use.
    """
    rows = ROW_GROUP_ROWS
    frame = pl.DataFrame(
        {
            "id": [f"C-{number:08}" for number in range(rows)],
            "row": pl.Series(range(rows), dtype=pl.UInt64),
            "state": ["x"] * rows,
        }
    )
    file = ParquetFile(tmp_path / "x.parquet", frame.schema, keys=["id"])
    file.append(frame)
    file.close()
    group = pq.ParquetFile(tmp_path / "x.parquet").metadata.row_group(0)
    dictionaries = [group.column(place).has_dictionary_page for place in range(3)]
    assert dictionaries == [False, False, True]
    assert [group.column(place).is_stats_set for place in range(3)] == [True, True, False]
    assert group.column(1).total_compressed_size < rows


def test_a_disk_that_ends_while_a_piece_is_written(tmp_path: Path) -> None:
    """The error comes out of a later call, at the last when the file is closed, and nothing is left of the file."""
    rows = ROW_GROUP_ROWS
    noise = random.Random(7)
    frame = pl.DataFrame({"n": [str(noise.getrandbits(64)) for _ in range(rows)]})
    with small_disk(tmp_path / "disk", 256 * KIB) as disk:
        file = ParquetFile(disk / "x.parquet", frame.schema, keys=["n"])
        file.append(frame)
        with pytest.raises(DiskError, match="full"):
            file.close()
        file.abort()
        assert list(disk.iterdir()) == []


def test_issues_of_many_chunks_are_one_file(tmp_path: Path) -> None:
    """However few come at a time: all in the order they came, counted, and shown up to the cap of their code."""
    frames = [issue_frame(["too-long"] * 97 + ["invalid-email"] * 3) for _ in range(150)]
    in_pieces, at_once = tmp_path / "pieces", tmp_path / "once"
    counts = []
    for folder, given in ((in_pieces, frames), (at_once, [pl.concat(frames)])):
        folder.mkdir()
        sink = IssueSink(folder, ["id"], ["a.csv"], show_values=False)
        for frame in given:
            sink.append(frame)
        sink.close()
        counts.append((sink.counts, sink.warnings, sink.left_out))
    expected = {"too-long": 14_550, "invalid-email": 450}
    assert counts == [(expected, {}, {"too-long": 14_550 - CAP_PER_CODE})] * 2
    assert (in_pieces / "issues.csv").read_bytes() == (at_once / "issues.csv").read_bytes()
    found = pl.read_parquet(in_pieces / "issues.parquet")
    assert found.equals(pl.read_parquet(at_once / "issues.parquet"))
    assert found["code"].to_list() == [code for frame in frames for code in frame["code"]]
