"""Checking a whole source: identity's findings become issues, and rows it rejects are written as they stood."""

from __future__ import annotations

from threading import Event
from typing import Any, Final

import polars as pl

from importer.pipeline.check_source import CheckedSource, Inputs, check_source, write_findings
from importer.pipeline.decide import Deciding
from importer.pipeline.prepare import Sinks
from tests.support.fakes import (
    FakeIssues,
    FakePackage,
    FakeProgress,
    FakeRejected,
    FakeSource,
    checks_of,
    chunk_of,
)

COLUMNS: Final = ("id", "email", "nick")
ROWS: Final[list[dict[str, str | None]]] = [
    {"id": "K1", "email": " A@Example.com", "nick": "first"},
    {"id": "K2", "email": "nobody", "nick": "bad"},
    {"id": "K1", "email": "b@example.com", "nick": "second"},
    {"id": "K3", "email": "c@example.com", "nick": "fine"},
]


class Bench:
    """A source of two chunks and sinks."""

    def __init__(self, rows: list[dict[str, str | None]]) -> None:
        self.source = FakeSource([chunk_of(rows[:2]), chunk_of(rows[2:], first=3)])
        self.package = FakePackage()
        self.issues = FakeIssues()
        self.rejected = FakeRejected()
        self.progress = FakeProgress()

    def check(self, *, allow_merges: int = 0, **identity: Any) -> CheckedSource:
        """Check the source under an identity policy."""
        targets = {"email": "Contact.email", "nick": "Contact.nick"}
        checks, schema = checks_of({"source": {"key": ["id"]}, "columns": targets, "identity": identity}, COLUMNS)
        sinks = Sinks(self.issues, self.rejected, self.progress, Event())
        inputs = Inputs(self.source, checks, schema)
        checked = check_source(inputs, self.package, sinks, deciding=Deciding(allow_merges))
        write_findings(inputs, checked, sinks)
        return checked


def test_rows_that_identity_rejects_are_written_with_their_original_cells() -> None:
    """That takes a second look at the source, and the issues are errors."""
    bench = Bench(ROWS)
    checked = bench.check(on_duplicate_key="reject")
    assert bench.source.passes == 2
    assert bench.rejected.rows == [
        (0, 2, 3, "invalid-email"),
        (0, 1, 2, "duplicate-key"),
        (0, 3, 4, "duplicate-key"),
    ]
    assert bench.rejected.cells == [ROWS[1], ROWS[0], ROWS[2]]
    assert bench.issues.shown() == [
        (2, "invalid-email", "error", "email", "Contact.email"),
        (1, "duplicate-key", "error", None, None),
        (3, "duplicate-key", "error", None, None),
    ]
    assert [str(state) for state in checked.decided.index["state"].to_list()] == ["rejected", "rejected", "send"]


def test_a_source_is_read_once_where_identity_rejects_nothing() -> None:
    """Dropped identifiers and held rows are warnings, and no reason to read again."""
    bench = Bench(ROWS)
    bench.check()
    assert bench.source.passes == 1
    assert bench.issues.shown()[1:] == [(1, "duplicate-key", "warning", "email", "Contact.email")]


def test_issues_of_identity_have_place_and_key_and_no_value() -> None:
    """The value stands in the source's row; an issue says where."""
    bench = Bench([ROWS[0], ROWS[3], ROWS[0] | {"id": "K9"}])
    bench.check()
    issues = pl.concat(bench.issues.frames)
    assert issues["key:id"].to_list() == ["K1", "K9"]
    assert issues["line"].to_list() == [2, 4]
    assert issues["value"].to_list() == [None, None]
    assert [row[:3] for row in bench.issues.shown()] == [(1, "merge-group", "warning"), (3, "merge-group", "warning")]
    assert all(issues["message"].to_list())


def test_allowed_merges_reach_the_decision() -> None:
    """A caller's limit decides whether a merge group goes."""
    rows = [ROWS[0], ROWS[3], ROWS[0] | {"id": "K9"}]
    assert Bench(rows).check().decided.index["state"].to_list() == ["held", "send", "held"]
    assert Bench(rows).check(allow_merges=1).decided.index["state"].to_list() == ["sequence", "send", "sequence"]


def test_stages_are_told_with_all_rows() -> None:
    """Reading and identity are two stages of the same rows."""
    bench = Bench(ROWS)
    bench.check()
    assert bench.progress.stages == [("read and check", 4), ("identity", 4)]
