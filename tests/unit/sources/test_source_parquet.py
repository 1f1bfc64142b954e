"""Parquet as a source: every type as exact text, or left out with the reason."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from importer.errors import SourceChangedError, SourceError
from importer.ports import SourceOptions
from importer.sources import open_source
from importer.sources.files import inspect_file
from importer.sources.parquet_file import ParquetSource

NAN = float("nan")
MOMENT = dt.datetime(2026, 3, 29, 2, 30, 0, 120000)  # noqa: DTZ001 - a naive time is the point


def frame_of(path: Path, table: pa.Table, **options: object) -> pl.DataFrame:
    """Write a table and read it as a source."""
    pq.write_table(table, path)
    source = open_source(str(path), SourceOptions(**options))  # type: ignore[arg-type]
    return pl.concat([chunk.frame for chunk in source.chunks()])


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array([1, None, -5], pa.int64()), ["1", None, "-5"]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([1.0, 0.1, 1e22, NAN, float("inf")]), ["1.0", "0.1", "1e+22", "NaN", "inf"]),
        (pa.array([0.1], pa.float32()), ["0.1"]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([Decimal("1.50"), Decimal("-0.01")], pa.decimal128(38, 2)), ["1.50", "-0.01"]),
        (pa.array([Decimal("12345678901234567890123456789012345678901.5")], pa.decimal256(50, 1)), None),
        (pa.array([dt.date(2026, 1, 31)]), ["2026-01-31"]),
        (pa.array([MOMENT], pa.timestamp("us")), ["2026-03-29T02:30:00.120"]),
        (pa.array([MOMENT], pa.timestamp("ms", "+02:00")), ["2026-03-29T02:30:00.120Z"]),
        (pa.array([MOMENT], pa.timestamp("ns", "Europe/Berlin")), ["2026-03-29T02:30:00.120Z"]),
        (pa.array([dt.time(7, 5)], pa.time64("us")), ["07:05:00"]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array(["", "é😀"], pa.large_string()), ["", "é😀"]),
    ],
)
def test_scalars_become_exact_text(tmp_path: Path, column: pa.Array, texts: list[str | None] | None) -> None:
    """Each type has one text form that loses nothing."""
    series = frame_of(tmp_path / "t.parquet", pa.table({"c": column}))["c"]
    assert series.dtype == pl.String
    assert series.to_list() == (texts or ["12345678901234567890123456789012345678901.5"])


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pa.array([["a", None], None, []]), pl.String),
        (pa.array([[1, 2]], pa.list_(pa.int16())), pl.Int64),
        (pa.array([[True]]), pl.Boolean),
        (pa.array([[1.5]], pa.list_(pa.float32())), pl.Float64),
        (pa.array([[2**63]], pa.large_list(pa.uint64())), pl.UInt64),
        (pa.array([["a", "b"]], pa.list_(pa.string(), 2)), pl.String),
    ],
)
def test_lists_of_scalars_stay_lists(tmp_path: Path, column: pa.Array, dtype: type[pl.DataType]) -> None:
    """A list column keeps its values as a list."""
    series = frame_of(tmp_path / "t.parquet", pa.table({"c": column}))["c"]
    assert series.dtype == pl.List(dtype)
    assert series.to_list() == column.to_pylist()


def test_nan_is_missing_when_asked(tmp_path: Path) -> None:
    """NaN stays a text that no number check accepts, unless it means missing."""
    table = pa.table({"c": pa.array([1.0, NAN]), "l": pa.array([[NAN], [2.0]])})
    frame = frame_of(tmp_path / "t.parquet", table, nan_as_missing=True)
    assert frame["c"].to_list() == ["1.0", None]
    assert frame["l"].to_list() == [[None], [2.0]]


def test_naive_times_get_the_zone_asked_for(tmp_path: Path) -> None:
    """With a zone they become instants; what the change of clocks leaves out stays without one."""
    table = pa.table({"c": pa.array([MOMENT, dt.datetime(2026, 7, 1, 12)], pa.timestamp("us"))})  # noqa: DTZ001
    frame = frame_of(tmp_path / "t.parquet", table, assume_tz="Europe/Berlin")
    assert frame["c"].to_list() == ["2026-03-29T02:30:00.120", "2026-07-01T10:00:00Z"]
    assert zoneinfo.ZoneInfo("Europe/Berlin")
    note = " ".join(open_source(str(tmp_path / "t.parquet"), SourceOptions()).describe().notes)
    assert "'c'" in note
    assert "assume_tz" in note
    with pytest.raises(SourceError, match="zone"):
        open_source(str(tmp_path / "t.parquet"), SourceOptions(assume_tz="Mars/Base")).describe()


def test_types_without_text_are_left_out_and_named(tmp_path: Path) -> None:
    """Unsupported columns are in the description with the reason, not in the frame."""
    table = pa.table(
        {
            "id": ["1"],
            "s": pa.array([{"x": 1}]),
            "b": pa.array([b"x"]),
            "d": pa.array([dt.timedelta(1)]),
            "n": pa.nulls(1),
            "ll": pa.array([[[1]]]),
            "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        }
    )
    assert frame_of(tmp_path / "t.parquet", table).columns == ["id"]
    description = open_source(str(tmp_path / "t.parquet"), SourceOptions()).describe()
    assert set(description.unsupported) == {"s", "b", "d", "n", "ll", "m"}
    assert (description.kind, description.columns, description.dialect) == ("parquet", ("id",), None)


def test_names_with_dots_are_names(tmp_path: Path) -> None:
    """A dot in a column's name is no path."""
    table = pa.table({"a": pa.array([{"b": 1}]), "a.b": ["x"], "c": [1]})
    assert frame_of(tmp_path / "t.parquet", table).rows() == [("x", "1")]


