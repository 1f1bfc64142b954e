"""Preparing: chunks in, packed rows, issues and a few numbers a row out."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Event
from typing import Any, Final

import numpy as np
import polars as pl
import pytest

from importer.core.check_values import compile_checks
from importer.core.transform import Expression, TransformPlan
from importer.errors import RunInterrupted
from importer.pipeline.prepare import Prepared, Sinks, prepare
from importer.ports import SourceChunk
from tests.support.checking import EMAIL, trait
from tests.support.fakes import (
    FakeIssues,
    FakePackage,
    FakeProgress,
    FakeRejected,
    FakeSource,
    checks_of,
    chunk_of,
)

MAPPING: Final[dict[str, Any]] = {
    "source": {"key": ["id"]},
    "columns": {
        "email": "Contact.email",
        "nick": {"to": "Contact.nick", "on_missing": "clear"},
        "points": {"to": "Account.points", "type": "number"},
    },
}
COLUMNS: Final = ("id", "email", "nick", "points")


class Bench:
    """A package and sinks to prepare into."""

    def __init__(self) -> None:
        self.package = FakePackage()
        self.issues = FakeIssues()
        self.rejected = FakeRejected()
        self.progress = FakeProgress()
        self.stop = Event()

    def prepare(
        self,
        *chunks: SourceChunk,
        mapping: dict[str, Any] | None = None,
        wanted: frozenset[str] | None = None,
        **options: Any,
    ) -> Prepared:
        """Prepare chunks."""
        checks = replace(checks_of(mapping or MAPPING, COLUMNS)[0], wanted=wanted)
        sinks = Sinks(self.issues, self.rejected, self.progress, self.stop)
        return prepare(FakeSource(chunks), checks, self.package, sinks, **options)


def row(number: int, **cells: str | None) -> dict[str, str | None]:
    """Return a good row, but for the cells given."""
    return {"id": f"K{number}", "email": f"p{number}@example.com", "nick": "x", "points": "1"} | cells


def test_numbers_of_all_chunks_are_joined_in_order() -> None:
    """Positions count every row read, of earlier chunks and malformed ones too; one entry a valid row."""
    bench = Bench()
    prepared = bench.prepare(
        chunk_of([row(1), {}, row(4)], malformed={2: b"x,y"}),
        chunk_of([row(5, points="many"), row(6)], first=5),
    )
    assert prepared.rows_read == 6
    assert prepared.row.tolist() == [0, 3, 5]
    assert prepared.early == {"rejected": 2, "skipped": 1}
    assert prepared.measures.height == 3
    assert bench.package.row_count == 6
    assert [frame.height for frame in bench.package.valid] == [2, 1]
    assert bench.progress.stages == [("read and check", 6)]


def test_every_row_is_valid_or_ended_early() -> None:
    """Rows that ended early and valid rows sum to the rows read."""
    prepared = Bench().prepare(chunk_of([row(1), row(2, email="nobody"), {}, row(4, email=None)]))
    assert sum(prepared.early.values()) + len(prepared.row) == prepared.rows_read == 4


def test_hashes_are_of_normalised_values_and_zero_is_none() -> None:
    """Two spellings of one address are one identifier; a row without has none."""
    mapping = MAPPING | {"columns": MAPPING["columns"] | {"id": {"to": "Account.userId", "identifier": "user_id"}}}
    prepared = Bench().prepare(
        chunk_of([row(1, email="A@Example.com"), row(2, email=" a@example.com "), row(3, email=None)]), mapping=mapping
    )
    first, second, third = prepared.hashes["Contact.email"].tolist()
    assert first == second != 0
    assert third == 0
    assert all(prepared.hashes["Account.userId"])


def test_a_row_without_a_whole_key_has_no_key() -> None:
    """An empty cell or a null token is no key; without key columns nothing has one."""
    prepared = Bench().prepare(chunk_of([row(1), row(2, id=None), row(3, id="\\N")]))
    assert prepared.key_hash is not None
    assert [number != 0 for number in prepared.key_hash.tolist()] == [True, False, False]
    assert Bench().prepare(chunk_of([row(1)]), mapping=MAPPING | {"source": {}}).key_hash is None


def test_repairs_and_cleared_values_are_counted() -> None:
    """What was repaired and what will be cleared is known by column and by trait."""
    prepared = Bench().prepare(chunk_of([row(1, email="P@x.com "), row(2, nick=None)]), chunk_of([row(3, nick="")]))
    assert prepared.repairs == {"email: email-case": 1, "email: trimmed": 1}
    assert prepared.cleared == {"Contact.nick": 2}


def test_issues_and_rejected_rows_go_to_their_sinks() -> None:
    """A rejected row is written with its original cells and all its codes, a malformed one as it stood."""
    bench = Bench()
    bench.prepare(chunk_of([row(1), row(3, email="nobody", points="1,5")], malformed={2: b"a,b,c"}))
    assert bench.issues.shown() == [
        (2, "malformed-row", "error", None, None),
        (3, "invalid-email", "error", "email", "Contact.email"),
        (3, "type-mismatch", "error", "points", "Account.points"),
    ]
    assert bench.issues.frames[0]["key:id"].to_list() == [None, "K3", "K3"]
    assert bench.rejected.rows == [(0, 3, 4, "invalid-email;type-mismatch")]
    assert bench.rejected.cells == [row(3, email="nobody", points="1,5")]
    assert bench.rejected.malformed == [b"a,b,c"]


def test_a_chunk_without_faults_writes_no_issues() -> None:
    """Sinks are only called when there is something to say."""
    bench = Bench()
    bench.prepare(chunk_of([row(1)]))
    assert (bench.issues.frames, bench.rejected.rows, bench.rejected.malformed) == ([], [], [])


def test_a_dry_run_keeps_only_the_values_it_wants() -> None:
    """Keys and those are all that is written of valid rows; the numbers stay those of whole rows."""
    chunks = [chunk_of([row(1), row(2, points="1,5"), row(3, points=None), row(4, nick=None)])]
    whole = Bench()
    expected = whole.prepare(*chunks)
    bench = Bench()
    prepared = bench.prepare(*chunks, wanted=frozenset({"Contact.email"}))
    assert bench.package.valid[0].equals(whole.package.valid[0].select("key", "Contact.email"))
    assert bench.package.rows[0].equals(whole.package.rows[0])
    assert prepared.measures.drop("size").equals(expected.measures.drop("size"))
    assert (prepared.sets, prepared.cleared, prepared.repairs) == (expected.sets, expected.cleared, expected.repairs)


def test_what_rejected_rows_clear_is_not_counted() -> None:
    """They send nothing; the rows behind them keep their own."""
    cells = [row(1, nick=None), row(2, points="1,5", nick=None), row(3), row(4, nick=None)]
    dropping = MAPPING | {"identity": {"on_shared": {"email": "drop-value"}}}
    for wanted in (None, frozenset({"Contact.email"})):
        prepared = Bench().prepare(chunk_of(cells), mapping=dropping, wanted=wanted)
        assert prepared.cleared == {"Contact.nick": 2}
        lines = np.arange(3)
        assert prepared.cleared_traits.of(lines).rows() == [(0, "Contact.nick"), (2, "Contact.nick")]


def test_filled_sets_are_shared_by_all_chunks() -> None:
    """Rows that fill the same traits have one set, whatever chunk they are in."""
    prepared = Bench().prepare(chunk_of([row(1), row(2, points=None)]), chunk_of([row(3, points=None), row(4)]))
    assert prepared.set_ids.tolist() == [0, 1, 1, 0]
    assert [entry.filled for entry in prepared.sets] == [
        ("Contact.email", "Contact.nick", "Account.points"),
        ("Contact.email", "Contact.nick"),
    ]


def test_an_empty_source_gives_empty_numbers() -> None:
    """No rows are no fault here."""
    prepared = Bench().prepare()
    assert prepared.rows_read == prepared.measures.height == 0
    assert prepared.hashes["Contact.email"].size == 0


def test_a_stop_is_obeyed_after_the_chunk_at_hand() -> None:
    """Whoever asks to stop waits for one chunk, not for the source."""
    bench = Bench()
    bench.stop.set()
    with pytest.raises(RunInterrupted):
        bench.prepare(chunk_of([row(1)]), chunk_of([row(2)], first=2))
    assert bench.package.row_count == 1


def test_when_all_is_read_two_threads_check_what_is_left() -> None:
    """Two columns that wait for each other are cast: nobody only waits for the last chunk."""
    both = Barrier(2)

    def meet(column: pl.Series) -> pl.Series:
        both.wait(30)
        return column

    met = Expression("met", pl.col("email").map_batches(meet, return_dtype=pl.String), ("email",))
    plan = TransformPlan(traits=(EMAIL, trait("first", computed=met), trait("second", computed=met)), key=())
    bench = Bench()
    sinks = Sinks(bench.issues, bench.rejected, bench.progress, bench.stop)
    source = FakeSource([chunk_of([{"email": "a@example.com"}])])
    assert prepare(source, compile_checks(plan), bench.package, sinks).rows_read == 1
