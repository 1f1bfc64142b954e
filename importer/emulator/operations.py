"""Operations and events: what became of accepted work, as far as the service tells."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from importer.emulator.database import Database
from importer.emulator.problems import Code

OPERATION_PATH = "/v1/ControlPlane/Operations/"


class Status(StrEnum):
    """States of an operation; an import has PROCESSING where an operation has RUNNING."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class Event(NamedTuple):
    """One line of the service's log; places are positions or names, never values."""

    code: int
    reason: str
    request_id: str
    subject: str | None = None
    places: Sequence[str] = ()


class Tally(NamedTuple):
    """What applying one piece of work came to."""

    errors: int = 0
    warnings: int = 0


def now_us() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1000


def show_time(stamp_us: int) -> str:
    """Return a stamp as the service writes it: RFC 3339 in UTC, whole seconds. Its own client reads no other form."""
    return datetime.fromtimestamp(stamp_us // 1_000_000, UTC).isoformat().replace("+00:00", "Z")


def show_millis(stamp_us: int) -> str:
    """Return a stamp as RFC 3339 text in UTC with milliseconds."""
    at = datetime.fromtimestamp(stamp_us // 1_000_000, UTC).replace(microsecond=stamp_us % 1_000_000)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def open_operation(connection: sqlite3.Connection, operation_id: str, created_at: int) -> None:
    """Store a pending operation."""
    connection.execute(
        "INSERT INTO operations (id, status, created_at) VALUES (?, ?, ?)",
        (operation_id, Status.PENDING, created_at),
    )


def leave_running(connection: sqlite3.Connection, operation_id: str | None) -> None:
    """Store that an operation is being applied; nothing ends it."""
    if operation_id:
        connection.execute("UPDATE operations SET status = ? WHERE id = ?", (Status.RUNNING, operation_id))


def complete_operation(connection: sqlite3.Connection, operation_id: str | None, tally: Tally) -> None:
    """Store the end of an operation that was applied, with its counts."""
    if operation_id:
        connection.execute(
            "UPDATE operations SET status = ?, completed_at = ?, result = ? WHERE id = ?",
            (Status.COMPLETED, now_us(), orjson.dumps(tally._asdict()), operation_id),
        )


def fail_operation(connection: sqlite3.Connection, operation_id: str | None, code: Code, detail: str) -> None:
    """Store the end of an operation that was not, or not wholly, applied."""
    if operation_id:
        error = {"type": "about:blank", "title": "Operation failed", "code": int(code), "detail": detail}
        connection.execute(
            "UPDATE operations SET status = ?, completed_at = ?, error = ? WHERE id = ?",
            (Status.FAILED, now_us(), orjson.dumps(error), operation_id),
        )


def show_operation(database: Database, operation_id: str, base_url: str, running: str | None) -> dict[str, Any] | None:
    """Return an operation as the API shows it, or None where there is none.

    Args:
        database: Where operations are stored.
        operation_id: The one asked for.
        base_url: Root of the API, for `statusUrl`.
        running: Operation that the worker is applying; it is not written down, as it ends at once.
    """
    rows = database.query(
        "SELECT status, created_at, completed_at, result, error FROM operations WHERE id = ?", (operation_id,)
    )
    if not rows:
        return None
    status, created_at, completed_at, result, error = rows[0]
    if status == Status.PENDING and operation_id == running:
        status = Status.RUNNING
    body: dict[str, Any] = {
        "operationId": operation_id,
        "status": str(status),
        "createdAt": show_time(created_at),
        "statusUrl": f"{base_url}{OPERATION_PATH}{operation_id}",
    }
    if completed_at is not None:
        body["completedAt"] = show_time(completed_at)
    if result is not None:
        body["result"] = orjson.loads(result)
    if error is not None:
        body["error"] = orjson.loads(error)
    return body


def write_events(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    """Append to the service's log."""
    at = now_us()
    rows = [
        (
            at,
            "warning" if event.code == Code.IDENTIFIER_SKIPPED else "error",
            int(event.code),
            event.reason,
            event.request_id,
            event.subject,
            orjson.dumps(list(event.places)),
        )
        for event in events
    ]
    connection.executemany(
        "INSERT INTO events (at, level, code, reason, request_id, subject, places) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
    )


def list_events(database: Database) -> list[dict[str, Any]]:
    """Return the service's log, oldest first."""
    sql = "SELECT level, code, reason, request_id, subject, places FROM events ORDER BY number"
    return [
        {
            "level": level,
            "errorCode": code,
            "errorReason": reason,
            "requestId": request_id,
            "subject": subject,
            "places": orjson.loads(places),
        }
        for level, code, reason, request_id, subject, places in database.query(sql)
    ]
