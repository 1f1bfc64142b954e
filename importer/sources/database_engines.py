"""Running a query: one function an engine, each a stream of Arrow batches that nothing can write through."""

from __future__ import annotations

import re
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, cast

import pyarrow as pa

from importer.errors import SourceError
from importer.sources.database_place import DUCKDB, POSTGRES, SQLITE, DatabasePlace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from types import ModuleType

BATCH_ROWS: Final = 40_000
_BATCH_BYTES: Final = 4 * 1024 * 1024
"""Rows come in batches of this size, so that memory is bounded by it and not by the result."""

_SELECTS: Final = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*(?:SELECT|WITH|VALUES)\b", re.IGNORECASE | re.DOTALL)
_DUCKDB_SELECTS: Final = (["SELECT"], ["MULTI"])
"""What one statement may be; PIVOT is several to the engine."""


def running(
    place: DatabasePlace, query: str, parameters: Sequence[str]
) -> AbstractContextManager[pa.RecordBatchReader]:
    """Run a query and yield its rows as they come; the connection ends with the context.

    Args:
        place: Where.
        query: One statement that selects.
        parameters: Texts bound to ``$1``, ``$2``, ... (SQLite: ``?``).

    Raises:
        SourceError: the engine's package is not installed.
        Exception: whatever the driver raises; see `importer.sources.database_errors.translated`.
    """
    runners = {POSTGRES: _postgres, SQLITE: _sqlite, DUCKDB: _duckdb}
    return runners.get(place.engine, _driven)(place, query, parameters)


@contextmanager
def _postgres(place: DatabasePlace, query: str, parameters: Sequence[str]) -> Iterator[pa.RecordBatchReader]:
    dbapi = _module("adbc_driver_postgresql.dbapi", "postgres")
    # In the order given: a cursor that outlives its connection raises when it is collected.
    with closing(dbapi.connect(place.address)) as connection, closing(connection.cursor()) as cursor:
        # One view of the data for the whole read, and a statement that writes is refused by the server.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
        yield _executed(cursor, query, parameters)


@contextmanager
def _sqlite(place: DatabasePlace, query: str, parameters: Sequence[str]) -> Iterator[pa.RecordBatchReader]:
    dbapi = _module("adbc_driver_sqlite.dbapi", "sqlite")
    if not _SELECTS.match(query):  # ATTACH would make a file
        raise _not_selecting(place)
    uri = "file:" + place.address.replace("%", "%25").replace("?", "%3f").replace("#", "%23") + "?mode=ro"
    with closing(dbapi.connect(uri)) as connection, closing(connection.cursor()) as cursor:
        # A column's type is that of its values in the first batch.
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)})
        yield _executed(cursor, query, parameters)


@contextmanager
def _duckdb(place: DatabasePlace, query: str, parameters: Sequence[str]) -> Iterator[pa.RecordBatchReader]:
    duckdb = _module("duckdb", "duckdb")
    with closing(duckdb.connect(place.address, read_only=True)) as connection:
        # COPY and EXPORT write files, whatever the database is opened for.
        kinds = [statement.type.name for statement in connection.extract_statements(query)]
        if kinds not in _DUCKDB_SELECTS:
            raise _not_selecting(place)
        relation = connection.sql(query, params=list(parameters) or None)
        if relation is None:
            raise _not_selecting(place)
        yield cast("pa.RecordBatchReader", relation.to_arrow_reader(BATCH_ROWS))
        del relation  # before its connection, or it complains on standard error at the end


@contextmanager
def _driven(place: DatabasePlace, query: str, parameters: Sequence[str]) -> Iterator[pa.RecordBatchReader]:
    dbapi = _module("adbc_driver_manager.dbapi", "adbc")
    given = {"uri": place.address, **place.driver_options} if place.address else dict(place.driver_options)
    with closing(dbapi.connect(driver=place.driver, db_kwargs=given)) as connection:
        with suppress(Exception):  # not every driver can; nothing is ever committed either way
            connection.adbc_connection.set_options(**{"adbc.connection.readonly": "true"})
        with closing(connection.cursor()) as cursor:
            yield _executed(cursor, query, parameters)


def _executed(cursor: Any, query: str, parameters: Sequence[str]) -> pa.RecordBatchReader:
    cursor.execute(query, list(parameters) or None)
    return cast("pa.RecordBatchReader", cursor.fetch_record_batch())


def _not_selecting(place: DatabasePlace) -> SourceError:
    return SourceError(f"{place.name}: the query writes, or does not select", hint="give one SELECT")


def _module(name: str, extra: str) -> ModuleType:
    from importlib import import_module  # noqa: PLC0415 - drivers are optional, and slow to load

    try:
        return import_module(name)
    except ImportError:
        raise SourceError(
            f"this kind of database needs the package {name.partition('.')[0].replace('_', '-')}",
            hint=f"pip install 'memory-importer[{extra}]'",
        ) from None
