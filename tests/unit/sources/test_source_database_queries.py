"""What a query may be, and what is bound to it: one statement that selects, and as many values as it has places."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import polars as pl
import pytest

from importer.errors import SourceError
from importer.ports import SourceOptions
from importer.sources import open_source
from importer.sources.database_place import DUCKDB, POSTGRES, SQLITE
from importer.sources.database_query import bound
from importer.sources.open import is_path
from tests.support.postgres import Postgres


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Make a SQLite and a DuckDB file of one row, alone in a folder."""
    folder = tmp_path / "files"
    folder.mkdir()
    with sqlite3.connect(folder / "one.sqlite") as database:
        database.execute("CREATE TABLE person AS SELECT 1 AS id")
    with duckdb.connect(str(folder / "one.duckdb")) as connection:
        connection.execute("CREATE TABLE person AS SELECT 1 AS id")
    return folder


def read(spec: Path | str, query: str, *parameters: str) -> pl.DataFrame:
    """Read what a query selects."""
    source = open_source(str(spec), SourceOptions(query=query, parameters=parameters))
    return pl.concat([chunk.frame for chunk in source.chunks()])


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("one.sqlite", "ATTACH '{folder}/made.db' AS made"),
        ("one.sqlite", "-- a comment\nATTACH '{folder}/made.db' AS made"),
        ("one.sqlite", "VACUUM INTO '{folder}/made.db'"),
        ("one.sqlite", "PRAGMA journal_mode = wal"),
        ("one.duckdb", "COPY person TO '{folder}/made.csv'"),
        ("one.duckdb", "COPY (SELECT * FROM person) TO '{folder}/made.csv'"),
        ("one.duckdb", "EXPORT DATABASE '{folder}/made'"),
        ("one.duckdb", "ATTACH '{folder}/made.duckdb'"),
        ("one.duckdb", "SELECT 1; COPY person TO '{folder}/made.csv'"),
    ],
)
def test_a_statement_that_would_write_another_file_is_refused(files: Path, name: str, query: str) -> None:
    """A database that is opened for reading alone does not keep a statement from making files beside it."""
    with pytest.raises(SourceError, match="the query writes, or does not select"):
        read(files / name, query.format(folder=files))
    assert sorted(path.name for path in files.iterdir()) == ["one.duckdb", "one.sqlite"]


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("one.sqlite", "/* why */ -- and\n  with p as (select id from person) select * from p;"),
        ("one.sqlite", "VALUES (1)"),
        ("one.duckdb", "FROM person"),
        ("one.duckdb", "-- why\nPIVOT (SELECT id, 1 AS x FROM person) ON x USING sum(id)"),
    ],
)
def test_whatever_selects_is_read(files: Path, name: str, query: str) -> None:
    """Comments, common tables and short forms are fine."""
    assert read(files / name, query).height == 1


@pytest.mark.parametrize(
    ("engine", "query", "given", "needed"),
    [
        (POSTGRES, "SELECT $1::int", 0, 1),
        (POSTGRES, "SELECT 1", 1, 0),
        (POSTGRES, "SELECT $2::int, $1::int", 1, 2),
        (POSTGRES, "SELECT '$1', \"$2\", $tag$ $3 $tag$ -- $4\n, $1::int", 2, 1),
        (SQLITE, "SELECT ?, ?", 1, 2),
        (DUCKDB, "SELECT ?", 0, 1),
        (DUCKDB, "SELECT $1", 2, 1),
    ],
)
def test_a_query_with_another_number_of_parameters_is_refused(engine: str, query: str, given: int, needed: int) -> None:
    """PostgreSQL's driver would pass over one too many without a word."""
    with pytest.raises(SourceError, match=f"takes {needed} parameters, and {given} were given"):
        bound(engine, query, ("x",) * given, None)


@pytest.mark.parametrize(
    ("engine", "query", "given"),
    [
        (POSTGRES, "SELECT data ? 'key', tags[1:2], x::int FROM t WHERE y = $1", 1),
        (SQLITE, "SELECT ?2, ?1, :name", 3),
        (DUCKDB, "SELECT list[1:2], x::int FROM t WHERE y = ?", 1),
        ("", "SELECT @p, :1", 2),
    ],
)
def test_what_cannot_be_counted_is_left_to_the_database(engine: str, query: str, given: int) -> None:
    """Operators and casts look like parameters, and names may stand in several places."""
    values = tuple(map(str, range(given)))
    assert bound(engine, query, values, None) == (query, values)


def test_the_place_of_a_cursor_is_one_of_the_parameters() -> None:
    """It comes last; without a sync nobody binds it."""
    query = "SELECT * FROM t WHERE a = $1 AND b >= $cursor AND c >= $cursor"
    text, values = bound(POSTGRES, query, ("x",), "2026")
    assert (text, values) == ("SELECT * FROM t WHERE a = $1 AND b >= $2 AND c >= $2", ("x", "2026"))
    with pytest.raises(SourceError, match="takes 1 parameters, and 0 were given"):
        bound(POSTGRES, query, (), "2026")
    assert bound(DUCKDB, "SELECT ? WHERE a > $cursor", ("x",), "2026") == ("SELECT ? WHERE a > ?", ("x", "2026"))
    with pytest.raises(SourceError, match="which only a sync binds"):
        bound(POSTGRES, query, ("x",), None)


def test_a_parameter_that_was_not_given_is_named_as_that(postgres: Postgres) -> None:
    """Not as a lost connection, which trying again would not mend."""
    with pytest.raises(SourceError, match="takes 1 parameters"):
        read(postgres.uri, "SELECT $1::int AS id")


def test_a_parameter_without_a_query_is_refused(files: Path) -> None:
    """It would be passed over."""
    with pytest.raises(SourceError, match="--param belongs to a query"):
        open_source(str(files / "one.sqlite"), SourceOptions(parameters=("1",)))


def test_a_driver_whose_options_say_it_all_is_given_no_address(files: Path) -> None:
    """A bare scheme stands for the database; it is no path, wherever a sync file or a run's record stands."""
    import adbc_driver_sqlite

    options = SourceOptions(
        query="SELECT id FROM person",
        driver=adbc_driver_sqlite._driver_path(),
        driver_options=(f"uri={files / 'one.sqlite'}",),
    )
    source = open_source("warehouse:", options)
    assert source.describe().files[0].name == "warehouse:"
    assert pl.concat([chunk.frame for chunk in source.chunks()]).rows() == [("1",)]
    assert [is_path(spec) for spec in ("warehouse:", "snow://h/x", "env:X", "s3://b/k", "-", "a/b.csv")] == [
        *(False,) * 5,
        True,
    ]


@pytest.mark.parametrize("name", ["one.sqlite", "one.duckdb"])
def test_a_database_file_without_a_query_is_named_as_what_it_is(files: Path, name: str) -> None:
    """Not as a text of some odd encoding."""
    with pytest.raises(SourceError, match="database, whatever its name says") as caught:
        open_source(str(files / name), SourceOptions())
    assert "--query" in caught.value.hint
