"""What databases answer when something goes wrong, in words of ours: their own may hold cells and passwords."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import polars as pl
import pyarrow as pa

from importer.errors import ImporterError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BY_STATE: Final = {
    "42601": ("the query has a syntax error", "run it in the database's own shell first"),
    "42P01": ("the query names a table that is not there", "check its name, its schema and the database"),
    "42703": ("the query names a column that is not there", "check its name"),
    "42P02": ("the query has a parameter that was not given", "give one --param for each $1, $2, ..."),
    "08P01": ("the query has other parameters than were given", "give one --param for each $1, $2, ..."),
    "42883": (
        "the query compares or calls with types that do not go together",
        "parameters are texts: write $1::int or $1::timestamptz",
    ),
    "42501": ("the user may not read that", "grant it the right to select"),
    "3D000": ("there is no such database", "check the address"),
    "25006": ("the query writes, and a source is only read", "give a query that selects"),
    "57014": ("the query was cancelled, or took longer than the database allows", "raise statement_timeout"),
    "53300": ("the database has no connection left", "try again later"),
}
_BY_CLASS: Final = {
    "08": ("the connection was lost", "try again"),
    "22": ("the query meets a value that it cannot convert", "cast with care, or leave such rows out in the query"),
    "28": ("the database refuses the user", "check user and password (PGPASSWORD, ~/.pgpass)"),
    "40": ("the database could not keep the query's view of the data", "try again, or read from the primary"),
    "57": ("the database ended the connection", "try again"),
}
_BY_WORDS: Final = (
    (
        re.compile(r"Could not load|dlopen"),
        ("the driver cannot be loaded", "give its path, or put it where ADBC_DRIVER_PATH names"),
    ),
    (re.compile(r"no such table|Table with name .* does not exist", re.IGNORECASE), _BY_STATE["42P01"]),
    (re.compile(r"no such column|Referenced column .* not found", re.IGNORECASE), _BY_STATE["42703"]),
    (re.compile(r"syntax error|Parser Error", re.IGNORECASE), _BY_STATE["42601"]),
    (re.compile(r"readonly database|read-only mode", re.IGNORECASE), _BY_STATE["25006"]),
    (re.compile(r"password authentication|no password supplied", re.IGNORECASE), _BY_CLASS["28"]),
    (re.compile(r"database .* does not exist"), _BY_STATE["3D000"]),
    (
        re.compile(r"Connection refused|could not translate host|timeout expired|No route to host|No such file"),
        ("the database cannot be reached", "check host and port, and that it runs"),
    ),
    (
        re.compile(r"invalid input syntax|division by zero|out of range|Conversion Error", re.IGNORECASE),
        _BY_CLASS["22"],
    ),
    (re.compile(r"terminating connection|server closed the connection|connection not open"), _BY_CLASS["57"]),
    (
        re.compile(r"Type mismatch|expected .* but got", re.IGNORECASE),
        ("a column holds values of several types", "cast it in the query: CAST(x AS TEXT)"),
    ),
    (
        re.compile(r"Could not set lock|database is locked", re.IGNORECASE),
        ("another process has it", "try again later"),
    ),
)
_UNKNOWN: Final = ("the query failed", "run it in the database's own shell to see why")
_STATE: Final = re.compile(r"SQLSTATE: ([0-9A-Z]{5})\b")


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Word whatever a driver raises.

    Args:
        name: Of the database, for people.

    Raises:
        SourceError: with cause and fix, and nothing that the driver said.
    """
    try:
        yield
    except (ImporterError, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        if isinstance(error, MemoryError):
            raise
        cause, fix, state = _worded(error)
        told = f" (SQLSTATE {state})" if state else ""
        raise SourceError(f"{name}: {cause}{told}", hint=fix) from None


def _worded(error: BaseException) -> tuple[str, str, str]:
    text = str(error)
    found = _STATE.search(text)
    state = getattr(error, "sqlstate", None) or (found[1] if found else "")
    words = _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
    if words is None:
        words = next((words for pattern, words in _BY_WORDS if pattern.search(text)), None)
    if words is None and isinstance(error, pa.ArrowInvalid):
        words = ("a value cannot be read", "cast the column to text in the query")
    return (*(words or _UNKNOWN), state)
