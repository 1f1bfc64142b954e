"""Chunks packed for the package, the issue files and the rejected rows."""

from __future__ import annotations

import polars as pl

from importer.core.check import check_rows
from importer.core.check_values import compile_checks
from importer.core.filled import FilledSets
from importer.core.issues import ISSUES_SCHEMA
from importer.core.packing import ROWS_SCHEMA, ChunkRows, issue_lines, pack_chunk, rejected_rows
from importer.core.schema import DataType
from importer.core.transform import NullIntent, TraitPlan, TransformPlan
from importer.core.wire import body_bytes_bound, wire_traits

MALFORMED = pl.Schema(
    {"row_number": pl.UInt64, "line": pl.UInt64, "reason": pl.String, "message": pl.String, "raw": pl.Binary}
)
PLAN = TransformPlan(
    key=("id", "shop"),
    traits=(
        TraitPlan("G.user", "G", "user", DataType.STRING, column="user", id_type="user_id"),
        TraitPlan("G.points", "G", "points", DataType.NUMBER, column="points", null_intent=NullIntent.REMOVE),
        TraitPlan("G.name", "G", "name", DataType.STRING, column="name"),
    ),
)
NO_KEY = TransformPlan(key=(), traits=PLAN.traits)


def malformed(*rows: tuple[int, int]) -> pl.DataFrame:
    """Make malformed rows of (row number, line)."""
    full = [(number, line, "short", "2 fields, 5 expected", b"x,y") for number, line in rows]
    return pl.DataFrame(full, schema=MALFORMED, orient="row")


def chunk(*bad: tuple[int, int], has_lines: bool = True) -> ChunkRows:
    """Make a chunk of four rows, numbered 5, 7, 8 and 9: good, bad twice over, blank, good."""
    frame = pl.DataFrame(
        {
            "id": ["1", "2", None, " \\N "],
            "shop": [" s ", "s", None, "s"],
            "user": ["u5", None, None, "u9"],
            "points": ["1", "one", None, None],
            "name": ["Ann", "B\x07", None, "Dan"],
        }
    )
    lines = pl.Series([6, 9, 10, 11], dtype=pl.UInt64) if has_lines else None
    return ChunkRows(3, frame, pl.Series([5, 7, 8, 9], dtype=pl.UInt64), lines, malformed(*bad))


def test_every_row_read_is_kept_in_order_and_valid_rows_know_their_place() -> None:
    """Malformed rows stand between the others, and a valid row's place counts all rows of the run before it."""
    rows = chunk((6, 7), (10, 12))
    sets = FilledSets(wire_traits(PLAN))
    checked = check_rows(compile_checks(PLAN), rows.frame, rows.row_number, pl.Series([False, False, True, False]))
    packed = pack_chunk(rows, checked, PLAN, sets, rows_before=100)
    assert packed.rows.schema == pl.Schema([*ROWS_SCHEMA.items(), ("key:id", pl.String()), ("key:shop", pl.String())])
    assert packed.rows.rows() == [
        (3, 5, 6, None, None, "1", "s"),
        (3, 6, 7, "rejected", "malformed-row", None, None),
        (3, 7, 9, "rejected", "type-mismatch", "2", "s"),
        (3, 8, 10, "skipped", "blank-line", None, None),
        (3, 9, 11, None, None, "\\N", "s"),
        (3, 10, 12, "rejected", "malformed-row", None, None),
    ]
    assert packed.valid.columns == ["row", "key", "set", "size", "G.user", "G.points", "G.name", "remove:G.points"]
    assert packed.valid["row"].to_list() == [100, 104]
    assert packed.valid["row"].dtype == pl.UInt64
    assert packed.valid["size"].to_list() == body_bytes_bound(sets.traits, packed.valid).tolist()
    assert [(entry.filled, entry.removed) for entry in sets.sets()] == [
        (("G.user", "G.points", "G.name"), ()),
        (("G.user", "G.name"), ("G.points",)),
    ]


def test_a_key_is_whole_or_missing() -> None:
    """The key joins all key columns; one that is empty or a null token leaves the row without a key."""
    rows = chunk()
    checked = check_rows(compile_checks(PLAN), rows.frame, rows.row_number, pl.Series([False, False, True, False]))
    packed = pack_chunk(rows, checked, PLAN, FilledSets(wire_traits(PLAN)), rows_before=0)
    assert packed.valid["key"].to_list() == ["1\x1fs", None]


