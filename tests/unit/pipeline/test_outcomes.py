"""Outcomes: every row read, joined with what was decided and delivered, exactly once and in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl
import pytest

from importer.core.packing import ROWS_SCHEMA
from importer.core.report import FinalState
from importer.pipeline.outcomes import OVERRIDES_SCHEMA, RANGES_SCHEMA, Delivered, outcome_frames
from importer.pipeline.places import place_findings
from tests.support.fakes import FakePackage, index_of
from tests.support.work import queries_of

Early = tuple[str, str] | None


def package_of(*chunks: Sequence[Early]) -> FakePackage:
    """Make a package of rows that ended early (state, code), or did not; each chunk is a file of its own."""
    package = FakePackage()
    for number, chunk in enumerate(chunks):
        rows = [(number, at + 1, at + 2, *(early or (None, None)), f"K{number}{at}") for at, early in enumerate(chunk)]
        schema = pl.Schema([*ROWS_SCHEMA.items(), ("key:id", pl.String())])
        package.rows.append(pl.DataFrame(rows, schema=schema, orient="row"))
    return package


def batch(start: int, stop: int, name: str, state: str = "processed", **trace: str) -> dict[str, Any]:
    """Describe a batch that is over."""
    return {"start": start, "stop": stop, "batch_id": name, "route": "bulk", "state": state} | trace


def outcomes(
    package: FakePackage,
    index: pl.DataFrame,
    ranges: Sequence[Mapping[str, Any]] = (),
    overrides: Sequence[tuple[int, str, str | None]] = (),
    sending_state: FinalState = FinalState.NOT_SENT,
    verified: Sequence[tuple[int, str]] | None = None,
) -> pl.DataFrame:
    """Return all outcomes in one frame."""
    delivered = Delivered(
        pl.DataFrame([{name: entry.get(name) for name in RANGES_SCHEMA} for entry in ranges], schema=RANGES_SCHEMA),
        pl.DataFrame(list(overrides), schema=OVERRIDES_SCHEMA, orient="row"),
    )
    read = None if verified is None else pl.DataFrame(verified, schema=["position", "result"], orient="row")
    return pl.concat(list(outcome_frames(package, index, delivered, sending_state=sending_state, verified=read)))


def states(frame: pl.DataFrame) -> list[tuple[str, str | None]]:
    """Return state and code of each row."""
    return list(frame.select("state", "code").iter_rows())


MOST_QUERIES_A_CHUNK: Final = 2
SENT: Final[dict[str, Any]] = {"position": 0}


def test_rows_of_an_earlier_version_have_the_same_outcomes() -> None:
    """Its packages hold states and codes as text."""
    package = package_of([("rejected", "malformed-row"), None, ("skipped", "where")], [None, ("skipped", "blank-line")])
    index = index_of({"row": 1, **SENT}, {"row": 3, "state": "held", "code": "merge-group"})
    now = outcomes(package, index)
    package.rows = [frame.with_columns(pl.col("state", "code").cast(pl.String)) for frame in package.rows]
    assert outcomes(package, index).equals(now)
    assert states(now)[::2] == [("rejected", "malformed-row"), ("skipped", "where"), ("skipped", "blank-line")]


def test_rows_that_ended_early_keep_their_state() -> None:
    """They stand among the others, in the source's order, without a trace of a batch."""
    package = package_of([("skipped", "blank-line"), None, ("rejected", "malformed-row")])
    frame = outcomes(package, index_of(SENT | {"row": 1}), [batch(0, 1, "7")])
    assert states(frame) == [("skipped", "blank-line"), ("processed", None), ("rejected", "malformed-row")]
    assert frame["row_number"].to_list() == [1, 2, 3]
    assert frame["line"].to_list() == [2, 3, 4]
    assert frame["batch_id"].to_list() == [None, "7", None]
    assert frame["key:id"].to_list() == ["K00", "K01", "K02"]


@pytest.mark.parametrize("state", ["held", "combined", "rejected"])
def test_decided_states_are_final(state: str) -> None:
    """What was not sent has the state that was decided, with its code."""
    frame = outcomes(package_of([None]), index_of({"state": state, "code": "merge-group"}))
    assert states(frame) == [(state, "merge-group")]


