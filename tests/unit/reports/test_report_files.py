"""The files of a run folder: names, columns, modes, all or nothing."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from importer.core.report import Report
from importer.errors import StateError
from importer.reports.issue_files import IssueSink
from importer.reports.outcome_files import OutcomesSink, write_groups
from importer.reports.parquet_file import ROW_GROUP_ROWS, ParquetFile
from importer.reports.rejected_files import RejectedSink
from importer.reports.report_file import read_report, report_text, write_report
from importer.reports.row_names import row_names
from tests.support.fakes import malformed_frame


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Set a umask for one test."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def issue_frame(codes: list[str], *, keys: tuple[str, ...] = ("id",), value: str | None = "secret") -> pl.DataFrame:
    """Make one issue for each code."""
    count = len(codes)
    return pl.DataFrame(
        {
            "file": pl.Series([0] * count, dtype=pl.UInt16),
            "line": pl.Series(range(2, count + 2), dtype=pl.UInt64),
            **{f"key:{key}": [f"C-{place}" for place in range(count)] for key in keys},
            "row_number": pl.Series(range(1, count + 1), dtype=pl.UInt64),
            "code": codes,
            "severity": ["error"] * count,
            "column": ["email"] * count,
            "trait": ["Contact.email"] * count,
            "value": pl.Series([value] * count, dtype=pl.String),
            "message": ["Not an address"] * count,
        }
    )


def outcome_frame(states: list[str], *, first: int = 1) -> pl.DataFrame:
    """Make one row for each state."""
    count = len(states)
    text = {
        name: pl.Series([None] * count, dtype=pl.String)
        for name in ("code", "route", "batch_id", "request_id", "operation_id", "import_id", "group", "verified")
    }
    return pl.DataFrame(
        {
            "file": pl.Series([1] * count, dtype=pl.UInt16),
            "row_number": pl.Series(range(first, first + count), dtype=pl.UInt64),
            "line": pl.Series([None] * count, dtype=pl.UInt64),
            "key:id": [f"C-{place}" for place in range(count)],
            "state": states,
            "carried_by": pl.Series([None] * count, dtype=pl.UInt64),
            **text,
        }
    )


def no_leftovers(folder: Path) -> bool:
    """Tell whether no unfinished file is left."""
    return not [path for path in folder.iterdir() if path.name.startswith(".")]


# --- issues


def test_issues_parquet_has_the_designed_columns(tmp_path: Path) -> None:
    """File name, key, place, code and the rest, in this order, with masked values."""
    sink = IssueSink(tmp_path, ["id"], ["a.csv"], show_values=False)
    sink.append(issue_frame(["invalid-email", "too-long"]))
    assert sink.close() == ("issues.parquet", "issues.csv")
    frame = pl.read_parquet(tmp_path / "issues.parquet")
    assert frame.schema == pl.Schema(
        {
            "file": pl.String,
            "id": pl.String,
            "row_number": pl.UInt64,
            "line": pl.UInt64,
            **dict.fromkeys(["code", "severity", "column", "trait", "value", "message"], pl.String),
        }
    )
    assert frame.row(1) == (
        *("a.csv", "C-1", 2, 3, "too-long", "error", "email", "Contact.email"),
        *("s••• (6 chars)", "Not an address"),
    )
    assert no_leftovers(tmp_path)


@pytest.mark.parametrize("show_values", [True, False])
def test_values_are_shown_only_when_asked_for(tmp_path: Path, show_values: bool) -> None:
    """No file holds a cell value unless values were asked for; the key is there either way."""
    sink = IssueSink(tmp_path, ["id"], ["a.csv"], show_values=show_values)
    sink.append(issue_frame(["too-long"], value="=secret,value"))
    sink.close()
    in_parquet = pl.read_parquet(tmp_path / "issues.parquet")["value"][0]
    text = (tmp_path / "issues.csv").read_text("utf-8-sig")
    assert (in_parquet == "=secret,value") is show_values
    assert ("secret" in text) is show_values
    assert "C-0" in text
    if show_values:
        assert next(csv.DictReader(text.splitlines()))["value"] == "'=secret,value"


def test_issues_csv_is_capped_per_code(tmp_path: Path) -> None:
    """The first so many of each code are shown, over all frames; all are counted and in the Parquet file."""
    sink = IssueSink(tmp_path, [], ["a.csv"], show_values=False, cap_per_code=3)
    sink.append(issue_frame(["too-long", "too-long", "invalid-email"], keys=()))
    sink.append(issue_frame([], keys=()))
    sink.append(issue_frame(["too-long", "too-long", "too-long", "invalid-phone"], keys=()))
    sink.append(issue_frame(["too-long"], keys=()))
    sink.close()
    with (tmp_path / "issues.csv").open(encoding="utf-8-sig", newline="") as stream:
        codes = [row["code"] for row in csv.DictReader(stream)]
    assert codes == ["too-long", "too-long", "invalid-email", "too-long", "invalid-phone"]
    assert sink.counts == {"too-long": 6, "invalid-email": 1, "invalid-phone": 1}
    assert sink.left_out == {"too-long": 3}
    assert pl.read_parquet(tmp_path / "issues.parquet").height == 8


def test_no_issues_are_files_without_rows(tmp_path: Path) -> None:
    """A clean run has both files, with their columns and no rows."""
    IssueSink(tmp_path, ["id"], ["a.csv"], show_values=False).close()
    assert pl.read_parquet(tmp_path / "issues.parquet").height == 0
    assert (tmp_path / "issues.csv").read_text("utf-8-sig").startswith("file,id,row_number,")


def test_a_key_named_like_a_fixed_column(tmp_path: Path) -> None:
    """A key column that has a fixed column's name gets `key_` before it, as often as it takes."""
    sink = IssueSink(tmp_path, ["line", "key_line", "id"], ["a.csv"], show_values=False)
    sink.append(issue_frame(["too-long"], keys=("line", "key_line", "id")))
    sink.close()
    columns = pl.read_parquet(tmp_path / "issues.parquet").columns
    assert columns[:5] == ["file", "key_key_line", "key_line", "id", "row_number"]


