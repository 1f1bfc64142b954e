"""The tables of the ledger, and the values that go into them and come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from importer.core.delivery import Attempt, BatchEntry, BatchSpec, RequestKind, RowResult, Trace
from importer.core.lifecycle import OUTCOME, BatchState, RowState
from importer.core.route import Route

SCHEMA_VERSION: Final = 1

SCHEMA: Final = """
CREATE TABLE batches (
    batch_id INTEGER PRIMARY KEY,
    parent_id INTEGER,
    route TEXT NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    wave INTEGER NOT NULL,
    digest TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    request_id TEXT,
    operation_id TEXT,
    status_url TEXT,
    import_id TEXT,
    filename TEXT,
    size_bytes INTEGER,
    code TEXT,
    http_status INTEGER,
    service_code INTEGER
) STRICT;
CREATE TABLE rows (
    position INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    code TEXT,
    profile_id TEXT,
    http_status INTEGER,
    service_code INTEGER,
    request_id TEXT
) STRICT;
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    batch_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    outcome TEXT NOT NULL,
    position INTEGER,
    http_status INTEGER,
    service_code INTEGER,
    request_id TEXT,
    import_id TEXT
) STRICT;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""

BATCH_COLUMNS: Final = (
    "batch_id, parent_id, route, start, stop, wave, digest, state, attempts,"
    " request_id, operation_id, status_url, import_id, filename, size_bytes, code, http_status, service_code"
)
PUT_BATCH: Final = f"INSERT OR REPLACE INTO batches ({BATCH_COLUMNS}) VALUES ({', '.join('?' * 18)})"  # noqa: S608
PUT_ROW: Final = "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)"
ATTEMPT_COLUMNS: Final = "batch_id, kind, outcome, position, http_status, service_code, request_id, import_id"
PUT_ATTEMPT: Final = f"INSERT INTO attempts ({ATTEMPT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
ROW_COLUMNS: Final = "position, state, code, profile_id, http_status, service_code, request_id"

OUTCOME_COLUMNS: Final = (
    "start, stop, batch_id, state, code, route, request_id, operation_id, import_id, attempts,"
    " http_status, service_code"
)

Value = str | int | None


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What came of consecutive positions, but for rows that have an outcome of their own.

    `state` is one of the final row states; `code`, where set, says why.
    """

    start: int
    stop: int
    batch_id: int
    state: str
    code: str | None
    route: Route
    request_id: str | None
    operation_id: str | None
    import_id: str | None
    attempts: int
    http_status: int | None = None
    service_code: int | None = None


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What came of one row where that differs from its batch."""

    position: int
    state: str
    code: str | None
    profile_id: str | None = None
    http_status: int | None = None
    service_code: int | None = None
    request_id: str | None = None


def batch_values(entry: BatchEntry) -> tuple[Value, ...]:
    """Return what `PUT_BATCH` stores of a batch."""
    spec, trace = entry.spec, entry.trace
    return (
        spec.batch_id,
        spec.parent_id,
        spec.route,
        spec.start,
        spec.stop,
        spec.wave,
        spec.digest,
        entry.state,
        entry.attempts,
        trace.request_id,
        trace.operation_id,
        trace.status_url,
        trace.import_id,
        trace.filename,
        trace.size_bytes,
        trace.code,
        trace.http_status,
        trace.service_code,
    )


def entry_of(row: tuple[Any, ...]) -> BatchEntry:
    """Return the batch a row of `BATCH_COLUMNS` holds."""
    batch_id, parent_id, route, start, stop, wave, digest, state, attempts, *trace = row
    spec = BatchSpec(batch_id, Route(route), start, stop, wave, digest, parent_id)
    return BatchEntry(spec, BatchState(state), attempts, Trace(*trace))


def outcome_of(row: tuple[Any, ...]) -> BatchOutcome:
    """Return the outcome of the batch a row of `OUTCOME_COLUMNS` holds."""
    start, stop, batch_id, state, code, route, *trace = row
    return BatchOutcome(start, stop, batch_id, OUTCOME[BatchState(state)], code, Route(route), *trace)


def row_values(result: RowResult) -> tuple[Value, ...]:
    """Return what `PUT_ROW` stores of a row result."""
    return (
        result.position,
        result.state,
        result.code,
        result.profile_id,
        result.http_status,
        result.service_code,
        result.request_id,
    )


def result_of(row: tuple[Any, ...]) -> RowResult:
    """Return the row result a row of `ROW_COLUMNS` holds."""
    position, state, *rest = row
    return RowResult(position, RowState(state), *rest)


def attempt_values(attempt: Attempt) -> tuple[Value, ...]:
    """Return what `PUT_ATTEMPT` stores of an attempt."""
    return (
        attempt.batch_id,
        attempt.kind,
        attempt.outcome,
        attempt.position,
        attempt.http_status,
        attempt.service_code,
        attempt.request_id,
        attempt.import_id,
    )


def attempt_of(row: tuple[Any, ...]) -> Attempt:
    """Return the attempt a row of `ATTEMPT_COLUMNS` holds."""
    batch_id, kind, *rest = row
    return Attempt(batch_id, RequestKind(kind), *rest)