def test_a_row_shares_the_fate_of_its_batch_unless_it_has_its_own() -> None:
    """A row's own result counts more than its batch's, and keeps the batch's trace."""
    index = index_of({"position": 2}, {"position": 0}, {"position": 1}, {"position": 3})
    ranges = [
        batch(2, 4, "1", "accepted", request_id="RQ2", operation_id="OP"),
        batch(0, 2, "0", "unattributed", code="part-failed", request_id="RQ1", import_id="IM"),
    ]
    frame = outcomes(
        package_of([None, None], [None, None]), index, ranges, [(1, "failed", "refused"), (3, "unknown", None)]
    )
    assert states(frame) == [
        ("accepted", None),
        ("unattributed", "part-failed"),
        ("failed", "refused"),
        ("unknown", None),
    ]
    assert frame["request_id"].to_list() == ["RQ2", "RQ1", "RQ1", "RQ2"]
    assert frame["operation_id"].to_list() == ["OP", None, None, "OP"]
    assert frame["import_id"].to_list() == [None, "IM", "IM", None]
    assert frame["file"].to_list() == [0, 0, 1, 1]


def test_a_row_no_batch_speaks_for_is_planned_or_not_sent() -> None:
    """Between batches that are over there may be ones that are not."""
    index = index_of({"position": 0}, {"position": 1}, {"position": 2})
    ranges = [batch(0, 1, "0"), batch(2, 3, "2")]
    package = package_of([None, None, None])
    assert [state for state, _ in states(outcomes(package, index, ranges))] == ["processed", "not_sent", "processed"]
    planned = outcomes(package, index, sending_state=FinalState.PLANNED)
    assert set(states(planned)) == {("planned", None)}


def test_a_row_outside_the_limit_is_skipped() -> None:
    """A row that may go and has no place in the send order was left out by `--limit`."""
    frame = outcomes(package_of([None, None]), index_of({}, {"state": "sequence", "group": 1, "wave": 1}))
    assert states(frame) == [("skipped", "limit")] * 2


def test_a_row_is_carried_by_a_row_number_of_any_chunk() -> None:
    """The carrier is named by its number in its file, wherever that is; groups are shown as text."""
    package = package_of([None, ("skipped", "where")], [None, None])
    index = index_of(
        {"row": 0, "state": "combined", "carried_by": 2, "group": 4},
        {"row": 2, "state": "combined", "carried_by": 2},
        {"row": 3, "position": 0},
    )
    frame = outcomes(package, index, [batch(0, 1, "0")])
    assert frame["carried_by"].to_list() == [2, None, 2, None]
    assert frame["group"].to_list() == ["4", None, None, None]
    assert frame["verified"].null_count() == 4


def test_empty_chunks_and_runs_without_valid_rows_pass() -> None:
    """Every row is accounted for even where none is valid."""
    package = package_of([], [("skipped", "blank-line")], [])
    assert states(outcomes(package, index_of())) == [("skipped", "blank-line")]


def test_findings_get_place_and_key() -> None:
    """What was found about lines of the index is said of rows of the source, several times a row if need be."""
    package = package_of([("skipped", "where"), None], [None])
    index = index_of({"row": 1}, {"row": 2})
    findings = pl.DataFrame({"line": [0, 0, 1], "code": ["a", "b", "c"]}, schema_overrides={"line": pl.Int64})
    placed = pl.concat(list(place_findings(package, index, findings)))
    assert placed.select("file", "key:id", "row_number", "line", "code").rows() == [
        (0, "K01", 2, 3, "a"),
        (0, "K01", 2, 3, "b"),
        (1, "K10", 1, 2, "c"),
    ]
    assert list(place_findings(package, index, findings.clear())) == []


def test_what_was_read_back_stands_beside_the_state() -> None:
    """By position: a row that is carried has the result of the row that carries it, others have none."""
    index = index_of(
        {"position": 5},
        {"state": "combined", "carried_by": 3},
        {"position": 2},
        {"position": 7},
        {"state": "held", "code": "merge-group"},
    )
    frame = outcomes(
        package_of([None, None, None], [None, None]),
        index,
        [batch(0, 9, "0")],
        verified=[(2, "missing"), (6, "confirmed"), (7, "mismatched")],
    )
    assert frame["verified"].to_list() == [None, "mismatched", "missing", "mismatched", None]
    assert frame["state"].to_list() == ["processed", "combined", "processed", "processed", "held"]


def test_nothing_was_read_back() -> None:
    """The column is there all the same, as text."""
    frame = outcomes(package_of([None]), index_of(SENT))
    assert frame["verified"].to_list() == [None]
    assert frame.schema["verified"] == pl.String


def test_columns_of_which_nothing_is_known_take_no_query_each() -> None:
    """There are eight of them in a dry run, in each chunk; a chunk more takes so few."""
    few, many = package_of([None] * 3), package_of(*[[None] * (3 + number) for number in range(4)])
    index = index_of(*[SENT | {"row": row} for row in range(3)])
    one = queries_of(lambda: outcomes(few, index))
    assert queries_of(lambda: outcomes(many, index)) - one <= 3 * MOST_QUERIES_A_CHUNK
