"""A query's answer as text: types, passes, hostile statements, and errors that tell nothing of the cells."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import polars as pl
import pytest

from importer.errors import SettingsError, SourceError
from importer.ports import Source, SourceOptions
from importer.sources import open_source
from tests.support.postgres import Postgres

CANARY = "canary-7c1f@example.com"


def reading(uri: str | Path, query: str, *parameters: str, **options: Any) -> Source:
    """Open a query as a source."""
    return open_source(str(uri), SourceOptions(query=query, parameters=parameters, **options))


def rows_of(source: Source) -> pl.DataFrame:
    """Read one whole pass."""
    return pl.concat([chunk.frame for chunk in source.chunks()])


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """Write a SQLite file of five rows, the last with a text among the numbers."""
    path = tmp_path / "a b?c.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE person (id INTEGER, email TEXT, points)")
        rows = [(n, f"p{n}@example.com", n * 10) for n in range(1, 5)]
        database.executemany("INSERT INTO person VALUES (?, ?, ?)", [*rows, (5, CANARY, "many")])
    return path


@pytest.fixture
def duckdb_file(tmp_path: Path) -> Path:
    """Write a DuckDB file of three rows."""
    path = tmp_path / "people.bin"
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE TABLE person AS SELECT n AS id, [n, n + 1] AS pair FROM range(3) t(n)")
    return path


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("1.50::numeric(20, 2)", "1.50"),
        ("123456789012345678901234567890.5::numeric", "123456789012345678901234567890.5"),
        ("'2026-02-03 04:05:06.7+02'::timestamptz", "2026-02-03T02:05:06.700Z"),
        ("'2026-02-03 04:05:06'::timestamp", "2026-02-03T04:05:06"),
        ("'2026-02-03'::date", "2026-02-03"),
        ("'04:05:06'::time", "04:05:06"),
        ("true", "true"),
        ("'{\"a\": 1}'::jsonb", '{"a": 1}'),
        ("'6E2F9C1A-0000-4000-8000-00000000000f'::uuid", str(UUID("6e2f9c1a-0000-4000-8000-00000000000f"))),
        ("7::int2", "7"),
        ("1.5::float8", "1.5"),
        ("'x'::char(3)", "x  "),
        ("null::text", None),
        ("''", ""),
    ],
)
def test_a_value_of_postgresql_is_the_text_a_file_would_hold(postgres: Postgres, sql: str, text: str | None) -> None:
    """Numbers keep their digits, instants are UTC, a null stays apart from an empty text."""
    assert rows_of(reading(postgres.uri, f"SELECT {sql} AS x")).to_dict(as_series=False) == {"x": [text]}


@pytest.mark.parametrize(
    ("sql", "items"),
    [
        ("ARRAY['a', null]", ["a", None]),
        ("ARRAY[1.50, 2]::numeric[]", ["1.50", "2"]),
        ("ARRAY['[1]']::jsonb[]", ["[1]"]),
        ("ARRAY[true]", [True]),
        ("ARRAY[7]::int4[]", [7]),
        ("'{}'::text[]", []),
    ],
)
def test_an_array_of_postgresql_is_a_list(postgres: Postgres, sql: str, items: list[object]) -> None:
    """Also of numbers of any length, which arrive in a type of their own."""
    assert rows_of(reading(postgres.uri, f"SELECT {sql} AS x"))["x"].to_list() == [items]


@pytest.mark.parametrize(
    "sql", ["'1 day'::interval", "12.5::money", "inet '127.0.0.1'", "'\\x00'::bytea", "point(1, 2)"]
)
def test_a_column_without_an_exact_text_is_left_out_and_named(postgres: Postgres, sql: str) -> None:
    """The note says to cast it; money counts, because its unit is not told."""
    source = reading(postgres.uri, f"SELECT 1 AS id, {sql} AS odd")
    assert source.describe().columns == ("id",)
    assert "cast it" in source.describe().unsupported["odd"]


def test_an_infinite_date_refuses_the_source_and_names_the_column(postgres: Postgres) -> None:
    """It has no ISO text, and the engine would panic over it."""
    with pytest.raises(SourceError, match="column 'born' holds a value that has no text"):
        rows_of(reading(postgres.uri, "SELECT 'infinity'::date AS born"))


def test_each_pass_runs_the_query_anew_and_hashes_alike(postgres: Postgres) -> None:
    """A stream that was read to its end would answer no rows a second time, without a word."""
    postgres.execute("DROP TABLE IF EXISTS pass", "CREATE TABLE pass AS SELECT generate_series(1, 50000) AS id")
    source = reading(postgres.uri, "SELECT * FROM pass ORDER BY id")
    first = rows_of(source)
    mark = source.fingerprint()
    assert first.height == 50_000
    assert rows_of(source).equals(first)
    assert source.fingerprint() == mark
    postgres.execute("UPDATE pass SET id = -1 WHERE id = 7")
    assert rows_of(source).height == 50_000
    assert source.fingerprint() != mark


def test_rows_are_numbered_through_all_batches(postgres: Postgres) -> None:
    """Batches are joined and cut to one size; numbers go on from one to the next."""
    numbers = [
        number
        for chunk in reading(postgres.uri, "SELECT generate_series(1, 90000) AS id").chunks()
        for number in (chunk.row_number[0], chunk.row_number[-1])
    ]
    assert numbers[0] == 1
    assert numbers[-1] == 90_000
    assert [b - a for a, b in zip(numbers[1::2], numbers[2::2], strict=False)] == [1] * (len(numbers) // 2 - 1)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM kept RETURNING id",
        "WITH gone AS (DELETE FROM kept RETURNING id) SELECT * FROM gone",
        "COMMIT; DELETE FROM kept",
        "SELECT 1; DELETE FROM kept",
        "SELECT nextval('counter')",
    ],
)
def test_a_query_that_writes_is_refused_and_changes_nothing(postgres: Postgres, query: str) -> None:
    """The server itself holds the transaction to reading."""
    postgres.execute(
        "DROP TABLE IF EXISTS kept", "CREATE TABLE kept AS SELECT 1 AS id", "CREATE SEQUENCE IF NOT EXISTS counter"
    )
    with pytest.raises(SourceError):
        rows_of(reading(postgres.uri, query))
    assert rows_of(reading(postgres.uri, "SELECT count(*) AS n FROM kept"))["n"].to_list() == ["1"]


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM nowhere", "names a table that is not there"),
        ("SELECT nothing FROM pg_class", "names a column that is not there"),
        ("SELECT id > $1 FROM (SELECT 1 AS id) t", "types that do not go together"),
        ("SELECT ('canary-7c1f@example.com' || g)::int FROM generate_series(1, 3) g", "a value that it cannot convert"),
        (
            "SELECT ('canary-7c1f@example.com' || g)::int FROM generate_series(100000, 1, -1) g",
            "a value that it cannot convert",
        ),
        ("SELECT 1 AS a, 2 AS a", "more than once"),
        ("SELECT FROM pg_class", "no columns"),
        ("SELECT 1 AS a WHERE false", "no rows"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "the database ended the connection"),
    ],
)
def test_a_query_that_fails_says_why_in_words_of_ours(postgres: Postgres, query: str, cause: str) -> None:
    """What the database says may quote cells; none of it gets out."""
    parameters = ("1",) if "$1" in query else ()
    with pytest.raises(SourceError, match=cause) as caught:
        rows_of(reading(postgres.uri, query, *parameters))
    assert CANARY not in str(caught.value) + caught.value.hint
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_parameter_is_bound_and_never_part_of_the_text(postgres: Postgres) -> None:
    """Quotes in it are just quotes."""
    found = rows_of(reading(postgres.uri, "SELECT $1::text AS name, $2::int AS n", "O'Brien; DROP", "5"))
    assert found.rows() == [("O'Brien; DROP", "5")]


def test_a_database_that_cannot_be_reached_is_named_without_user_and_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address comes from the environment here, with everything in it."""
    monkeypatch.setenv("WAREHOUSE", "postgresql://clerk:hunter2@127.0.0.1:1/sales?connect_timeout=2")
    with pytest.raises(SourceError, match=r"postgresql://127\.0\.0\.1:1/sales") as caught:
        reading("env:WAREHOUSE", "SELECT 1").describe()
    assert "cannot be reached" in str(caught.value)
    assert "hunter2" not in str(caught.value) + caught.value.hint
    assert "clerk" not in str(caught.value)