def test_file_names_that_are_no_text() -> None:
    """A file name with undecodable bytes is shown with a question mark, and then two may be the same."""
    names = row_names([], ["caf\udce9.csv", "b.csv", "caf\udcea.csv"], [])
    named = names.name_rows(pl.DataFrame({"file": pl.Series([2, 0, 1], dtype=pl.UInt16)}))
    assert named.equals(pl.DataFrame({"file": ["caf?.csv", "caf?.csv", "b.csv"]}))


def test_abort_leaves_nothing(tmp_path: Path) -> None:
    """What was begun and not finished leaves no file behind; closing comes first and wins."""
    sink = IssueSink(tmp_path, ["id"], ["a.csv"], show_values=False)
    sink.append(issue_frame(["too-long"]))
    sink.abort()
    rejected = RejectedSink(tmp_path, None, ["a"])
    rejected.append(pl.DataFrame({"a": ["x"]}), pl.Series([1]), None, pl.Series(["too-long"]))
    rejected.abort()
    outcomes = OutcomesSink(tmp_path, [], [])
    outcomes.abort()
    assert list(tmp_path.iterdir()) == []
    outcomes = OutcomesSink(tmp_path, [], [])
    outcomes.close()
    outcomes.abort()
    assert [path.name for path in tmp_path.iterdir()] == ["outcomes.parquet"]


# --- outcomes, groups, report


def test_outcomes_have_the_designed_columns(tmp_path: Path) -> None:
    """Key, file, place, state and what led to it, in this order; states are counted."""
    sink = OutcomesSink(tmp_path, ["id"], ["a.csv", "b.csv"])
    sink.append(outcome_frame(["accepted", "rejected"]))
    sink.append(outcome_frame([]))
    sink.append(outcome_frame(["accepted"], first=3).with_columns(pl.col("state").cast(pl.Enum(["accepted"]))))
    assert sink.close() == ("outcomes.parquet",)
    frame = pl.read_parquet(tmp_path / "outcomes.parquet")
    assert frame.columns == [
        *("id", "file", "row_number", "line", "state", "code", "route", "batch_id", "request_id"),
        *("operation_id", "import_id", "carried_by", "group", "verified"),
    ]
    assert frame.schema["row_number"] == pl.UInt64
    assert frame["file"].unique().to_list() == ["b.csv"]
    assert frame["row_number"].to_list() == [1, 2, 3]
    assert sink.counts["accepted"] == 2
    assert sum(sink.counts.values()) == 3


