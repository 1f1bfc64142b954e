"""A snapshot is read as it was when it was opened, by whichever version wrote it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from importer.core.snapshot import SNAPSHOT_SCHEMA
from importer.errors import StateError
from importer.state.snapshot_file import META, PIECE_ROWS, SnapshotFile, SnapshotMeta, SnapshotWriter


def write(path: Path, name: str, rows: int, run: int) -> None:
    """Put a snapshot in its place."""
    keys = pl.DataFrame({"key": [f"{name}{number:07d}" for number in range(rows)]})
    nothing = (pl.lit(None, dtype=kind).alias(column) for column, kind in SNAPSHOT_SCHEMA.items() if column != "key")
    with SnapshotWriter(path) as writer:
        writer.append(keys.with_columns(nothing).select(SNAPSHOT_SCHEMA.names()))
        writer.commit(SnapshotMeta(run=run))


@pytest.mark.parametrize("rows", [1, 2 * PIECE_ROWS + 1])
def test_a_reader_does_not_see_what_takes_its_place(tmp_path: Path, rows: int) -> None:
    """A run may end while another process looks: the one has fewer pieces than the other, or more."""
    path = tmp_path / "snapshot.parquet"
    write(path, "old", PIECE_ROWS + 1, run=1)
    before = SnapshotFile(path)
    pieces = before.pieces(["key"])
    first = next(pieces)
    write(path, "new", rows, run=2)
    again = pl.concat(before.pieces(["key"]))
    assert pl.concat([first, *pieces]).equals(again)
    assert (again.height, again["key"].str.starts_with("old").all()) == (PIECE_ROWS + 1, True)
    assert (SnapshotFile(path).height, SnapshotFile(path).meta.run) == (rows, 2)


def test_a_file_of_an_earlier_version_has_no_decisions(tmp_path: Path) -> None:
    """The column that it does not have is null."""
    path = tmp_path / "snapshot.parquet"
    write(path, "K", 3, run=1)
    table = pq.read_table(path).drop_columns(["decided"])
    pq.write_table(table.replace_schema_metadata({META: pq.read_metadata(path).metadata[META]}), path)
    found = pl.concat(SnapshotFile(path).pieces())
    assert (found.schema, found["decided"].to_list()) == (SNAPSHOT_SCHEMA, [None] * 3)
    assert pl.concat(SnapshotFile(path).pieces(["key"])).columns == ["key"]


def test_a_damaged_page_is_told_from_one_that_cannot_be_decoded(tmp_path: Path) -> None:
    """One byte that is not what was written is enough, and the message says that it is no value but a byte."""
    path = tmp_path / "snapshot.parquet"
    write(path, "K", 1000, run=1)
    content = bytearray(path.read_bytes())
    content[300] ^= 1
    path.write_bytes(content)
    with pytest.raises(StateError, match="cannot be used: damaged"):
        list(SnapshotFile(path).pieces())


def test_a_snapshot_that_is_not_there_is_no_damage(tmp_path: Path) -> None:
    """Somebody may forget it at any moment."""
    with pytest.raises(FileNotFoundError):
        SnapshotFile(tmp_path / "snapshot.parquet")