def test_a_source_without_key_and_without_lines_is_packed_too() -> None:
    """Keys and lines are null where there are none; a list may be a key column."""
    rows = chunk(has_lines=False)
    checked = check_rows(compile_checks(NO_KEY), rows.frame, rows.row_number, pl.Series([False, False, True, False]))
    packed = pack_chunk(rows, checked, NO_KEY, FilledSets(wire_traits(NO_KEY)), rows_before=0)
    assert packed.rows["line"].to_list() == [None] * 4
    assert packed.rows.columns == list(ROWS_SCHEMA)
    assert packed.valid["key"].to_list() == [None, None]
    listed = TransformPlan(key=("ids",), traits=PLAN.traits)
    frame = rows.frame.with_columns(ids=pl.Series([["a", "b"], ["c"], None, None]))
    rows = ChunkRows(0, frame, rows.row_number, None, malformed())
    checked = check_rows(compile_checks(listed), frame, rows.row_number, pl.Series([False, False, True, False]))
    packed = pack_chunk(rows, checked, listed, FilledSets(wire_traits(listed)), rows_before=0)
    assert packed.valid["key"].to_list() == ["a|b", None]


def test_rows_that_nothing_is_made_of_are_not_measured() -> None:
    """A dry run asks for no sizes; whatever else is said of its rows stays."""
    rows = chunk()
    checked = check_rows(compile_checks(PLAN), rows.frame, rows.row_number, pl.Series([False, False, True, False]))
    measured = pack_chunk(rows, checked, PLAN, FilledSets(wire_traits(PLAN)), rows_before=0).valid
    packed = pack_chunk(rows, checked, PLAN, FilledSets(wire_traits(PLAN), sized=False), rows_before=0).valid
    assert packed.schema == measured.schema
    assert packed["size"].to_list() == [0, 0]
    assert packed.drop("size").equals(measured.drop("size"))


def test_issues_get_place_and_key_and_malformed_rows_get_theirs() -> None:
    """Issues come with file, line and key in front, those of malformed rows among them, by row number."""
    rows = chunk((6, 7))
    checked = check_rows(compile_checks(PLAN), rows.frame, rows.row_number, pl.Series([False, False, True, False]))
    packed = pack_chunk(rows, checked, PLAN, FilledSets(wire_traits(PLAN)), rows_before=0)
    lines = issue_lines(packed, rows, checked.issues)
    assert lines.columns == ["file", "line", "key:id", "key:shop", *ISSUES_SCHEMA]
    assert lines.select("file", "line", "key:id", "row_number", "code", "column", "value").rows() == [
        (3, 7, None, 6, "malformed-row", None, None),
        (3, 9, "2", 7, "type-mismatch", "points", "one"),
        (3, 9, "2", 7, "control-character", "name", "B\x07"),
        (3, 9, "2", 7, "missing-identifier", None, None),
        (3, 11, "\\N", 9, "missing-key", "id", " \\N "),
    ]
    assert lines["message"][0] == "2 fields, 5 expected"


def test_rejected_rows_come_as_the_source_has_them() -> None:
    """A rejected row has its original cells and all of its error codes once; warnings and malformed rows do not."""
    rows = chunk((6, 7))
    checked = check_rows(compile_checks(PLAN), rows.frame, rows.row_number, pl.Series([False, False, True, False]))
    rejected = rejected_rows(rows, checked)
    assert rejected.frame.to_dicts() == [rows.frame.row(1, named=True)]
    assert rejected.row_number.to_list() == [7]
    assert rejected.line.to_list() == [9]
    assert rejected.codes.to_list() == ["type-mismatch;control-character;missing-identifier"]


def test_chunks_of_nothing_but_malformed_rows_are_packed() -> None:
    """A stretch without one readable row still counts its rows."""
    empty = chunk().frame.clear()
    none = pl.Series([], dtype=pl.UInt64)
    rows = ChunkRows(0, empty, none, none, malformed((1, 2), (2, 3)))
    checked = check_rows(compile_checks(PLAN), empty, none, pl.Series([], dtype=pl.Boolean))
    packed = pack_chunk(rows, checked, PLAN, FilledSets(wire_traits(PLAN)), rows_before=7)
    assert packed.rows["code"].to_list() == ["malformed-row"] * 2
    assert packed.valid.is_empty()
    assert issue_lines(packed, rows, checked.issues)["row_number"].to_list() == [1, 2]
    assert rejected_rows(rows, checked).frame.is_empty()