def test_a_row_without_a_state_is_refused(tmp_path: Path) -> None:
    """A row that has no final state is a fault of ours and is not written as one."""
    sink = OutcomesSink(tmp_path, ["id"], ["a.csv", "b.csv"])
    with pytest.raises(ValueError, match="no final state"):
        sink.append(outcome_frame(["accepted"]).with_columns(state=pl.lit(None, dtype=pl.String)))
    with pytest.raises(ValueError, match="not a final state"):
        sink.append(outcome_frame(["success"]))
    sink.abort()


def test_parquet_is_written_in_pieces(tmp_path: Path) -> None:
    """Many small frames become few row groups, in order, and none waits for the end in memory."""
    file = ParquetFile(tmp_path / "x.parquet", pl.Schema({"n": pl.UInt64}))
    piece = pl.DataFrame({"n": pl.Series(range(ROW_GROUP_ROWS // 4), dtype=pl.UInt64)})
    for _ in range(9):
        file.append(piece)
    file.close()
    assert pl.read_parquet(tmp_path / "x.parquet").equals(pl.concat([piece] * 9))


@pytest.mark.parametrize("with_value", [True, False])
def test_groups_name_their_rows(tmp_path: Path, with_value: bool) -> None:
    """A line a row, with what links it; a linking value is masked."""
    frame = pl.DataFrame(
        {
            "group": [1, 1],
            "kind": ["merge-group"] * 2,
            "decision": ["held"] * 2,
            "file": pl.Series([0, 0], dtype=pl.UInt16),
            "key:id": ["C-1", "C-2"],
            "row_number": [1, 2],
            "line": [2, 3],
            "id_types": [["phone"], ["phone", "email"]],
        }
    )
    if with_value:
        frame = frame.with_columns(linked_by=["phone"], linking_value=["+15551234567"])
    assert write_groups(tmp_path, [frame], ["id"], ["a.csv"]) == ("groups.parquet",)
    groups = pl.read_parquet(tmp_path / "groups.parquet")
    assert groups.columns == [
        *("group", "kind", "decision", "file", "row_number", "line", "id", "id_types", "linked_by", "linking_value"),
        *("rows", "keys", "shape", "linking_values", "most_shared", "reading", "profiles", "profile", "decided_by"),
    ]
    assert groups["id_types"].to_list() == [["phone"], ["phone", "email"]]
    assert groups["linking_value"].to_list()[0] == (["••• (12 chars)"] if with_value else None)


def test_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    """report.json gives the same report again, and is what --json prints."""
    report = Report(run_id="r", command="plan", started_at="2026-11-22T10:00:00Z", issues={"too-long": 2})
    write_report(tmp_path, report)
    assert read_report(tmp_path) == report
    assert (tmp_path / "report.json").read_text() == report_text(report)


def test_a_report_that_is_missing_or_damaged(tmp_path: Path) -> None:
    """Both are state errors with a hint; the damaged content is not quoted."""
    with pytest.raises(StateError, match=r"has no report\.json"):
        read_report(tmp_path)
    (tmp_path / "report.json").write_text('{"run_id": "secret"')
    with pytest.raises(StateError, match="damaged") as caught:
        read_report(tmp_path)
    assert "secret" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.usefixtures("umask")
def test_every_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """Files with keys or values can be read by their owner only, and by the owner always."""
    tmp_path.chmod(0o700)
    issues = IssueSink(tmp_path, ["id"], ["a.csv"], show_values=True)
    issues.append(issue_frame(["too-long"]))
    rejected = RejectedSink(tmp_path, None, ["a"])
    rejected.append(pl.DataFrame({"a": ["x"]}), pl.Series([1]), None, pl.Series(["too-long"]))
    rejected.append_malformed(malformed_frame(b"x"))
    outcomes = OutcomesSink(tmp_path, ["id"], ["a.csv", "b.csv"])
    outcomes.append(outcome_frame(["accepted"]))
    # They are private before they are complete, too.
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 5
    names = [*issues.close(), *rejected.close(), *outcomes.close()]
    names += write_report(tmp_path, Report(run_id="r", command="plan", started_at="x"))
    modes |= {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names}
    assert set(modes.values()) == {0o600}