def test_sqlite_is_read_from_a_file_by_its_content(sqlite_file: Path) -> None:
    """Its name may hold anything; parameters are bound by `?`."""
    found = rows_of(reading(sqlite_file, "SELECT id, email FROM person WHERE id > ? ORDER BY id", "3"))
    assert found.rows() == [("4", "p4@example.com"), ("5", CANARY)]


def test_sqlite_is_never_written(sqlite_file: Path) -> None:
    """The file is opened for reading alone."""
    with pytest.raises(SourceError, match="writes"):
        rows_of(reading(sqlite_file, "DELETE FROM person RETURNING id"))
    with sqlite3.connect(sqlite_file) as database:
        assert database.execute("SELECT count(*) FROM person").fetchone() == (5,)


def test_a_sqlite_column_of_mixed_types_late_in_the_table_refuses_the_source(sqlite_file: Path) -> None:
    """The driver takes a column's type from the first rows; a text after them ends the read, never silently."""
    with sqlite3.connect(sqlite_file) as database:
        database.execute("DELETE FROM person")
        database.executemany("INSERT INTO person VALUES (?, 'x', ?)", [(n, n) for n in range(60_000)])
        database.execute("INSERT INTO person VALUES (60000, 'x', ?)", (CANARY,))
    with pytest.raises(SourceError, match="several types") as caught:
        rows_of(reading(sqlite_file, "SELECT id, points FROM person ORDER BY id"))
    assert CANARY not in str(caught.value)
    found = rows_of(reading(sqlite_file, "SELECT CAST(points AS TEXT) AS points FROM person ORDER BY id"))
    assert found["points"][-1] == CANARY


