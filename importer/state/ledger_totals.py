"""A look at the ledger of a run that another process may be sending: read-only, one short read, no lock.

The writer is never kept waiting: in WAL mode a reader sees the last commit and stops nobody. Nothing here is repaired
or checked for damage; that is for whoever opens the ledger to send from it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import polars as pl

from importer.core.delivery import FailureKind
from importer.core.lifecycle import HALF_DONE, ROW_OUTCOME, BatchState
from importer.state.ledger_check import damaged, ledger_error

RANGES: Final = pl.Schema({"start": pl.Int64, "stop": pl.Int64, "state": pl.String})
"""Batches that were not split, in the order of their positions ``[start, stop)``."""

OVERRIDES: Final = pl.Schema({"position": pl.Int64, "state": pl.String})
"""Positions that may have an outcome of their own, in order, by `RowState`."""

_PASSING: Final = (FailureKind.RETRYABLE, FailureKind.AMBIGUOUS, FailureKind.PROTOCOL)
_TAKEN: Final = ("accepted", "uploaded")
_RECENT: Final = 50_000
"""Attempts, the newest, among which those of the last minute are looked for."""

_BUSY_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True)
class LedgerTotals:
    """What a ledger says at one moment.

    Attributes:
        ranges: `RANGES`.
        overrides: `OVERRIDES`.
        attempts: Requests by kind, as far as they are kept: those that carried or prepared rows, and failures.
        requests: HTTP requests by kind of sessions that ended.
        failures: Attempts that failed in a way that may pass.
        throttled: Attempts that were answered 429.
        recent_rows: Rows of batches and parts that the service took since the moment asked for.
        first_at: Time of the first attempt; None where there is none.
        last_failure: ``at``, ``kind``, ``outcome``, ``http_status``, ``service_code``, ``request_id`` of the last
            attempt that did not succeed; None where there is none.
    """

    ranges: pl.DataFrame
    overrides: pl.DataFrame
    attempts: Mapping[str, int]
    requests: Mapping[str, int]
    failures: int
    throttled: int
    recent_rows: int
    first_at: str | None
    last_failure: tuple[str, str, str, int | None, int | None, str | None] | None


def read_totals(path: Path, since: str) -> LedgerTotals | None:
    """Read a ledger.

    Args:
        path: The file.
        since: UTC, ISO 8601 with milliseconds and Z: from when on rows count as recent.

    Returns:
        None while there is no ledger, or none with tables in it.

    Raises:
        LedgerDamagedError: it is damaged.
        StateError: it may not be opened, or the disk is failing.
    """
    if not path.exists():
        return None
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_S)) as connection:
            connection.execute("BEGIN")  # all of it from one moment
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return _totals(connection, since) if {"batches", "rows", "attempts", "meta"} <= tables else None
    except sqlite3.Error as exc:
        raise ledger_error(exc, path, "read") from exc
    except (ValueError, TypeError) as exc:  # a word or a number that no version ever wrote
        raise damaged(path, "is damaged (a value)") from exc


def _totals(connection: sqlite3.Connection, since: str) -> LedgerTotals:
    kinds, failures, throttled = _attempts(connection)
    query = "SELECT start, stop, state FROM batches WHERE state <> ? ORDER BY start"
    ranges = _frame(connection, query, (BatchState.SPLIT,), RANGES)
    for state in ranges["state"].unique():
        BatchState(state)
    return LedgerTotals(
        ranges=ranges,
        overrides=_overrides(connection),
        attempts=kinds,
        requests=_requests(connection),
        failures=failures,
        throttled=throttled,
        recent_rows=_recent_rows(connection, since),
        first_at=_first(connection, "SELECT at FROM attempts ORDER BY number LIMIT 1"),
        last_failure=_last_failure(connection),
    )


def _frame(connection: sqlite3.Connection, query: str, values: tuple[str, ...], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(connection.execute(query, values).fetchall(), schema=schema, orient="row")


def _overrides(connection: sqlite3.Connection) -> pl.DataFrame:
    states = (*ROW_OUTCOME, *HALF_DONE)
    marks = ", ".join("?" * len(states))
    query = f"SELECT position, state FROM rows WHERE state IN ({marks}) ORDER BY position"  # noqa: S608 - question marks
    return _frame(connection, query, states, OVERRIDES)


def _attempts(connection: sqlite3.Connection) -> tuple[dict[str, int], int, int]:
    marks = ", ".join("?" * len(_PASSING))
    query = f"""
        SELECT kind, COUNT(*), COALESCE(SUM(outcome IN ({marks})), 0), COALESCE(SUM(http_status = 429), 0)
        FROM attempts GROUP BY kind
    """  # noqa: S608 - question marks
    found = connection.execute(query, _PASSING).fetchall()
    return (
        {kind: count for kind, count, _, _ in found},
        sum(failed for _, _, failed, _ in found),
        sum(throttled for _, _, _, throttled in found),
    )


def _recent_rows(connection: sqlite3.Connection, since: str) -> int:
    query = """
        SELECT COALESCE(SUM(b.stop - b.start), 0) FROM attempts a JOIN batches b ON b.batch_id = a.batch_id
        WHERE a.number > (SELECT COALESCE(MAX(number), 0) FROM attempts) - ? AND a.at >= ? AND a.outcome IN (?, ?)
    """
    return int(connection.execute(query, (_RECENT, since, *_TAKEN)).fetchone()[0])


def _last_failure(
    connection: sqlite3.Connection,
) -> tuple[str, str, str, int | None, int | None, str | None] | None:
    marks = ", ".join("?" * len(FailureKind))
    query = f"""
        SELECT at, kind, outcome, http_status, service_code, request_id FROM attempts
        WHERE outcome IN ({marks}) ORDER BY number DESC LIMIT 1
    """  # noqa: S608 - question marks
    found: tuple[str, str, str, int | None, int | None, str | None] | None = connection.execute(
        query, tuple(FailureKind)
    ).fetchone()
    return found


def _requests(connection: sqlite3.Connection) -> dict[str, int]:
    text = _first(connection, "SELECT value FROM meta WHERE name = 'requests'")
    return {str(kind): int(count) for kind, count in orjson.loads(text or "{}").items()}


def _first(connection: sqlite3.Connection, query: str) -> str | None:
    found = connection.execute(query).fetchone()
    return None if found is None else str(found[0])
