"""A sync from a database: all of it, or only the rows that changed since the last run."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import pytest

from importer.errors import SettingsError, SourceError
from importer.wiring.requests import Hooks
from tests.support.postgres import Postgres
from tests.support.runs import Workbench, bench_of
from tests.support.strict_store import POINTERS, set_rule
from tests.support.syncs import MAPPING, At, Synced, found

bench = bench_of(MAPPING, POINTERS)

ALL: Final = "SELECT * FROM synced"
SINCE: Final = "SELECT * FROM synced WHERE updated_at >= $cursor::timestamptz"
CURSOR: Final[dict[str, Any]] = {"mode": "upsert", "query": SINCE, "cursor": {"column": "updated_at", "lag": "10m"}}


@pytest.fixture
def people_table(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """Make a table of 1,000 people, each changed a minute after the one before."""
    postgres.execute(
        "DROP TABLE IF EXISTS synced",
        "CREATE TABLE synced AS SELECT 'K' || g AS id, 'p' || g || '@example.com' AS email, "
        "'+1206' || lpad(g::text, 7, '0') AS phone, g AS points, "
        "TIMESTAMPTZ '2024-01-01 00:00:00Z' + g * INTERVAL '1 minute' AS updated_at FROM generate_series(1, 1000) g",
    )
    monkeypatch.setenv("SYNC_WAREHOUSE", postgres.uri)
    yield postgres
    postgres.execute("DROP TABLE synced")


def reading(bench: Workbench, **given: Any) -> Synced:
    """Return a sync of the table."""
    usual = {"source": "env:SYNC_WAREHOUSE", "query": ALL}
    return Synced(bench, {**usual, **given})


def test_of_a_table_exactly_the_changed_rows_are_sent(bench: Workbench, people_table: Postgres) -> None:
    """The first run sends all, the second with 1 % changed those, the third none."""
    sync = reading(bench)
    assert sync.runs(first_run=True) == ({"accepted": 1000}, 1000)
    people_table.execute("UPDATE synced SET points = points + 5000 WHERE points % 100 = 0")
    assert sync.runs() == ({"unchanged": 990, "accepted": 10}, 10)
    assert sync.runs() == ({"unchanged": 1000}, 0)
    changed = {row for row in sync.stored().values() if row[2] > 5000}
    assert {points for _, _, points in changed} == {5000 + 100 * number for number in range(1, 11)}


def test_a_cursor_asks_for_what_changed(bench: Workbench, people_table: Postgres) -> None:
    """The first run reads all; later ones begin the lag before the highest moment, whose rows cost nothing."""
    sync = reading(bench, **CURSOR)
    assert sync.runs(first_run=True) == ({"accepted": 1000}, 1000)
    assert sync.runs() == ({"unchanged": 11}, 0)
    people_table.execute("UPDATE synced SET points = 7000, updated_at = updated_at + INTERVAL '1 year' WHERE id = 'K5'")
    assert sync.runs() == ({"unchanged": 11, "accepted": 1}, 1)
    assert sync.runs() == ({"unchanged": 1}, 0)
    assert sync.runs(full_refresh=True) == ({"unchanged": 1000}, 0)
    assert sync.snapshot().height == 1000


def test_a_window_without_rows_is_fine(bench: Workbench, people_table: Postgres) -> None:
    """Nothing changed; an empty table at a first run is a brake."""
    sync = reading(bench, **CURSOR)
    people_table.execute("CREATE TABLE kept_synced AS SELECT * FROM synced", "DELETE FROM synced")
    assert sync.run(first_run=True).exit_code == 6
    people_table.execute("INSERT INTO synced SELECT * FROM kept_synced", "DROP TABLE kept_synced")
    sync.run(first_run=True)
    cursor = sync.state.cursor
    people_table.execute("DELETE FROM synced WHERE points > 900")
    assert (sync.run().exit_code, sync.runs()) == (0, ({}, 0))
    assert sync.state.cursor == cursor


def test_a_cursor_waits_for_rows_that_are_due(bench: Workbench, people_table: Postgres) -> None:
    """A refused row is asked for again, at its newest value, however long ago it changed; then the cursor moves."""
    sync = reading(bench, **CURSOR)
    sync.run(first_run=True)
    before = sync.state.cursor
    people_table.execute(
        "UPDATE synced SET points = 7000 + points, updated_at = updated_at + INTERVAL '1 year' WHERE points IN (5, 900)"
    )
    strict = Hooks(progress=At("send", lambda: set_rule(bench, 7500)))
    assert found(sync.run(strict)) == {"unchanged": 11, "accepted": 1, "failed": 1}
    assert sync.state.cursor == before
    set_rule(bench, None)
    people_table.execute("UPDATE synced SET points = 7901 WHERE points = 7900")
    assert sync.runs() == ({"unchanged": 12, "accepted": 1}, 1)
    assert sync.stored()["p900@example.com"][2] == 7901
    assert sync.state.cursor != before
    assert sync.runs() == ({"unchanged": 1}, 0)


def test_a_cursor_waits_for_rows_that_a_limit_left_out(bench: Workbench, people_table: Postgres) -> None:
    """They are asked for again; a limit that leaves nothing out holds nothing up."""
    sync = reading(bench, **CURSOR)
    assert sync.runs(first_run=True, limit=400)[1] == 400
    assert sync.state.cursor is None
    assert sync.runs(limit=600) == ({"unchanged": 400, "accepted": 600}, 600)
    assert sync.runs() == ({"unchanged": 11}, 0)


def test_a_cursor_begins_anew_where_the_mapping_changed(bench: Workbench, people_table: Postgres) -> None:
    """A payload may be another without its row being so: all rows are asked for, what is unchanged costs nothing."""
    sync = reading(bench, **CURSOR)
    sync.run(first_run=True)
    mapping = MAPPING | {"source": {"key": ["id"], "null_tokens": ["77"]}}
    bench.mapping.write_text(json.dumps(mapping), encoding="utf-8")
    assert sync.runs() == ({"unchanged": 999, "accepted": 1}, 1)
    assert sync.runs() == ({"unchanged": 11}, 0)


def test_a_query_that_fails_half_way_moves_nothing(bench: Workbench, people_table: Postgres) -> None:
    """Rows that came before the failure are neither sent nor known."""
    sync = reading(bench)
    sync.run(first_run=True)
    before = sync.folder.snapshot.read_bytes()
    broken = sync.but(query="SELECT *, 1 / (1000 - points) AS broken FROM synced")
    journal = len(bench.writes())
    with pytest.raises(SourceError):
        broken.run()
    assert (sync.folder.snapshot.read_bytes(), len(bench.writes())) == (before, journal)


def test_what_cannot_be_a_cursor_is_refused(bench: Workbench, people_table: Postgres) -> None:
    """A column without order, a column that is not there, and a lag of numbers; nothing is sent."""
    refusals = (
        ({"column": "email"}, SourceError, "neither a number nor a moment"),
        ({"column": "changed"}, SourceError, "no column 'changed'"),
    )
    for cursor, error, words in refusals:
        sync = reading(bench, mode="upsert", query=SINCE, cursor=cursor)
        with pytest.raises(error, match=words):
            sync.run(first_run=True)
    numbers = {"column": "points", "start": "0", "lag": "5s"}
    sync = reading(bench, mode="upsert", query="SELECT * FROM synced WHERE points > $cursor::int", cursor=numbers)
    sync.run(first_run=True)
    with pytest.raises(SettingsError, match="a lag is for moments"):
        sync.run()
    sync = reading(
        bench, mode="upsert", query="SELECT * FROM synced WHERE points >= $cursor::int", cursor=numbers | {"lag": "0s"}
    )
    assert sync.runs()[0] == {"unchanged": 1000}
    assert sync.runs()[0] == {"unchanged": 1}


def test_a_sqlite_file_beside_the_sync_file_is_read_by_its_own_path(bench: Workbench) -> None:
    """The query may stand in a file, parameters stay in their places, and moments are compared as the text they are."""
    with closing(sqlite3.connect(bench.folder / "crm.db")) as connection, connection:
        connection.execute("CREATE TABLE crm (id TEXT, email TEXT, phone TEXT, points INTEGER, changed TEXT)")
        rows = [
            (f"K{n}", f"p{n}@example.com", f"+1206555{n:04d}", n, f"2026-01-01 {n:02d}:00:00") for n in range(1, 21)
        ]
        connection.executemany("INSERT INTO crm VALUES (?, ?, ?, ?, ?)", rows)
    (bench.folder / "crm.sql").write_text(
        "SELECT * FROM crm -- not this $cursor\nWHERE points > CAST(? AS INTEGER) AND changed >= $cursor AND id <> ?"
    )
    cursor = {"column": "changed", "lag": "1h", "start": "0001-01-01 00:00:00"}
    given = {"source": "crm.db", "query": "@crm.sql", "parameters": ["3", "K9"], "mode": "upsert", "cursor": cursor}
    sync = Synced(bench, given)
    assert sync.runs(first_run=True) == ({"accepted": 16}, 16)
    assert sync.runs() == ({"unchanged": 2}, 0)
