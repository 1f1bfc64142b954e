"""`$cursor` in a query: bound, never pasted."""

from __future__ import annotations

import sqlite3
import warnings
from contextlib import closing

import pytest

from importer.sources.database_place import DUCKDB, POSTGRES, SQLITE
from importer.sources.database_query import bound

NOISE = "SELECT '$cursor', \"$cursor\", $$ $cursor ? $$ -- $cursor ?\n/* $cursor ? */ FROM t WHERE a > $cursor"


@pytest.mark.parametrize("engine", [POSTGRES, DUCKDB])
def test_it_becomes_the_next_number(engine: str) -> None:
    """Each place the same one; texts, names and comments stay as they are."""
    query, values = bound(engine, f"{NOISE} AND b = $1 AND c >= $cursor", ["x"], "now")
    assert query == NOISE.removesuffix("$cursor") + "$2 AND b = $1 AND c >= $2"
    assert values == ("x", "now")


def test_sqlite_binds_it_where_it_stands_first() -> None:
    """The order of parameters is that of their marks; SQLite itself says so."""
    query, values = bound(SQLITE, "SELECT ? || $cursor || ? || $cursor || ?", ["a", "b", "c"], "-")
    assert values == ("a", "-", "b", "c")
    with closing(sqlite3.connect(":memory:")) as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python would rather bind `$cursor` by its name; a driver binds by number
        assert connection.execute(query, values).fetchall() == [("a-b-c",)]


def test_other_drivers_get_a_mark_for_each_place() -> None:
    """Most write a question mark."""
    query, values = bound("", "SELECT * FROM t WHERE a > $cursor AND b = ? AND c > $cursor", ["x"], "7")
    assert query == "SELECT * FROM t WHERE a > ? AND b = ? AND c > ?"
    assert values == ("7", "x", "7")