def test_rows_are_numbered_over_batches(tmp_path: Path) -> None:
    """Row numbers run through batches; there are no lines."""
    pq.write_table(pa.table({"c": range(25)}), tmp_path / "t.parquet", row_group_size=10)
    file = inspect_file("t.parquet", str(tmp_path / "t.parquet"))
    chunks = list(ParquetSource([file], SourceOptions(), batch_rows=7).chunks())
    assert pl.concat([chunk.row_number for chunk in chunks]).to_list() == list(range(1, 26))
    assert len(chunks) > 3
    assert all(chunk.line is None and not chunk.malformed.height for chunk in chunks)


def test_damaged_files_are_refused_in_one_line(tmp_path: Path) -> None:
    """Truncated, encrypted and mangled files are refused without the engine's words."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"c": ["secret"] * 1000}), path)
    content = path.read_bytes()
    broken = content[:8] + b"\xff" * 40 + content[48:]
    for mangled in (content[:-20], b"PAR1", b"PAR1\x00\x00\x00PAR1", b"PARE\x00\x01", broken):
        path.write_bytes(mangled)
        with pytest.raises(SourceError) as caught:
            list(open_source(str(path), SourceOptions()).chunks())
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.hint


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Bytes written as text that are none do not get further."""
    raw = pa.array([b"ok", b"\xff\xfe"])
    text = pa.Array.from_buffers(pa.utf8(), 2, raw.buffers())
    with pytest.raises(SourceError, match="damaged"):
        frame_of(tmp_path / "t.parquet", pa.table({"c": text}))


def test_columns_are_checked_as_in_text(tmp_path: Path) -> None:
    """Doubled names, no rows and differing files are refused."""
    doubled = pa.Table.from_arrays([pa.array(["1"]), pa.array(["2"])], names=["a", "a"])
    with pytest.raises(SourceError, match="more than once"):
        frame_of(tmp_path / "t.parquet", doubled)
    with pytest.raises(SourceError, match="no rows"):
        frame_of(tmp_path / "t.parquet", pa.table({"a": pa.array([], pa.string())}))
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "u1.parquet")
    pq.write_table(pa.table({"b": ["x"]}), tmp_path / "u2.parquet")
    with pytest.raises(SourceError, match="'a' is missing"):
        open_source(str(tmp_path / "u*.parquet"), SourceOptions()).describe()


def test_a_file_that_changes_is_told(tmp_path: Path) -> None:
    """A Parquet file replaced between opening and reading is another source."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": ["x"]}), path)
    source = open_source(str(path), SourceOptions())
    before = source.fingerprint()
    source.describe()
    pq.write_table(pa.table({"a": ["y", "z"]}), path)
    with pytest.raises(SourceChangedError):
        list(source.chunks())
    assert open_source(str(path), SourceOptions()).fingerprint() != before


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """A file that unpacks to far more than it is ends the pass at the cap."""
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 300_000, pa.int32()), pa.array(["x" * 1000]))
    with pytest.raises(SourceError, match="200 times"):
        frame_of(tmp_path / "t.parquet", pa.table({"a": values}), max_decompressed_bytes=1_000_000)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**62], pa.timestamp("ms")),
        pa.array([-(2**52)], pa.timestamp("s")),
        pa.array([2**31 - 1], pa.date32()),
        pa.array([2**40], pa.time64("us")),
    ],
)
def test_a_moment_beyond_the_calendar_is_refused(
    tmp_path: Path, column: pa.Array, capfd: pytest.CaptureFixture[str]
) -> None:
    """A date or time that is none refuses its file, and the engine prints nothing of its own."""
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": column}), path)
    with pytest.raises(SourceError):
        list(open_source(str(path), SourceOptions()).chunks())
    assert capfd.readouterr().err == ""