def test_duckdb_is_read_from_a_file_by_its_content(duckdb_file: Path) -> None:
    """Lists stay lists."""
    found = rows_of(reading(duckdb_file, "SELECT id, pair FROM person WHERE id >= $1::int ORDER BY id", "1"))
    assert found.rows() == [("1", [1, 2]), ("2", [2, 3])]


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ("DELETE FROM person", "writes"),
        ("SELECT * FROM nowhere", "table that is not there"),
        ("SELECT nothing FROM person", "column that is not there"),
        ("SELEC", "syntax error"),
        ("SELECT CAST('canary-7c1f@example.com' || id AS INTEGER) FROM person", "cannot convert"),
    ],
)
def test_duckdb_is_only_read_and_its_errors_are_worded(duckdb_file: Path, query: str, cause: str) -> None:
    """The file is opened for reading; its errors quote the query and the cells."""
    with pytest.raises(SourceError, match=cause) as caught:
        rows_of(reading(duckdb_file, query))
    assert CANARY not in str(caught.value)


def test_any_adbc_driver_can_be_named(sqlite_file: Path) -> None:
    """Here the one of SQLite by its path, as an unknown warehouse's would be."""
    import adbc_driver_sqlite

    driver = adbc_driver_sqlite._driver_path()
    source = reading(f"file:{sqlite_file.parent}/copy.db", "SELECT 7 AS id", driver=driver)
    assert rows_of(source).rows() == [("7",)]


def test_a_driver_that_is_not_there_is_refused(sqlite_file: Path) -> None:
    """The hint says where drivers are looked for."""
    with pytest.raises(SourceError, match="the driver cannot be loaded") as caught:
        reading("warehouse://h/x", "SELECT 1", driver="no_such_driver").describe()
    assert "ADBC_DRIVER_PATH" in caught.value.hint


@pytest.mark.parametrize(
    ("spec", "options", "cause"),
    [
        ("postgresql://u:hunter2@h/x", {}, "holds a password"),
        ("postgresql://u@h/x?password=hunter2", {}, "holds a password"),
        (
            "snow://h/x",
            {"driver": "d", "driver_options": ("adbc.snowflake.sql.password=hunter2",)},
            "looks like a secret",
        ),
        ("snow://h/x", {"driver": "d", "driver_options": ("noequals",)}, "not NAME=VALUE"),
    ],
)
def test_a_secret_among_the_arguments_is_refused(spec: str, options: dict[str, Any], cause: str) -> None:
    """Everybody on a machine can read the arguments of its processes; the hint names the environment."""
    with pytest.raises(SettingsError, match=cause) as caught:
        reading(spec, "SELECT 1", **options)
    assert "hunter2" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("spec", "query", "cause"),
    [
        ("env:NO_SUCH_VARIABLE", "SELECT 1", "the environment has no NO_SUCH_VARIABLE"),
        ("mysql://h/x", "SELECT 1", "no driver comes with this package"),
        ("postgresql://h/x", "", "say which to read with --query|has no rows of its own"),
        (__file__, "SELECT 1", "no SQLite or DuckDB file"),
        ("/nowhere/at/all.db", "SELECT 1", "no such file"),
    ],
)
def test_a_place_where_no_query_can_run_is_refused(spec: str, query: str, cause: str) -> None:
    """Before anything is opened, with the fix."""
    with pytest.raises(SourceError, match=cause) as caught:
        reading(spec, query)
    assert caught.value.hint
